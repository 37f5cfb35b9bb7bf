"""Whether the keys that a crash image holds are still those of their devices, by the record of its load."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import HeaderError, KdumpkeyError, KeyslotError
from kdumpkey.kernel.record import KeyOrigin, LoadRecord
from kdumpkey.luks.device import LuksDevice, open_luks
from kdumpkey.luks.volume_key import verify_volume_key

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.luks.model import Digest, LuksHeader

_BY_UUID: Final = "dev/disk/by-uuid"
_DOMAIN: Final = b"kdumpkey volume key digest 1"


class KeyState(Enum):
    """What became of a key that was handed over."""

    CURRENT = "current"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Freshness:
    """Whether a key of the record is still its device's; `reason`: why not."""

    description: str
    state: KeyState
    reason: str = ""


def fingerprint(digest: Digest) -> str:
    """A hash over a header's check value of a volume key: it changes with the key, but reveals nothing of it.

    Args:
        digest: The digest that the key fits.
    """
    parts = [
        digest.hash.encode(),
        struct.pack("<Q", digest.iterations),
        digest.salt or b"",
        digest.digest or b"",
    ]
    whole = hashlib.sha256(_DOMAIN)
    for part in parts:
        whole.update(struct.pack("<Q", len(part)) + part)
    return whole.hexdigest()


def keys_now(root: Path, record: LoadRecord) -> tuple[Freshness, ...]:
    """Compare every key of a record with its device; nothing is changed, and no key is read.

    Args:
        root: ``/``, or a directory with another machine's files.
        record: Of the load.

    Returns:
        One for each key, in the record's order.
    """
    origins = {origin.description: origin for origin in record.origins}
    return tuple(
        key_now(root, origins[name])
        if name in origins
        else Freshness(name, KeyState.UNKNOWN, "the record does not say which device it is of")
        for name in record.descriptions
    )


def key_now(root: Path, origin: KeyOrigin) -> Freshness:
    """Compare one key with its device: the device at its path, else the one with its UUID.

    Args:
        root: ``/``, or a directory with another machine's files.
        origin: What the record says of the key.
    """
    names = [origin.header or origin.device]
    if not origin.header:
        names.append(f"{_BY_UUID}/{origin.uuid}")
    unread, other = "", ""
    for name in names:
        path = root / name.lstrip("/")
        try:
            with open_luks(path) as luks:
                header = luks.header
        except HeaderError as error:
            other = other or f"{origin.device}: {error}"
            continue
        except KdumpkeyError as error:
            unread = unread or str(error)
            continue
        if header.uuid == origin.uuid:
            reason = _outdated(header, origin)
            return Freshness(origin.description, KeyState.STALE if reason else KeyState.CURRENT, reason)
        other = other or f"{origin.device} was reformatted: its UUID is now {header.uuid}"
    if other:
        return Freshness(origin.description, KeyState.STALE, other)
    return Freshness(origin.description, KeyState.UNKNOWN, unread)


def _outdated(header: LuksHeader, origin: KeyOrigin) -> str:
    """Why the key is no longer the device's; empty: it is."""
    if header.requirements:
        return f"{origin.device} demands {', '.join(header.requirements)}"
    data = {segment.id for segment in header.data_segments}
    own = [
        digest
        for digest in header.digests.values()
        if not data.isdisjoint(digest.segments) and fingerprint(digest) == origin.fingerprint
    ]
    if not own:
        return f"{origin.device} has another volume key now"
    if origin.had_keyslots and not has_keyslots(header, own[0]):
        return f"the keyslots of {origin.device} were erased, and the key that opens it is still in the image"
    return ""


def has_keyslots(header: LuksHeader, digest: Digest) -> bool:
    """Whether a keyslot is left that holds the key of a digest."""
    return any(number in header.keyslots for number in digest.keyslots)


def origin_of(
    luks: LuksDevice, key: Buffer | None, description: str, device: str, detached: str = ""
) -> KeyOrigin:
    """The device of a key, for the record.

    Args:
        luks: The open device.
        key: Its volume key; None: it cannot be read, so nobody can check that it is the device's.
        description: The name by which the key is handed over.
        device: The device's path.
        detached: The path of its detached header, if it has one.

    Raises:
        WrongKeyError: It is not the device's key.
        KeyslotError: The device has no encrypted segment.
    """
    header = luks.header
    if key is not None:
        digest = verify_volume_key(header, key)
    else:
        found = [header.digest_of_segment(segment.id) for segment in header.data_segments]
        digests = [each for each in found if each is not None]
        if not digests:
            raise KeyslotError(f"Device {device} has no encrypted segment.")
        digest = digests[0]
    return KeyOrigin(
        description,
        str(Path(device).absolute()),
        header.uuid,
        fingerprint(digest),
        str(Path(detached).absolute()) if detached else "",
        has_keyslots(header, digest),
        key is not None,
    )
