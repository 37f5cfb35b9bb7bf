"""Whether the kdump kernel's initramfs has what it takes to get the keys back and open the device."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kdumpkey.host.initramfs import Initramfs, UnreadableInitramfsError, read_initramfs
from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.image import is_loaded, loaded_since, record_of
from kdumpkey.kernel.linux.kernel import file_stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdumpkey.host.host import CryptDevice, Host
    from kdumpkey.kernel.linux.record import RecordedImage

_PLACES: Final = (
    "boot/initramfs-{}kdump.img",
    "var/lib/kdump/initramfs-{}kdump.img",
    "boot/initrd-{}kdump",
    "boot/initrdkdump",
    "var/lib/kdump/initrd.img-{}",
    "var/lib/kdump/initrd.img",
)
_HOOK: Final = "crash_dm_crypt_keys"  # whatever asks for the keys back has to name this directory,
_OUR_HOOK: Final = "--from-kdump"  # or to call this program
# These name it, and ask for nothing: kdump-utils' own library, this program's sources.
_NO_HOOK: Final = re.compile(r"(^|/)(kdump-lib[^/]*\.sh|kdump-udev-throttler|(?<!^etc/)kdumpkey/.*)$")
_KNOWS: Final = "usr/lib/dracut/modules.d/99kdumpbase/kexec-crypt-setup.sh"  # a kdump-utils that can
# What lists the devices that are opened: kdump-utils' rules, and kdump generate's table.
_TABLE: Final = "/etc/kdumpkey/devices"
_LISTS: Final = ("/70-luks-kdump.rules", _TABLE)
_DRACUT: Final = ("usr/lib/dracut", "lib/dracut", "var/lib/dracut")
_INITRAMFS_TOOLS: Final = ("/scripts/functions", "/conf/initramfs.conf")
_LIBRARY: Final = re.compile(r"(?:^|/)libcryptsetup\.so\.12\.(\d+)\.\d+$")
_KEYRING_OPTION: Final = 10  # libcryptsetup's minor version of cryptsetup 2.7
_ROOT_SHARE: Final = 0.45  # of the reserved memory, beyond which a tmpfs root was seen to be full
_WHY: Final = "This is all that runs after the crash; what is not in it is not there."


@dataclass(frozen=True)
class _Lack:
    """Something that is not as it should be: how sure that is, what, and what to do."""

    verdict: Verdict
    what: str
    fix: str


def check_initramfs(host: Host, devices: Sequence[CryptDevice]) -> list[Finding]:
    """Look for a hook that restores the keys, a program that opens the devices, and the kernel's modules."""
    record = record_of(host)
    image = record.image if record and not loaded_since(host, record) else None
    place = _place(host, image)
    anew = f"{fixes.rebuild(host)} && {fixes.arm(devices)}"
    if not place:
        what = "No initramfs for the kdump kernel is to be found."
        if image is not None:
            what = f"The initramfs that was loaded, {image.initrd or 'none'}, is not to be found."
        # A directory that is empty, or that nobody may look into, proves nothing.
        sure = not is_loaded(host) and (host.names("boot", "*") or host.names("var/lib/kdump", "*"))
        verdict = Verdict.BROKEN if sure else Verdict.UNKNOWN
        return [Finding("initramfs", verdict, what, _WHY, anew)]
    shown = f"/{place}"
    words = (_HOOK, _OUR_HOOK, *(device.uuid for device in devices if device.uuid))
    try:
        found = read_initramfs(
            host.path(place),
            words,
            lambda name: _NO_HOOK.search(name) is not None,
            lambda name: f"/{name}".endswith(_LISTS),
        )
    except (UnreadableInitramfsError, OSError) as error:
        what = str(error).replace(str(host.path(place)), shown)
        return [Finding("initramfs", Verdict.UNKNOWN, what, _WHY, _look(host, shown, what))]
    lacks = _lacks(host, found, devices, anew)
    if image is not None and image.initrd_stamp != file_stamp(host.path(place)):
        what = "is another file than the one that was loaded: what the loaded one holds cannot be seen"
        lacks.append(_Lack(Verdict.UNKNOWN, what, fixes.arm(devices)))
    lacks += _room(host, found, image)
    if record is not None and image is None:
        lacks.append(
            _Lack(Verdict.UNKNOWN, "need not be what was loaded: no record says", fixes.arm(devices))
        )
    if is_loaded(host) and image is None:
        # What would be loaded next says little of what is loaded.
        lacks = [replace(lack, verdict=Verdict.UNKNOWN) for lack in lacks]
    if not lacks:
        return [Finding("initramfs", Verdict.GOOD, f"{shown} has all that is needed.", _WHY)]
    return [Finding("initramfs", lack.verdict, f"{shown} {lack.what}.", _WHY, lack.fix) for lack in lacks]


def _place(host: Host, image: RecordedImage | None) -> str:
    """The initramfs that is loaded, by the record; else the one that kdump's tools would load."""
    if image is not None:
        place = image.initrd.lstrip("/")
        return place if place and host.exists(place) else ""
    places = [place.format(host.release) for place in _PLACES]
    return next((place for place in places if host.exists(place)), "")


def _look(host: Host, shown: str, what: str) -> str:
    """What lets it be read."""
    needed = re.search(r"unpack .*, (\w+) is needed", what)
    if needed is not None:
        return f"{'apt-get' if fixes.is_debian(host) else 'dnf'} install {needed[1]}"
    if "ermission" in what:
        return fixes.to_read(host, shown)
    if "damaged" in what or "no initramfs" in what:
        return fixes.rebuild(host)
    return f"{'lsinitramfs' if fixes.is_debian(host) else 'lsinitrd'} {shown}"


def _lacks(host: Host, found: Initramfs, devices: Sequence[CryptDevice], anew: str) -> list[_Lack]:
    tools = found.has(*_INITRAMFS_TOOLS)
    known = found.whole and (tools or any(name.startswith(_DRACUT) for name in found.names))
    # Made by neither, it may get the keys back in a way that is not seen here.
    sure = Verdict.BROKEN if known else Verdict.UNKNOWN
    made: list[_Lack] = []
    hooked = bool(found.words & {_HOOK, _OUR_HOOK})
    piece = "initramfs-tools" if tools or fixes.is_debian(host) else "dracut"
    hook = shlex.join(["kdumpkey", "kdump", "generate", piece, "--apply", *(each.name for each in devices)])
    # kdump-utils that can do it make their rules anew each time; this program's table is made by hand.
    by_itself = host.exists(_KNOWS) and not found.has(_TABLE)
    listing = anew if by_itself else f"{hook} && {anew}"
    if not hooked:
        made.append(_Lack(sure, "has no hook that restores the keys", listing))
    opener = "apt-get install cryptsetup-initramfs" if fixes.is_debian(host) else "dnf install cryptsetup"
    ours = found.has("bin/kdumpkey", "/kdumpkey/__main__.py", "/kdumpkey/__main__.pyc")
    if not found.has("bin/cryptsetup") and not ours:
        made.append(_Lack(sure, "has no program that opens the device", f"{opener} && {anew}"))
    if ours and not found.has("bin/dmsetup"):
        other = found.has("bin/cryptsetup")  # which may open it in another hook
        made.append(
            _Lack(
                Verdict.UNKNOWN if other else sure,
                "has no dmsetup, by which kdumpkey opens the device",
                f"{fixes.install_dmsetup(host)} && {anew}",
            )
        )
    # Where there is a list, a device that is named elsewhere, as in crypttab, is not opened for that.
    listing_is_there = found.has(*_LISTS)
    named = found.listed if listing_is_there else found.words
    for device in devices if hooked else ():
        if device.uuid and device.uuid not in named and device.name.rpartition("/")[2]:
            verdict = Verdict.BROKEN if found.whole and listing_is_there else Verdict.UNKNOWN
            made.append(_Lack(verdict, f"does not name {device.name} (UUID {device.uuid})", listing))
    libraries = [int(matched[1]) for name in found.names if (matched := _LIBRARY.search(name))]
    if libraries and max(libraries) < _KEYRING_OPTION and not ours:
        what = f"has cryptsetup 2.{max(libraries) - 3}, which takes no key from a keyring"
        made.append(_Lack(sure, what, f"Install cryptsetup 2.7 or newer, then {anew}"))
    return made + _modules(host, found, anew, sure)


def _modules(host: Host, found: Initramfs, anew: str, sure: Verdict) -> list[_Lack]:
    lacks = []
    for module, option in (("dm-crypt", "DM_CRYPT"), ("configfs", "CONFIGFS_FS")):
        stems = [f"/{name}.ko" for name in (module, module.replace("-", "_"))]
        files = [f"{stem}{packed}" for stem in stems for packed in ("", ".xz", ".zst", ".gz")]
        if found.has(*files) or _built_in(host, stems[0], option):
            continue
        known = host.config(option) is not None or _builtins(host) is not None
        verdict = sure if known else Verdict.UNKNOWN
        add = f"echo {module} >> /etc/initramfs-tools/modules"
        if not fixes.is_debian(host):
            name = module.replace("-", "_")
            add = f"echo 'add_drivers+=\" {name} \"' > /etc/dracut.conf.d/{name}.conf"
        lacks.append(
            _Lack(verdict, f"has no module {module}, nor is it known to be built in", f"{add} && {anew}")
        )
    return lacks


def _room(host: Host, found: Initramfs, image: RecordedImage | None) -> list[_Lack]:
    """A root in tmpfs takes half of the memory at most; the kernel has one where nothing names another."""
    size = host.word("sys/kernel/kexec_crash_size") or ""
    if image is None or not size.isdecimal() or not int(size):
        return []
    words = image.command_line.split()
    if any(word.startswith(("root=", "rootfstype=")) for word in words):
        return []
    if found.nbytes <= _ROOT_SHARE * int(size):
        return []
    # A kernel that knows this makes the root as large as it says; an older one passes it over.
    sized = any(word.startswith("initramfs_options=") and "size=" in word for word in words)
    what = (
        f"takes {found.nbytes >> 20} MiB unpacked, too much of the {int(size) >> 20} MiB reserved for a "
        "root in tmpfs, which is at most half of the memory"
    )
    return [
        _Lack(
            Verdict.UNKNOWN if sized else Verdict.BROKEN,
            what,
            "Add rootfstype=ramfs to the command line: kdumpkey kdump arm --command-line",
        )
    ]


def _builtins(host: Host) -> str | None:
    return host.text(f"lib/modules/{host.release}/modules.builtin")


def _built_in(host: Host, stem: str, option: str) -> bool:
    if host.config(option) == "y":
        return True
    return any(line.endswith(stem) for line in (_builtins(host) or "").splitlines())
