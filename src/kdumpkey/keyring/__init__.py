"""Linux's key retention service: keys and keyrings by system calls.

How cryptsetup names them is in `names`, and what is found by such names in `find`.
"""

from __future__ import annotations

from kdumpkey.keyring.service import (
    KeyDescription,
    Permission,
    SpecialKeyring,
    add_key,
    add_keyring,
    describe_key,
    invalidate_key,
    join_session,
    keyring_id,
    keys_of,
    link_key,
    read_key,
    request_key,
    revoke_key,
    search_keyring,
    set_permissions,
    set_timeout,
    unlink_key,
)

__all__ = [
    "KeyDescription",
    "Permission",
    "SpecialKeyring",
    "add_key",
    "add_keyring",
    "describe_key",
    "invalidate_key",
    "join_session",
    "keyring_id",
    "keys_of",
    "link_key",
    "read_key",
    "request_key",
    "revoke_key",
    "search_keyring",
    "set_permissions",
    "set_timeout",
    "unlink_key",
]
