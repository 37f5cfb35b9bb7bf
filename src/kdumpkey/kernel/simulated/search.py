"""Searching a simulated kernel's keyrings: what a process finds, and what it possesses.

Source: keyrings(7), request_key(2) and keyctl_search(3); the order of errors is what Linux was seen to give.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Final

from kdumpkey.kernel.simulated.keys import Key, Process, may
from kdumpkey.keyring.service import Permission

_DEEPEST: Final = 6  # keyrings in keyrings that a search goes down

Keys = Mapping[int, Key]


def child_of(keys: Keys, ring: Key, key_type: str, description: str) -> Key | None:
    """The key of this type and name that is linked into a keyring."""
    for serial in ring.links:
        key = keys[serial]
        if (key.type, key.description) == (key_type, description):
            return key
    return None


def rings_under(keys: Keys, key: Key) -> set[int]:
    """The keyrings below one, however deep."""
    found: set[int] = set()
    left = list(key.links)
    while left:
        serial = left.pop()
        if serial not in found and keys[serial].type == "keyring":
            found.add(serial)
            left += keys[serial].links
    return found


def find(
    keys: Keys,
    process: Process,
    root: Key,
    key_type: str,
    description: str,
    expired: Callable[[Key], bool],
    *,
    skips_expired: bool = False,
    depth: int = 0,
) -> Key | int:
    """The key of this type and name in or under a keyring, or the errno that says why there is none.

    Args:
        keys: All keys.
        process: Who looks for it; it possesses what it searches.
        root: Where to begin.
        key_type: Type of the key.
        description: Its name.
        expired: Whether a key's time is over.
        skips_expired: Take an expired key for none, as request_key(2) does.
        depth: How many keyrings are above this one.

    Returns:
        The key; EAGAIN: nothing of that name; EKEYREVOKED, EKEYEXPIRED or EACCES: one that cannot be used.
    """
    if not may(process, root, Permission.SEARCH, possessed=True):
        return errno.EACCES
    result = errno.EAGAIN
    if (key := child_of(keys, root, key_type, description)) is not None:
        if key.revoked:
            result = errno.EKEYREVOKED
        elif expired(key):
            result = result if skips_expired else errno.EKEYEXPIRED
        elif not may(process, key, Permission.SEARCH, possessed=True):
            result = errno.EACCES
        else:
            return key
    for serial in root.links:
        ring = keys[serial]
        if ring.type != "keyring" or ring.revoked or depth + 1 >= _DEEPEST:
            continue
        if not may(process, ring, Permission.SEARCH, possessed=True):
            continue
        found = find(
            keys,
            process,
            ring,
            key_type,
            description,
            expired,
            skips_expired=skips_expired,
            depth=depth + 1,
        )
        if isinstance(found, Key):
            return found
        result = result if found == errno.EAGAIN else found
    return result


def reaches(keys: Keys, process: Process, root: Key, serial: int) -> bool:
    """Whether a key is, or is found from, a keyring by way of what the process may search."""
    left, seen = [root], {root.serial}
    while left:
        ring = left.pop()
        if ring.serial == serial:
            return True
        for child in ring.links:
            key = keys[child]
            if child not in seen and may(process, key, Permission.SEARCH, possessed=True):
                seen.add(child)
                left.append(key)
    return False
