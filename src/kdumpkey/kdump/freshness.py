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
from kdumpkey.luks.unlock import verify_volume_key

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.luks.model import Digest, LuksHeader

_BY_UUID: Final = "dev/disk/by-uuid"
_DOMAIN: Final = b"kdumpkey volume key digest 1"


class State(Enum):
    """What became of a key that was handed over."""

    CURRENT = "current"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Freshness:
    """How a key of the record stands to its device now; `reason` is empty where it is current."""

    description: str
    state: State
    reason: str = ""


def fingerprint(digest: Digest) -> str:
    """A hash over a header's check value of a volume key: it changes with the key, and tells nothing of it.

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
    """Hold every key of a record against its device; nothing is changed, no key is read.

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
        else Freshness(name, State.UNKNOWN, "the record does not say which device it is of")
        for name in record.descriptions
    )


def key_now(root: Path, origin: KeyOrigin) -> Freshness:
    """Hold one key against its device: the one at its path, else the one with its UUID.

    Args:
        root: ``/``, or a directory with another machine's files.
        origin: What the record says of the key.
    """
    places = [origin.header or origin.device]
    if not origin.header:
        places.append(f"{_BY_UUID}/{origin.uuid}")
    unread, other = "", ""
    for place in places:
        path = root / place.lstrip("/")
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
            return Freshness(origin.description, State.STALE if reason else State.CURRENT, reason)
        other = other or f"{origin.device} was formatted anew: its UUID is {header.uuid}"
    if other:
        return Freshness(origin.description, State.STALE, other)
    return Freshness(origin.description, State.UNKNOWN, unread)


def _outdated(header: LuksHeader, origin: KeyOrigin) -> str:
    """Why the key is not the device's any more; empty: it is."""
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
    """What a record is to say of a key.

    Args:
        luks: The open device.
        key: Its volume key; None: it cannot be read, and is taken for the device's on trust.
        description: The name that the key is handed over by.
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
