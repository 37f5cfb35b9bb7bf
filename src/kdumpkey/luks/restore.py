"""A header put back from its backup, after what is there has been backed up itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from kdumpkey.errors import (
    DeviceError,
    HeaderError,
    KdumpkeyError,
    NotLuksError,
    OutputExistsError,
    UsageError,
    WriteError,
)
from kdumpkey.luks import lock, store
from kdumpkey.luks.backup import back_up, header_size
from kdumpkey.luks.header import read_header
from kdumpkey.luks.model import Luks1Header, Luks2Header
from kdumpkey.storage.device import Device, open_readonly, open_readwrite

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader

_CHUNK: Final = 1 << 20
_OTHER_VERSION: Final = {1: 2, 2: 1}


@dataclass(frozen=True)
class Restoration:
    """What a restore would do: the backup's header, the device's, and that of another version there.

    None: it has none of that version.
    """

    backup: LuksHeader
    present: LuksHeader | None
    other: LuksHeader | None = None


def examine(path: str, backup_path: str) -> Restoration:
    """See what a restore would do, and whether it can be done.

    Raises:
        UsageError: The backup has no LUKS header, is cut short, has requirements, or its data lie elsewhere.
        DeviceError: The device cannot be opened.
    """
    refusal = "Header backup file does not contain compatible LUKS header."
    try:
        with open_readonly(backup_path) as file:
            backup = read_header(file)
            if file.size < header_size(backup):
                raise UsageError(refusal)
            if backup.requirements:
                raise UsageError(f"Forbidden LUKS2 requirements detected in backup {backup_path}.")
    except UsageError:
        raise
    except KdumpkeyError as error:
        raise UsageError(f"{error}\n{refusal}" if isinstance(error, DeviceError) else refusal) from error
    with open_readonly(path) as device:
        present = _present(device, backup.version)
        other = None if present is not None else _present(device, _OTHER_VERSION[backup.version])
    if present is not None and _differ(present, backup):
        raise UsageError("Data offset or key size differs on device and backup, restore failed.")
    return Restoration(backup, present, other)


def restore(path: str, backup_path: str, what: Restoration, *, keep: str | None) -> None:
    """Put a header and its keyslots back.

    The areas are written before the header that names them, and of LUKS2 the copies one after the other. A
    cut in the middle may leave neither old keyslots nor new ones whole: the same restore once more, or
    that of the old header's backup, mends it.

    Args:
        path: The device.
        backup_path: The backup.
        what: What `examine` found.
        keep: Where the header that is replaced is backed up first, if there is one.

    Raises:
        OutputExistsError: There is a file `keep` already.
        DeviceError: The device cannot be written, or is in use.
        KdumpkeyError: The backup or the device has changed meanwhile.
    """
    with open_readonly(backup_path) as file, open_readwrite(path, exclusive=True) as device:
        size, grown_from = header_size(what.backup), None
        if read_header(file) != what.backup:
            raise UsageError(f"{backup_path} was changed meanwhile.")
        if device.size < size:
            if device.is_block:
                raise DeviceError(f"Device {device.name} is too small. (LUKS needs at least {size} bytes.)")
            os.ftruncate(device.fileno(), size)
            grown_from, device.size = device.size, size
        try:
            device.reserve(0, size)
        except WriteError:
            if grown_from is not None:
                os.ftruncate(device.fileno(), grown_from)
            raise
        replaced = what.present or what.other
        if replaced is not None and keep is not None:
            back_up(device, replaced, keep)
        with lock.exclusive(device):
            _copy(file, device, what.backup.copies_end, size)
            device.sync()
            store.write_header(device, what.backup)


def backup_name(backup_path: str, present: LuksHeader) -> str:
    """Where the header that is replaced is backed up: beside the backup, by its UUID, a name that is free."""
    base = f"{backup_path}.replaced-{present.uuid}"
    for number in range(1000):
        name = base if number == 0 else f"{base}.{number}"
        if not os.path.lexists(name):
            return name
    raise OutputExistsError(f"File {base} exists already.")


def _present(device: Device, version: int) -> LuksHeader | None:
    try:
        return read_header(device, version=version)
    except (NotLuksError, HeaderError, DeviceError):
        return None


def _differ(present: LuksHeader, backup: LuksHeader) -> bool:
    """Whether the data of the two cannot be the same; an erased header does not say its key's size."""
    sizes = {_key_size(present), _key_size(backup)} - {0}
    return present.data_offset != backup.data_offset or len(sizes) > 1


def _key_size(header: LuksHeader) -> int:
    match header:
        case Luks1Header():
            return header.key_size
        case Luks2Header():
            sizes = (slot.key_size for slot in header.keyslots.values() if not header.is_unbound(slot.id))
            return max(sizes, default=0)
        case _:
            assert_never(header)


def _copy(file: Device, device: Device, start: int, end: int) -> None:
    buffer = bytearray(_CHUNK)
    for at in range(start, end, _CHUNK):
        with memoryview(buffer)[: min(_CHUNK, end - at)] as view:
            file.pread_into(view, at)
            device.pwrite(view, at)
