"""The record of a load: which keys went into the crash image, which Linux never tells. It holds no secret.

One line of JSON: ``{"version": 1, "boot_id": …, "loaded_at": seconds since the epoch, "descriptions": […]}``,
and where they are known, under ``origins`` the devices that the keys are of, under ``image`` what was loaded,
and under ``reserved_bytes`` the size of the reserved memory. A record counts only in the boot that it names.
Source: this page; the kernel's random/boot_id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from kdumpkey.region.handover import MOST_KEYS

RECORD: Final = "run/kdumpkey/loaded.json"
_VERSION: Final = 1
_MOST: Final = MOST_KEYS + 1  # as many can be named, though one too many to be restored
_LONGEST: Final = 1 << 20  # characters of text


@dataclass(frozen=True)
class KeyOrigin:
    """The device that a key is of, by which to tell later whether it still is.

    Attributes:
        description: The key's name.
        device: The device's path.
        uuid: Its header's UUID.
        fingerprint: A hash over the header's check value of the volume key, in hexadecimal.
        header: Where the header is, if it is detached; else empty.
        had_keyslots: Whether a passphrase could open it then.
        checked: Whether the key was checked against the device; a logon key cannot be read to check it.
    """

    description: str
    device: str
    uuid: str
    fingerprint: str
    header: str = ""
    had_keyslots: bool = True
    checked: bool = True


@dataclass(frozen=True)
class RecordedImage:
    """The files that were loaded, to load them again; their stamps tell whether they have changed."""

    kernel: str
    initrd: str
    command_line: str
    kernel_stamp: str = ""
    initrd_stamp: str = ""


@dataclass(frozen=True)
class LoadRecord:
    """What was loaded.

    Attributes:
        boot_id: The boot.
        loaded_at: When, in seconds since the epoch.
        descriptions: The keys' descriptions.
        origins: The devices that they are of.
        image: The files.
        reserved_bytes: How large the reserved memory was; None: older records do not say.
    """

    boot_id: str
    loaded_at: float
    descriptions: tuple[str, ...]
    origins: tuple[KeyOrigin, ...] = ()
    image: RecordedImage | None = None
    reserved_bytes: int | None = None

    def to_text(self) -> str:
        """The file's content."""
        made: dict[str, object] = {
            "version": _VERSION,
            "boot_id": self.boot_id,
            "loaded_at": self.loaded_at,
            "descriptions": list(self.descriptions),
        }
        if self.origins:
            made["origins"] = [asdict(origin) for origin in self.origins]
        if self.image is not None:
            made["image"] = asdict(self.image)
        if self.reserved_bytes is not None:
            made["reserved_bytes"] = self.reserved_bytes
        return json.dumps(made) + "\n"


def file_stamp(path: Path | None) -> str:
    """A file's size and time of change, to tell later whether it has changed; empty: there is no file."""
    try:
        found = None if path is None else path.stat()
    except OSError:
        return ""
    return "" if found is None else f"{found.st_size}:{found.st_mtime_ns}"


def parse_record(text: str) -> LoadRecord | None:
    """Read a record; None: the text is not one, which means no more than that there is no record."""
    if len(text) > _LONGEST:
        return None
    try:
        return _record(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _record(found: object) -> LoadRecord:
    """A record from its JSON; ValueError: it is not one."""
    if not isinstance(found, Mapping) or found.get("version") != _VERSION:
        raise ValueError
    (boot,) = _words(found, ("boot_id",))
    when, names = found.get("loaded_at"), _list(found.get("descriptions"))
    descriptions = tuple(name for name in names if isinstance(name, str))
    if not isinstance(when, int | float) or len(descriptions) != len(names):
        raise ValueError
    origins = tuple(_origin(each) for each in _list(found.get("origins", [])))
    image = _image(found["image"]) if "image" in found else None
    reserved = _size(found["reserved_bytes"]) if "reserved_bytes" in found else None
    return LoadRecord(boot, float(when), descriptions, origins, image, reserved)


def _size(found: object) -> int:
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ValueError
    return found


def _list(found: object) -> list[object]:
    if not isinstance(found, list) or len(found) > _MOST:
        raise ValueError
    return found


def _origin(found: object) -> KeyOrigin:
    names = ("description", "device", "uuid", "fingerprint", "header")
    description, device, uuid, fingerprint, header = _words(found, names)
    had_keyslots, checked = _flags(found, ("had_keyslots", "checked"))
    return KeyOrigin(description, device, uuid, fingerprint, header, had_keyslots, checked)


def _image(found: object) -> RecordedImage:
    return RecordedImage(*_words(found, ("kernel", "initrd", "command_line", "kernel_stamp", "initrd_stamp")))


def _words(found: object, names: tuple[str, ...]) -> list[str]:
    values = [found.get(name) for name in names] if isinstance(found, Mapping) else [None]
    words = [value for value in values if isinstance(value, str)]
    if len(words) != len(names):
        raise ValueError
    return words


def _flags(found: object, names: tuple[str, ...]) -> list[bool]:
    values = [found.get(name) for name in names] if isinstance(found, Mapping) else [None]
    flags = [value for value in values if isinstance(value, bool)]
    if len(flags) != len(names):
        raise ValueError
    return flags
