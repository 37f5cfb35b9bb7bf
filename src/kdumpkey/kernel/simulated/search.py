"""Searching a simulated kernel's keyrings: what a process finds, and what it possesses.

Source: keyrings(7), request_key(2) and keyctl_search(3); the order of errors is what Linux was seen to give.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from kdumpkey.kernel.simulated.keys import Key, Process, may
from kdumpkey.keyring.service import Permission

_DEEPEST: Final = 6  # keyrings in keyrings that a search goes down

KeyTable = Mapping[int, Key]


def child_of(keys: KeyTable, ring: Key, key_type: str, description: str) -> Key | None:
    """The key of this type and name that is linked into a keyring."""
    for serial in ring.links:
        key = keys[serial]
        if (key.type, key.description) == (key_type, description):
            return key
    return None


def rings_under(keys: KeyTable, key: Key) -> set[int]:
    """The keyrings below one, however deep."""
    found: set[int] = set()
    left = list(key.links)
    while left:
        serial = left.pop()
        if serial not in found and keys[serial].type == "keyring":
            found.add(serial)
            left += keys[serial].links
    return found


@dataclass(frozen=True)
class Search:
    """A process looks for a key; it possesses what it searches.

    Attributes:
        keys: All keys.
        process: Who looks for it.
        key_type: Its type.
        description: Its name.
        expired: Whether a key's time is over.
        skips_expired: Pass over an expired key, as request_key(2) does.
    """

    keys: KeyTable
    process: Process
    key_type: str
    description: str
    expired: Callable[[Key], bool]
    skips_expired: bool = False

    def under(self, root: Key, depth: int = 0) -> Key | int:
        """The key in or under a keyring, or the errno that says why it was not found.

        Args:
            root: Where to begin.
            depth: How many keyrings are above this one.

        Returns:
            The key; EAGAIN: nothing of that name; EKEYREVOKED, EKEYEXPIRED, EACCES: one that cannot be used.
        """
        if not self._may_search(root):
            return errno.EACCES
        result = self._directly_in(root)
        if isinstance(result, Key):
            return result
        for serial in root.links:
            ring = self.keys[serial]
            if ring.type != "keyring" or ring.revoked or depth + 1 >= _DEEPEST:
                continue
            if not self._may_search(ring):
                continue
            found = self.under(ring, depth + 1)
            if isinstance(found, Key):
                return found
            result = result if found == errno.EAGAIN else found
        return result

    def _directly_in(self, ring: Key) -> Key | int:
        key = child_of(self.keys, ring, self.key_type, self.description)
        if key is None:
            return errno.EAGAIN
        if key.revoked:
            return errno.EKEYREVOKED
        if self.expired(key):
            return errno.EAGAIN if self.skips_expired else errno.EKEYEXPIRED
        return key if self._may_search(key) else errno.EACCES

    def _may_search(self, key: Key) -> bool:
        return may(self.process, key, Permission.SEARCH, possessed=True)


def reaches(keys: KeyTable, process: Process, root: Key, serial: int) -> bool:
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
