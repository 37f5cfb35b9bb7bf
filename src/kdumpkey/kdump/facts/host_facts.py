"""Everything that the checks judge by, read from the machine once; they look up nothing themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import DeviceError, KdumpkeyError, KeyringError, NotAKernelError
from kdumpkey.host.crypttab import CRYPTTAB, Entry, by_initramfs_tools, linked_name, opening_of
from kdumpkey.host.host import CryptDevice, Host, Missing
from kdumpkey.host.interface import Interface, read_interface
from kdumpkey.host.kdump_test import KdumpTest, read_kdump_test
from kdumpkey.host.kdump_utils import KdumpUtils, read_kdump_utils
from kdumpkey.host.kexec import CrashMemory, read_crash_memory
from kdumpkey.host.kexec_call import KexecCall, read_kexec_calls
from kdumpkey.host.keys import ListedKey, listed_keys
from kdumpkey.host.later_loads import loaded_after
from kdumpkey.host.libraries import Libraries, read_libraries
from kdumpkey.host.system import System, read_system
from kdumpkey.host.uki import INITRD, KERNEL, read_sections, section_in_memory
from kdumpkey.host.units import ARM_SERVICE, KDUMP_SERVICES, Unit, read_unit
from kdumpkey.kdump.estimate.keyslots import KeyslotMemory
from kdumpkey.kdump.estimate.machine import MachineSpec, estimate_machine, kernel_size
from kdumpkey.kdump.estimate.rules import Estimate
from kdumpkey.kdump.facts.devices import DumpDevices, HeaderFacts, read_dump_devices
from kdumpkey.kdump.facts.kdump_image import KdumpImage, read_kdump_image
from kdumpkey.kdump.freshness import Freshness, KeyState, key_now
from kdumpkey.kernel.record import RECORD, KeyOrigin, LoadRecord, parse_record
from kdumpkey.key_description import PREFIX, description_of
from kdumpkey.keyring import SpecialKeyring, request_key, search_keyring

if TYPE_CHECKING:
    from kdumpkey.kernel.record import RecordedImage

_OPTIONS: Final = ("CRASH_DM_CRYPT", "DM_CRYPT", "CONFIGFS_FS")
_EVERY_USER: Final = ["0", "0", "4294967295"]  # the identity map: root here is the machine's root
_TYPES: Final = ("logon", "user", "encrypted", "trusted")
_ROOT: Final = "0"


@dataclass(frozen=True)
class Reach:
    """What a search in this machine's keyrings found, as root; None: it was not tried.

    Attributes:
        caller: Whether this caller's keyrings lead to the key, or if there is no key, to root's keyring.
        user: Whether root's user keyring has the key, which is where the service looks.
    """

    caller: bool | None = None
    user: bool | None = None


@dataclass(frozen=True)
class DeviceFacts:
    """What is known of one encrypted device.

    Attributes:
        header: What its header says of it.
        names: The descriptions by which its key is handed over, the tools' own first.
        entry: How it is opened at boot.
        by_initramfs_tools: It is opened by Debian's scripts, which do not know link-volume-key.
        reach: What a search for its key found.
        origins: What the record says of its keys, each with how it stands to the device now.
    """

    header: HeaderFacts
    names: tuple[str, ...]
    entry: Entry | None
    by_initramfs_tools: bool
    reach: Reach
    origins: tuple[tuple[KeyOrigin, Freshness], ...]

    @property
    def device(self) -> CryptDevice:
        """The device, with what its header says."""
        return self.header.known


@dataclass(frozen=True)
class Record:
    """The record of the last load since boot.

    Attributes:
        record: What it says; None: there is no record that counts.
        unreadable: There is a file, and it cannot be read.
        since: What another program did afterwards that may have loaded another image; empty: nothing.
    """

    record: LoadRecord | None
    unreadable: bool
    since: str

    @property
    def descriptions(self) -> frozenset[str]:
        """The keys that the loaded image holds, as far as that is sure."""
        return frozenset(self.record.descriptions) if self.record and not self.since else frozenset()

    @property
    def image(self) -> RecordedImage | None:
        """The files that are loaded, as far as that is sure."""
        return self.record.image if self.record and not self.since else None


@dataclass(frozen=True)
class HostFacts:
    """A machine, for the checks.

    Attributes:
        system: Its kernel and its distribution.
        privileged: Whether root's keys would be listed.
        now: Seconds since the epoch.
        memory: The reserved memory.
        estimate: What is needed of it; a text: why that cannot be told.
        interface: The kernel's interface for keys.
        config: Build options of the kernel; None: not known.
        builtin: The modules that are built in; None: not known.
        libraries: The versions of cryptsetup and systemd.
        arming: This program's own service, that loads the image again with the keys.
        service: kdump's service.
        crypttab: Its text.
        keys: The keys that are listed; None: they cannot be.
        record: The record of the load.
        image: The initramfs of the kdump kernel.
        kdump_utils: What the kdump-utils that are installed can do.
        test: What kdump's own test came to; None: none was made.
        kexec_calls: By which system call kdump's tools are set to load.
        target: The dump target, and the devices that a dump has to pass.
        devices: The encrypted ones among them.
    """

    system: System
    privileged: bool
    now: float
    memory: CrashMemory
    estimate: Estimate | str
    interface: Interface
    config: Mapping[str, str | None]
    builtin: frozenset[str] | None
    libraries: Libraries
    arming: Unit | None
    service: Unit | None
    crypttab: str | Missing
    keys: tuple[ListedKey, ...] | None
    record: Record
    image: KdumpImage
    kdump_utils: KdumpUtils
    test: KdumpTest | None
    kexec_calls: tuple[KexecCall, ...]
    target: DumpDevices
    devices: tuple[DeviceFacts, ...]

    @property
    def arms_itself(self) -> bool:
        """Whether this program's own service loads the image again at boot, with the keys."""
        return self.arming is not None and not self.arming.masked and self.arming.enabled

    @property
    def crypts(self) -> tuple[CryptDevice, ...]:
        """The encrypted devices."""
        return tuple(each.device for each in self.devices)

    def keys_named(self, names: Sequence[str]) -> list[ListedKey]:
        """Root's keys of some names, in the order of these."""
        found = [key for key in self.keys or () if key.uid == _ROOT and key.type in _TYPES]
        return [key for name in names for key in found if key.description == name]

    @property
    def shares_keyring(self) -> bool:
        """Whether what loads the image at boot finds keys in root's user keyring."""
        return any(
            unit is not None
            and not unit.masked
            and not unit.unread
            and unit.setting("KeyringMode") == "shared"
            for unit in (self.service, self.arming)
        )

    def usable(self, names: Sequence[str]) -> list[ListedKey]:
        """Those of them that a load could use."""
        return [key for key in self.keys_named(names) if key.type == "logon" and not key.problem]

    @property
    def is_prepared(self) -> bool:
        """Whether the key of every device was named by hand, so that the next load includes them all.

        Leftovers of a killed arming do not count: arming names, loads, and removes the names again.
        """
        named = (item.description for item in self.interface.items)
        by_hand = {name for name in named if name and not name.startswith(PREFIX)}
        return bool(self.devices) and all(
            any(key.description in by_hand for key in self.usable(about.names)) for about in self.devices
        )


def read_facts(host: Host, named: Sequence[str], now: float) -> HostFacts:
    """Read a machine; nothing is changed.

    Args:
        host: The machine.
        named: The encrypted devices that a dump has to pass; empty: those beneath the dump target.
        now: Seconds since the epoch.
    """
    target = read_dump_devices(host, named)
    headers = {header.known: header for header in target.headers or ()}
    devices = list(headers)
    system, memory = read_system(host), read_crash_memory(host)
    keys = listed_keys(host)
    record = _record(host, memory)
    privileged = _is_root(host)
    facts = HostFacts(
        system=system,
        privileged=privileged,
        now=now,
        memory=memory,
        estimate=_estimate(host, devices, record.image),
        interface=read_interface(host),
        config={option: host.config(option) for option in _OPTIONS},
        builtin=_builtin(host),
        libraries=read_libraries(host),
        arming=read_unit(host, ARM_SERVICE),
        service=_service(host),
        crypttab=host.read(CRYPTTAB),
        keys=None if keys is None else tuple(keys),
        record=record,
        image=read_kdump_image(host, system, devices, record.image),
        kdump_utils=read_kdump_utils(host),
        test=read_kdump_test(host),
        kexec_calls=read_kexec_calls(host),
        target=target,
        devices=(),
    )
    text = "" if isinstance(facts.crypttab, Missing) else facts.crypttab
    entries = {device: opening_of(host, device, text, system.command_line) for device in devices}
    names = _names(facts, entries)
    return replace(
        facts,
        devices=tuple(
            _device(host, facts, headers[device], names[device], entries[device]) for device in devices
        ),
    )


def _device(
    host: Host, facts: HostFacts, header: HeaderFacts, names: tuple[str, ...], entry: Entry | None
) -> DeviceFacts:
    device = header.known
    return DeviceFacts(
        header,
        names,
        entry,
        entry is not None and by_initramfs_tools(host, device, entry),
        _reach(facts, device, names) if host.is_here and facts.privileged else Reach(),
        tuple((origin, _freshness(host, origin)) for origin in _origins(facts.record, device)),
    )


def _names(
    facts: HostFacts, entries: Mapping[CryptDevice, Entry | None]
) -> dict[CryptDevice, tuple[str, ...]]:
    """By which descriptions the key of each device is handed over.

    The tools name it by the device's UUID. Anything else is right, too, once the kernel is told of it: what
    crypttab links and an item names, what the record of the load says, what was put there by hand.
    """
    told = {item.description for item in facts.interface.items} | facts.record.descriptions
    found: dict[CryptDevice, tuple[str, ...]] = {}
    for device, entry in entries.items():
        linked = linked_name(entry)
        recorded = [
            origin.description
            for origin in _origins(facts.record, device)
            if origin.uuid == device.uuid or not device.uuid
        ]
        own = [description_of(device.uuid)] if device.uuid else []
        found[device] = tuple(dict.fromkeys([*own, *([linked] if linked in told else []), *recorded]))
    return found | _by_hand(facts, found)


def _by_hand(
    facts: HostFacts, found: Mapping[CryptDevice, tuple[str, ...]]
) -> dict[CryptDevice, tuple[str, ...]]:
    """Assign keys that were named by hand, whose device does not show, to the devices that have no key."""
    claimed = {name for names in found.values() for name in names}
    free = [
        item.description
        for item in facts.interface.items
        if item.description
        and item.description not in claimed
        and not item.description.startswith(PREFIX)
        and facts.usable([item.description])
    ]
    bare = [device for device, names in found.items() if device.uuid and not facts.usable(names)]
    if not bare or len(free) < len(bare):
        return {}
    return {device: (*found[device], *free) for device in bare}


def _is_root(host: Host) -> bool:
    """Whether root's keys would be listed; in a container, root is not the machine's."""
    if not host.is_here:
        return True
    mapped = host.word("proc/self/uid_map")  # a kernel without user namespaces has none
    return os.geteuid() == 0 and (mapped is None or mapped.split() == _EVERY_USER)


def _record(host: Host, memory: CrashMemory) -> Record:
    text = host.read(RECORD)
    record = None if isinstance(text, Missing) else parse_record(text)
    # A kernel without sysctl has no boot ID, and neither has its record; /run does not survive a reboot.
    boot = host.word("proc/sys/kernel/random/boot_id") or ""
    if record is None or record.boot_id != boot or not memory.is_loaded:
        return Record(None, text is Missing.UNREADABLE, "")
    since = loaded_after(host, record.loaded_at)
    if record.reserved_bytes not in (None, memory.size_bytes):
        since = since or "The reserved memory was resized"
    return Record(record, unreadable=False, since=since)


def _estimate(host: Host, devices: Sequence[CryptDevice], image: RecordedImage | None) -> Estimate | str:
    kernel, initramfs = (
        str(host.path(name)) if name and host.exists(name) else None
        for name in ((image.kernel, image.initrd) if image else ("", ""))
    )
    kernel_bytes, initramfs_bytes = _in_uki(kernel)
    machine = MachineSpec(
        root=host.root,
        release=host.release or None,
        arch=host.arch or None,
        kernel=None if kernel_bytes or initramfs_bytes else kernel,
        initramfs=initramfs,
        kernel_bytes=kernel_bytes,
        initramfs_bytes=None if initramfs else initramfs_bytes,
    )
    keyslots = [KeyslotMemory(device.name, 0, device.memory_kib or 0) for device in devices]
    try:
        return estimate_machine(machine, [device.name for device in devices], keyslots).estimate
    except (KdumpkeyError, OSError) as error:
        return str(error)


def _in_uki(kernel: str | None) -> tuple[int | None, int | None]:
    """How much the kernel and the initramfs of a unified kernel image take; None: it is not one."""
    try:
        sections = read_sections(Path(kernel)) if kernel else {}
        if not sections or kernel is None:
            return None, None
        brought = sections.get(INITRD)
        with section_in_memory(Path(kernel), sections[KERNEL]) as file:
            made = kernel_size(Path(f"/proc/self/fd/{file}"))
    except (OSError, DeviceError):
        return None, None
    except NotAKernelError:
        made = None
    return made, brought.size_bytes if brought is not None else None


def _builtin(host: Host) -> frozenset[str] | None:
    paths = (f"{folder}/{host.release}/modules.builtin" for folder in ("lib/modules", "usr/lib/modules"))
    text = next((text for path in paths if (text := host.text(path)) is not None), None)
    return None if text is None else frozenset(text.split())


def _service(host: Host) -> Unit | None:
    """The service that loads the image; None: the machine has no such service."""
    found = [unit for name in KDUMP_SERVICES if (unit := read_unit(host, name)) is not None]
    return next((unit for unit in found if not unit.masked), found[0] if found else None)


def _reach(facts: HostFacts, device: CryptDevice, names: tuple[str, ...]) -> Reach:
    """Search as a load does, and as kdump's service would."""
    if not device.uuid:
        return Reach()
    if usable := facts.usable(names):
        name = usable[0].description
        return Reach(
            _finds(lambda: request_key("logon", name)),
            _finds(lambda: search_keyring(SpecialKeyring.USER, "logon", name)),
        )
    # There is no key yet, but a key in root's user keyring must be found from here.
    return Reach(_finds(lambda: request_key("keyring", f"_uid.{os.geteuid()}")))


def _finds(search: Callable[[], int]) -> bool:
    try:
        search()
    except KeyringError:
        return False
    return True


def _origins(record: Record, device: CryptDevice) -> list[KeyOrigin]:
    if record.record is None or record.since:
        return []
    return [
        origin
        for origin in record.record.origins
        if origin.description == description_of(device.uuid)
        or origin.device == device.name
        or (origin.uuid and origin.uuid == device.uuid)
    ]


def _freshness(host: Host, origin: KeyOrigin) -> Freshness:
    """How a key of the record stands to its device; in a tree, by links that do not lead out of it."""
    if host.is_here:
        return key_now(host.root, origin)
    for name in (origin.header or origin.device, f"dev/disk/by-uuid/{origin.uuid}"):
        try:
            path = str(host.path(name))
        except OSError:
            continue
        now = key_now(Path("/"), replace(origin, header=path))
        return replace(now, reason=now.reason.replace(str(host.root), ""))
    return Freshness(origin.description, KeyState.UNKNOWN, f"{origin.device} is not there")
