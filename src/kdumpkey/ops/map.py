"""A LUKS device as a dm-crypt mapping, whose key the kernel takes out of a keyring."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import BusyError, CipherError, DeviceError, KeyNotFoundError, KeyslotError
from kdumpkey.keyring.service import SpecialKeyring, add_key, search_keyring, unlink_key
from kdumpkey.loop import attached
from kdumpkey.luks.model import SECTOR, Luks2Header
from kdumpkey.luks.unlock import check_requirements, verify_volume_key
from kdumpkey.mapping.table import CryptTarget

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Buffer

    from kdumpkey.luks.model import Segment
    from kdumpkey.mapping.dmsetup import DeviceMapper
    from kdumpkey.ops.open import LuksDevice

# What a LUKS2 header keeps for every opening (spec/luks.md), by dm-crypt's names.
_PERSISTENT: Final = {
    "allow-discards": "allow_discards",
    "same-cpu-crypt": "same_cpu_crypt",
    "submit-from-crypt-cpus": "submit_from_crypt_cpus",
    "no-read-workqueue": "no_read_workqueue",
    "no-write-workqueue": "no_write_workqueue",
}


def map_device(
    mapper: DeviceMapper,
    luks: LuksDevice,
    volume_key: Buffer,
    name: str,
    *,
    readonly: bool = False,
    options: Sequence[str] = (),
) -> Path:
    """Make a mapping of a LUKS device; nothing is left behind where that fails.

    Args:
        mapper: The machine's device-mapper.
        luks: The device.
        volume_key: Its volume key, which is checked first.
        name: The mapping's.
        readonly: Take no writes.
        options: dm-crypt's own, such as ``allow_discards``, beside those that the header keeps.

    Returns:
        The path of the new device.

    Raises:
        WrongKeyError: It is not this volume's key.
        RequirementsError: The header demands features that are not implemented.
        CipherError: The segment is authenticated, or there are several.
        DeviceError: The device has no data, or cannot be made a loop device.
        KeyringError: The key cannot be given to the kernel.
        BusyError: The device is in use, or the name is.
        MappingError: device-mapper refuses.
    """
    check_requirements(luks.header, "open")
    digest = verify_volume_key(luks.header, volume_key)
    segment = _only_segment(luks)
    if segment.id not in digest.segments:
        raise KeyslotError(f"Segment {segment.id} has another volume key than this one.")
    described = f"cryptsetup:{luks.header.uuid}-d{digest.id}"
    with ExitStack() as stack:
        device, size = stack.enter_context(_block_device(luks, readonly=readonly))
        nbytes = segment.size if segment.size is not None else (size - segment.offset) // SECTOR * SECTOR
        if nbytes <= 0:
            raise DeviceError(f"Device {luks.device.name} has no data: it ends at byte {size}.")
        if nbytes % segment.sector_size:
            raise DeviceError("Device size is not aligned to requested sector size.")
        target = CryptTarget(
            sectors=nbytes // SECTOR,
            cipher=segment.encryption,
            key=stack.enter_context(_key_for_children(described, volume_key)),
            iv_offset=segment.iv_tweak,
            device=device,
            offset=segment.offset // SECTOR,
            sector_size=segment.sector_size,
            options=tuple(dict.fromkeys((*_kept_options(luks), *options))),
        )
        return mapper.create(name, _uuid(luks, name), target, readonly=readonly)


def refuse_busy(path: str) -> None:
    """Say that a block device is mounted or mapped before anybody types a passphrase for it.

    Raises:
        BusyError: It is.
    """
    try:
        # O_EXCL asks the kernel whether anybody has claimed a block device; files it leaves alone.
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as error:
        if error.errno == errno.EBUSY:  # all else is for whoever opens it to say
            raise BusyError(
                f"Cannot use device {path} which is in use (already mapped or mounted)."
            ) from error


def _only_segment(luks: LuksDevice) -> Segment:
    segments = luks.header.data_segments
    if len(segments) != 1 or segments[0].type != "crypt":
        raise CipherError(
            "A device in reencryption is not mapped; kdumpkey unlock --to FILE decrypts it without a mapping."
        )
    if segments[0].integrity is not None:
        raise CipherError("Authenticated encryption is not supported.")
    return segments[0]


def _kept_options(luks: LuksDevice) -> tuple[str, ...]:
    if not isinstance(luks.header, Luks2Header):
        return ()
    return tuple(_PERSISTENT[flag] for flag in luks.header.config.flags if flag in _PERSISTENT)


def _uuid(luks: LuksDevice, name: str) -> str:
    """What device-mapper keeps beside the name, by which cryptsetup and udev know what it is."""
    return f"CRYPT-LUKS{luks.header.version}-{luks.header.uuid.replace('-', '')}-{name}"


@contextmanager
def _block_device(luks: LuksDevice, *, readonly: bool) -> Iterator[tuple[str, int]]:
    """The device's number, and its size in bytes; an image file becomes a loop device."""
    found = os.fstat(luks.device.fileno())
    if stat.S_ISBLK(found.st_mode):
        yield f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}", luks.device.size
        return
    with attached(luks.device.fileno(), os.path.realpath(luks.device.name), readonly=readonly) as path:
        number = path.stat().st_rdev
        yield f"{os.major(number)}:{os.minor(number)}", luks.device.size


@contextmanager
def _key_for_children(description: str, key: Buffer) -> Iterator[str]:
    """Have the key where the kernel looks on behalf of a child, as dm-crypt names it, for no longer."""
    session = SpecialKeyring.SESSION
    try:
        search_keyring(session, "logon", description)
        was_there = True
    except KeyNotFoundError:
        was_there = False
    serial = add_key("logon", description, key, session)
    try:
        yield f":{memoryview(key).nbytes}:logon:{description}"
    finally:
        if not was_there:
            unlink_key(serial, session)
