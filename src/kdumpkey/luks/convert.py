"""convert: a LUKS1 header made a LUKS2 header, or the other way, after it has been backed up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, assert_never

from kdumpkey.errors import ConversionError, DeviceError
from kdumpkey.luks import conversion
from kdumpkey.luks.backup import back_up
from kdumpkey.luks.model import Luks1Header, Luks2Header
from kdumpkey.luks.requirements import check_requirements

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.luks.store import HeaderStore
    from kdumpkey.storage.device import Device

_LUKSMETA: Final = b"LUKSMETA"
_LASTING: Final = "/var/tmp"  # noqa: S108 - beside a device node nothing outlives a reboot, and here it does


def check_convertible(header: LuksHeader, version: int) -> None:
    """Refuse a conversion that cannot be, before anybody is asked.

    Raises:
        ConversionError: The header is of that version already, or says what that version cannot.
        RequirementsError: The header demands features that are not implemented.
    """
    check_requirements(header, "convert")
    if header.version == version:
        raise ConversionError(f"Device is already LUKS{version} type.")
    _converted(header)


def convert(
    store: HeaderStore, version: int, *, keep: str, before_writing: Callable[[], None] = lambda: None
) -> None:
    """Convert a header, which is backed up first.

    At least one keyslot opens after every write; see `write_order.converted`. In any case, `keep` has the
    header as it was, and luksHeaderRestore puts it back.

    Args:
        store: The open header.
        version: The version that it is to have.
        keep: The backup's file, which must not be there yet; it stays.
        before_writing: Called when the backup is there and nothing else was written.

    Raises:
        ConversionError: As `check_convertible`; nothing was written.
        OutputError: The backup cannot be made; the device is as it was.
        DeviceError: The device cannot be written. What was there is put back, if that can be; the backup
            has it in any case.
        KdumpkeyError: As `luks.store`.
    """
    with store.changing() as header:
        check_convertible(header, version)
        done = _converted(header)
        if version == 2:
            _check_no_luksmeta(store.device, done.source + done.size)
            if store.device.is_block and store.device.size < done.end:
                raise ConversionError("Unable to move keyslot area. Not enough space.")
        store.device.reserve(0, min(done.end, store.device.size))
        back_up(store.device, header, keep)
        before_writing()
        store.convert(done.header, source=done.source, target=done.target, size=done.size)


def backup_name(device: str, header: LuksHeader, *, is_block: bool) -> str:
    """A name for the backup that lasts as long as the device: beside a file, or in /var/tmp for a device."""
    folder, name = os.path.split(device)
    base = os.path.join(_LASTING if is_block else folder, f"{name}.luks{header.version}-{header.uuid}")
    numbers = (base if number == 0 else f"{base}.{number}" for number in range(1000))
    return next((path for path in numbers if not os.path.lexists(path)), base)


def _converted(header: LuksHeader) -> conversion.Conversion:
    match header:
        case Luks1Header():
            return conversion.to_luks2(header)
        case Luks2Header():
            return conversion.to_luks1(header)
        case _:
            assert_never(header)


def _check_no_luksmeta(device: Device, areas_end: int) -> None:
    """Refuse to move the areas over what LUKSMETA keeps behind them."""
    magic = bytearray(len(_LUKSMETA))
    try:
        device.pread_into(magic, areas_end)
    except DeviceError:  # a file that ends with the areas has nothing behind them
        return
    if magic == _LUKSMETA:
        raise ConversionError("Unable to convert header with LUKSMETA additional metadata.")
