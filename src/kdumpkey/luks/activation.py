"""Mapping an unlocked volume with dm-crypt, as cryptsetup's open does, and taking the mapping away."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from kdumpkey.crypto.cipher_spec import is_null_cipher
from kdumpkey.errors import (
    BusyError,
    CipherError,
    DeviceError,
    DeviceMapperError,
    InactiveError,
    MappingError,
    WriteError,
)
from kdumpkey.keyring import SpecialKeyring, add_key, invalidate_key, join_session
from kdumpkey.luks.model import Luks1Header, Luks2Header
from kdumpkey.luks.requirements import check_requirements
from kdumpkey.mapping.device import device_number, is_readonly, name_of
from kdumpkey.mapping.dmsetup import DeviceMapper, check_name, running_as_root
from kdumpkey.mapping.table import SECTOR, CryptTarget, KeyReference
from kdumpkey.storage.device import open_readonly, open_readwrite
from kdumpkey.storage.loop import attached

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.mapping.dmsetup import Info
    from kdumpkey.secret import SecretBuffer
    from kdumpkey.storage.device import Device

# dm-crypt's words, in cryptsetup's order; a LUKS2 header keeps them with dashes, but for the last.
FLAGS: Final = (
    "allow_discards",
    "same_cpu_crypt",
    "submit_from_crypt_cpus",
    "no_read_workqueue",
    "no_write_workqueue",
    "high_priority",
)


@dataclass(frozen=True)
class MappingOptions:
    """How a volume is mapped.

    Attributes:
        readonly: The kernel refuses writes to the mapping, as it does if the device beneath is read-only.
        flags: Those of `FLAGS` to be set.
        stored_flags: Those that the header asks for are set as well.
    """

    readonly: bool = False
    flags: Collection[str] = ()
    stored_flags: bool = True


AS_THE_HEADER_ASKS: Final = MappingOptions()
UUID_PREFIX: Final = "CRYPT-"  # of all that cryptsetup maps
_LONGEST_UUID: Final = 128  # bytes: device-mapper's, cut where a long name makes it longer


def mapper_for(luks: LuksDevice, name: str, search_path: str | None = None) -> DeviceMapper:
    """Device-mapper, for mapping a volume; before anyone is asked for a key, nothing else is missing.

    Args:
        luks: The open device.
        name: The mapping's name.
        search_path: As $PATH, where dmsetup is looked for.

    Raises:
        OverlapError: The data would begin inside the header.
        DeviceMapperError: Device-mapper is missing, or this user may not use it.
        KdumpkeyError: As `check_mappable`.
    """
    luks.check_data_apart()
    try:
        mapper = DeviceMapper.find(search_path)
    except DeviceMapperError as error:
        lines = [str(error), f"Cannot use device {name}, name is invalid or still in use."]
        if running_as_root():
            lines.append(f"kdumpkey unlock {luks.device.name} --to FILE decrypts without device-mapper.")
        raise DeviceMapperError("\n".join(lines)) from error
    check_mappable(mapper, luks, name)
    return mapper


def check_mappable(mapper: DeviceMapper, luks: LuksDevice, name: str) -> None:
    """See, before anyone is asked for a key, that nothing but the key is missing.

    Raises:
        BusyError: There is a mapping of this name, or the device is mounted or mapped.
        MappingError: No mapping can have this name, or the volume cannot be mapped.
        RequirementsError: The header demands features that are not implemented.
        OverlapError: The data would begin inside the header.
    """
    check_name(name)
    luks.check_data_apart()
    if luks.losses:
        raise MappingError(
            "The header is damaged: kdumpkey repair --header-backup-file FILE makes a detached one to map by."
        )
    if mapper.info(name) is not None:
        raise BusyError(f"Device {name} already exists.")
    open_readonly(luks.device.name, exclusive=True).close()
    check_requirements(luks.header, "open")
    if len(luks.header.data_segments) != 1:
        raise MappingError("The volume has several segments, which kdumpkey does not map.")


def map_volume(
    mapper: DeviceMapper,
    luks: LuksDevice,
    volume_key: SecretBuffer,
    name: str,
    options: MappingOptions = AS_THE_HEADER_ASKS,
) -> None:
    """Map a volume under /dev/mapper; the key goes to the kernel by a keyring that only dmsetup has.

    Args:
        mapper: Device-mapper.
        luks: The device.
        volume_key: The volume key, which is checked first.
        name: The mapping's name.
        options: How it is mapped; default: with the flags that the header asks for.

    Raises:
        WrongKeyError: It is not this volume's key.
        BusyError, MappingError: Device-mapper refuses; nothing is left of it.
        DeviceError: A file cannot be made a loop device.
        KeyringError: The keyring refuses the key.
        KdumpkeyError: As `LuksDevice.volume`.
    """
    target, reference = target_of(luks, volume_key, options)
    uuid = f"CRYPT-LUKS{luks.header.version}-{luks.header.uuid.replace('-', '')}-{name}"[:_LONGEST_UUID]
    with _block_device(luks.device, readonly=options.readonly) as fd:
        table = replace(target, device=device_number(fd)).to_text()
        readonly = options.readonly or is_readonly(fd)

        def create() -> None:
            if reference is None:
                mapper.create(name, uuid, table, readonly=readonly)
                return
            # The keyring is this thread's own, and dmsetup's, which inherits it: no other program sees the
            # key, the process keeps its session, and when both have ended, however they did, it is gone.
            join_session()
            key = add_key(reference.type, reference.description, volume_key, SpecialKeyring.SESSION)
            try:
                mapper.create(name, uuid, table, readonly=readonly)
            finally:
                invalidate_key(key)

        _in_thread(create)


def target_of(
    luks: LuksDevice, volume_key: SecretBuffer, options: MappingOptions = AS_THE_HEADER_ASKS
) -> tuple[CryptTarget, KeyReference | None]:
    """What dm-crypt is to be told of a volume, but for the device beneath, and the key's name in it.

    The null cipher has no key.

    Raises:
        As `map_volume`.
    """
    (((segment, size),), digest) = luks.sized_segments(volume_key)
    if segment.type != "crypt":
        raise CipherError("The volume is not encrypted, and needs no mapping.")
    if size % segment.sector_size:
        raise DeviceError("Device size is not aligned to requested sector size.")
    header = luks.header
    wanted = {*options.flags, *(_stored_flags(header) if options.stored_flags else ())}
    key = None
    if not is_null_cipher(segment.encryption):
        key = KeyReference(len(volume_key), "logon", f"cryptsetup:{header.uuid}-d{digest.id}")
    target = CryptTarget(
        size // SECTOR,
        segment.encryption,
        key,
        key.size_bytes if key else 0,
        segment.iv_tweak,
        "",
        segment.offset // SECTOR,
        tuple(flag for flag in FLAGS if flag in wanted),
        segment.sector_size,
    )
    return target, key


def _stored_flags(header: LuksHeader) -> tuple[str, ...]:
    """The flags that a header asks for, in dm-crypt's words."""
    match header:
        case Luks1Header():
            return ()
        case Luks2Header():
            return tuple(flag.replace("-", "_") for flag in header.config.flags)
        case _:
            assert_never(header)


def close_mapping(mapper: DeviceMapper, word: str, *, deferred: bool = False) -> bool:
    """Take a mapping away, and the kernel's copy of its key with it.

    Args:
        mapper: Device-mapper.
        word: The mapping's name or path.
        deferred: If it is in use, have it go when its last user leaves.

    Returns:
        Whether it is still there, to go later.

    Raises:
        InactiveError: There is no such mapping.
        BusyError: It is in use.
        MappingError: Device-mapper refuses.
    """
    name, found = _active(mapper, word)
    if found.open_count and not deferred:
        raise BusyError(f"Device {word} is still in use.")
    crypt = CryptTarget.parse(mapper.table(name)) if found.uuid.startswith(UUID_PREFIX) else None
    if crypt is not None and any(option.startswith("integrity:") for option in crypt.options):
        raise MappingError(f"Device {word} is authenticated, which kdumpkey does not close; cryptsetup does.")
    mapper.remove(name, deferred=deferred)
    return deferred and mapper.info(name) is not None


def keep_mapping(mapper: DeviceMapper, word: str) -> None:
    """Take the deferred removal of a mapping, by its name or path, back.

    Raises:
        InactiveError: There is no such mapping.
        MappingError: Device-mapper refuses.
    """
    name, _ = _active(mapper, word)
    mapper.cancel_deferred(name)


@dataclass(frozen=True)
class Mapping:
    """An active mapping: device-mapper's view of it, and its table where that is one dm-crypt target."""

    type: str
    info: Info
    target: CryptTarget | None


def find_mapping(mapper: DeviceMapper, word: str) -> Mapping | None:
    """What cryptsetup or kdumpkey mapped under a name or path; None: nothing.

    Raises:
        MappingError: It cannot be told.
    """
    name = name_of(word)
    info = _info(mapper, name)
    if info is None or not info.uuid.startswith(UUID_PREFIX):
        return None
    kind = info.uuid.removeprefix(UUID_PREFIX).partition("-")[0]
    return Mapping(kind, info, CryptTarget.parse(mapper.table(name)))


def _active(mapper: DeviceMapper, word: str) -> tuple[str, Info]:
    name = name_of(word)
    found = _info(mapper, name)
    if found is None:
        raise InactiveError(f"Device {word} is not active.")
    return name, found


def _info(mapper: DeviceMapper, name: str) -> Info | None:
    return None if "/" in name else mapper.info(name)


@contextmanager
def _block_device(device: Device, *, readonly: bool) -> Iterator[int]:
    """A descriptor of the block device: the device itself, or a loop device over the file that it is."""
    if device.is_block:
        yield device.fileno()
        return
    name = os.path.realpath(device.name)
    with (
        _reopened(device, readonly=readonly) as file,
        attached(file.fileno(), name, readonly=not file.writable) as path,
        open_readonly(path) as loop,
    ):
        yield loop.fileno()


def _reopened(device: Device, *, readonly: bool) -> Device:
    """The same file once more, for writing where that can be: its loop device takes no writes otherwise."""
    again = f"/proc/self/fd/{device.fileno()}"
    if not readonly:
        with suppress(WriteError):
            return open_readwrite(again)
    return open_readonly(again)


def _in_thread(work: Callable[[], None]) -> None:
    """Run it in a thread, to its end also where Ctrl-C is pressed: the key must outlive it."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it can be handled
            failures.append(error)

    thread = threading.Thread(target=run, name="mapping")
    thread.start()
    interrupted = False
    while thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt:
            interrupted = True
    if failures:
        raise failures[0]
    if interrupted:
        raise KeyboardInterrupt
