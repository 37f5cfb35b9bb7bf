"""Whether the kdump kernel's initramfs has all that it needs to restore the keys and open the device."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.proof import proven
from kdumpkey.kdump.facts.kdump_image import HOOK, LISTS, MOUNTING, OUR_HOOKS, TABLE

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice
    from kdumpkey.host.initramfs import Initramfs
    from kdumpkey.kdump.facts.host_facts import HostFacts

_DRACUT: Final = ("usr/lib/dracut", "lib/dracut", "var/lib/dracut")
_INITRAMFS_TOOLS: Final = ("/scripts/functions", "/conf/initramfs.conf")
_LIBRARY: Final = re.compile(r"(?:^|/)libcryptsetup\.so\.12\.(\d+)\.\d+$")
_KEYRING_OPTION: Final = 10  # libcryptsetup's minor version of cryptsetup 2.7
_PROGRAM: Final = (
    "bin/kdumpkey-capture",
    "bin/kdumpkey",
    "/kdumpkey/__main__.py",
    "/kdumpkey/__main__.pyc",
    "/kdumpkey/capture/__main__.py",
    "/kdumpkey/capture/__main__.pyc",
)
_ROOT_SHARE: Final = 0.45  # of the reserved memory: a tmpfs root was seen to be full beyond it
# The packages of programs with another name, the same in all distributions.
_PACKAGES: Final = {"unsquashfs": "squashfs-tools", "fsck.erofs": "erofs-utils"}
_UNITS: Final = "/systemd/system/"
_CONFIGFS_UNIT: Final = f"{_UNITS}sys-kernel-config.mount"
_MODPROBE_UNITS: Final = (f"{_UNITS}modprobe@.service", f"{_UNITS}modprobe@configfs.service")
_WHY_WAITING: Final = (
    "Nobody is there to type it after a crash: the kdump kernel waits, and no dump is written."
)
_WHY: Final = "After the crash, only what is in the initramfs can run."


@dataclass(frozen=True)
class _Lack:
    """Something that is missing: how sure that is, what, and what to do."""

    verdict: Verdict
    what: str
    fix: str


def check_initramfs(facts: HostFacts) -> list[Finding]:
    """Look for a hook that restores the keys, a program that opens the devices, and the kernel's modules."""
    path, content = facts.image.path, facts.image.content
    if not path:
        return [_not_found(facts)]
    if facts.record.image is None and (proof := proven(facts)):
        # What it was seen to do counts for more than what is in it.
        return [Finding("initramfs", Verdict.GOOD, f"{proof}.", _WHY)]
    if isinstance(content, str):
        fix = _look(facts, path, content)
        return [Finding("initramfs", Verdict.UNKNOWN, content, _WHY, fix)]
    loaded = facts.record.image
    lacks = [*_Checked(facts, content).lacks(), *_another_file(facts), *_room(facts, content)]
    if facts.memory.is_loaded and loaded is None:
        # What would be loaded next tells little of what is loaded.
        lacks = [replace(lack, verdict=Verdict.UNKNOWN) for lack in lacks]
    if not lacks:
        return [Finding("initramfs", Verdict.GOOD, f"{path} has all that is needed.", _WHY)]
    return [Finding("initramfs", lack.verdict, f"{path} {lack.what}.", _WHY, lack.fix) for lack in lacks]


def check_waiting(facts: HostFacts) -> list[Finding]:
    """Look for devices whose passphrase it would wait for, although the dump does not go there."""
    if facts.record.image is None and proven(facts):
        return []
    return [
        Finding(
            "initramfs", Verdict.BROKEN, _waiting(facts, device), _WHY_WAITING, fixes.without_crypt(facts)
        )
        for device in facts.image.waits_for
    ]


def _waiting(facts: HostFacts, device: CryptDevice) -> str:
    return (
        f"{facts.image.path} asks for the passphrase of {device.name} (UUID {device.uuid}), which the dump "
        "does not need."
    )


def _not_found(facts: HostFacts) -> Finding:
    what, loaded = "No initramfs for the kdump kernel can be found.", facts.record.image
    if loaded is not None:
        what = f"The initramfs that was loaded, {loaded.initrd or 'none'}, cannot be found."
    # A directory that is empty, or that nobody may look into, proves nothing.
    sure = not facts.memory.is_loaded and facts.image.searched
    return Finding("initramfs", Verdict.BROKEN if sure else Verdict.UNKNOWN, what, _WHY, _anew(facts))


def _anew(facts: HostFacts) -> str:
    """Rebuild it, and load it."""
    return f"{fixes.rebuild(facts.system)} && {fixes.arm(facts.crypts)}"


def _look(facts: HostFacts, shown: str, what: str) -> str:
    """How to get it read."""
    needed = re.search(r"unpack .*, ([\w.]+) is needed", what)
    if needed is not None:
        return fixes.install(facts.system, _PACKAGES.get(needed[1], needed[1]))
    if "ermission" in what:
        return fixes.to_read(facts.system, shown)
    if "damaged" in what or "not an initramfs" in what:
        return fixes.rebuild(facts.system)
    return f"{'lsinitramfs' if facts.system.is_debian else 'lsinitrd'} {shown}"


def _another_file(facts: HostFacts) -> list[_Lack]:
    arm = fixes.arm(facts.crypts)
    if facts.image.changed:
        what = "is not the file that was loaded: what that one holds cannot be seen"
        return [_Lack(Verdict.UNKNOWN, what, arm)]
    if facts.record.record is not None and facts.record.image is None:
        return [_Lack(Verdict.UNKNOWN, "may not be what was loaded: no record says", arm)]
    return []


@dataclass(frozen=True)
class _Checked:
    """An initramfs that was read, and the machine that it must work on."""

    facts: HostFacts
    found: Initramfs

    def lacks(self) -> list[_Lack]:
        """What is missing from it."""
        return [
            *self._hook(),
            *self._configfs(),
            *self._opener(),
            *self._devices(),
            *self._library(),
            *self._modules(),
        ]

    @property
    def _sure(self) -> Verdict:
        """How sure a lack is: what neither tool made may restore the keys in ways that are not seen here."""
        known = self._by_tools or any(name.startswith(_DRACUT) for name in self.found.names)
        return Verdict.BROKEN if self.found.whole and known else Verdict.UNKNOWN

    @property
    def _by_tools(self) -> bool:
        return self.found.has(*_INITRAMFS_TOOLS)

    @property
    def _hooked(self) -> bool:
        return bool(self.found.words & {HOOK, *OUR_HOOKS})

    @property
    def _ours(self) -> bool:
        return self.found.has(*_PROGRAM)

    @property
    def _listing(self) -> str:
        """Get the devices listed in it."""
        # kdump-utils that hand keys over rebuild their rules each time; kdump generate makes its table once.
        if fixes.by_kdump_utils(self.facts) and not self.found.has(TABLE):
            return _anew(self.facts)
        if self.facts.system.ostree:
            # /usr is read-only, so kdump generate cannot add its module to dracut's.
            return (
                f"rpm-ostree upgrade && systemctl reboot, to kdump-utils that can; then {_anew(self.facts)}"
            )
        kind = "initramfs-tools" if self._by_tools or self.facts.system.is_debian else "dracut"
        names = [device.name for device in self.facts.crypts]
        hook = shlex.join(["kdumpkey", "kdump", "generate", kind, "--apply", *names])
        return f"{hook} && {_anew(self.facts)}"

    def _hook(self) -> list[_Lack]:
        if self._hooked:
            return []
        return [_Lack(self._sure, "has no hook that restores the keys", self._listing)]

    def _configfs(self) -> list[_Lack]:
        """Where systemd runs, a unit mounts configfs, and needs another unit, which loads the module.

        Source: systemd's sys-kernel-config.mount; kdump-utils#109.
        """
        by_systemd = any(_UNITS in f"/{name}" for name in self.found.names)
        if not self._hooked or not by_systemd or not self.found.words.isdisjoint(MOUNTING):
            return []
        mounts, loads = self.found.has(_CONFIGFS_UNIT), self.found.has(*_MODPROBE_UNITS)
        if mounts and loads:
            return []
        what = "has nothing to mount configfs, which the hook needs to restore the keys"
        if mounts:
            what = "does not mount configfs: sys-kernel-config.mount needs modprobe@.service, not in it"
        fix = f"{fixes.add_units(self.facts.system)} && {_anew(self.facts)}"
        return [_Lack(self._sure, what, fix)]

    def _opener(self) -> list[_Lack]:
        anew, other = _anew(self.facts), self.found.has("bin/cryptsetup")
        if not other and not self._ours:
            fix = f"{fixes.install_cryptsetup(self.facts.system)} && {anew}"
            return [_Lack(self._sure, "has no program that opens the device", fix)]
        if self._ours and not self.found.has("bin/dmsetup"):
            # cryptsetup may open the device in another hook.
            verdict = Verdict.UNKNOWN if other else self._sure
            fix = f"{fixes.install_dmsetup(self.facts.system)} && {anew}"
            return [_Lack(verdict, "has no dmsetup, by which kdumpkey opens the device", fix)]
        return []

    def _devices(self) -> list[_Lack]:
        """If it has a list of devices, only listed ones are opened, even if others are named elsewhere."""
        listed = self.found.has(*LISTS)
        named = self.found.listed if listed else self.found.words
        verdict = Verdict.BROKEN if self.found.whole and listed else Verdict.UNKNOWN
        return [
            _Lack(verdict, f"does not name {device.name} (UUID {device.uuid})", self._listing)
            for device in (self.facts.crypts if self._hooked else ())
            if device.uuid and device.uuid not in named and device.name.rpartition("/")[2]
        ]

    def _library(self) -> list[_Lack]:
        libraries = [int(matched[1]) for name in self.found.names if (matched := _LIBRARY.search(name))]
        if not libraries or max(libraries) >= _KEYRING_OPTION or self._ours:
            return []
        what = f"has cryptsetup 2.{max(libraries) - 3}, which takes no key from a keyring"
        return [_Lack(self._sure, what, f"Install cryptsetup 2.7 or newer, then {_anew(self.facts)}")]

    def _modules(self) -> list[_Lack]:
        lacks = []
        for module, option in (("dm-crypt", "DM_CRYPT"), ("configfs", "CONFIGFS_FS")):
            stems = [f"/{name}.ko" for name in (module, module.replace("-", "_"))]
            files = [f"{stem}{packed}" for stem in stems for packed in ("", ".xz", ".zst", ".gz")]
            config, builtin = self.facts.config[option], self.facts.builtin
            if self.found.has(*files) or config == "y":
                continue
            if any(line.endswith(stems[0]) for line in builtin or ()):
                continue
            known = config is not None or builtin is not None
            fix = f"{fixes.add_module(self.facts.system, module)} && {_anew(self.facts)}"
            what = f"has no module {module}, and nothing says that it is built in"
            lacks.append(_Lack(self._sure if known else Verdict.UNKNOWN, what, fix))
        return lacks


def _room(facts: HostFacts, found: Initramfs) -> list[_Lack]:
    """A root in tmpfs takes at most half of the memory; the kernel uses one unless told otherwise."""
    size, image = facts.memory.size_bytes, facts.record.image
    if image is None or not isinstance(size, int) or not size:
        return []
    words = image.command_line.split()
    if any(word.startswith(("root=", "rootfstype=")) for word in words):
        return []
    if found.nbytes <= _ROOT_SHARE * size:
        return []
    # A kernel that knows this option makes the root that large; an older one ignores it.
    sized = any(word.startswith("initramfs_options=") and "size=" in word for word in words)
    what = (
        f"takes {found.nbytes >> 20} MiB unpacked, too much of the {size >> 20} MiB reserved for a "
        "root in tmpfs, which is at most half of the memory"
    )
    fix = "Add rootfstype=ramfs to the command line: kdumpkey kdump arm --command-line"
    return [_Lack(Verdict.UNKNOWN if sized else Verdict.BROKEN, what, fix)]
