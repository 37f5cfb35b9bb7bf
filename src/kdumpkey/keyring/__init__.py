"""Linux's key retention service: keys and keyrings by system calls, and cryptsetup's ways of naming them.

The names are imported when they are first used: not everyone who has a key to hand over parses names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

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

if TYPE_CHECKING:
    from kdumpkey.keyring.find import (
        find_key,
        link_volume_key,
        never_expires,
        read_volume_key,
        resolve_keyring,
    )
    from kdumpkey.keyring.names import (
        KeyName,
        KeyringName,
        LinkTarget,
        VolumeKeySource,
        parse_keyring,
        parse_link_target,
        parse_volume_key_source,
    )

__all__ = [
    "KeyDescription",
    "KeyName",
    "KeyringName",
    "LinkTarget",
    "Permission",
    "SpecialKeyring",
    "VolumeKeySource",
    "add_key",
    "add_keyring",
    "describe_key",
    "find_key",
    "invalidate_key",
    "join_session",
    "keyring_id",
    "keys_of",
    "link_key",
    "link_volume_key",
    "never_expires",
    "parse_keyring",
    "parse_link_target",
    "parse_volume_key_source",
    "read_key",
    "read_volume_key",
    "request_key",
    "resolve_keyring",
    "revoke_key",
    "search_keyring",
    "set_permissions",
    "set_timeout",
    "unlink_key",
]

_FIND: Final = "kdumpkey.keyring.find"
_NAMES: Final = "kdumpkey.keyring.names"
_HOMES: Final = {
    "KeyName": _NAMES,
    "KeyringName": _NAMES,
    "LinkTarget": _NAMES,
    "VolumeKeySource": _NAMES,
    "find_key": _FIND,
    "link_volume_key": _FIND,
    "never_expires": _FIND,
    "parse_keyring": _NAMES,
    "parse_link_target": _NAMES,
    "parse_volume_key_source": _NAMES,
    "read_volume_key": _FIND,
    "resolve_keyring": _FIND,
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
