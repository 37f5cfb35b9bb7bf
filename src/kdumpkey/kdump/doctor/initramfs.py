"""Whether the kdump kernel's initramfs has what it takes to get the keys back and open the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.initramfs import Initramfs, UnreadableInitramfsError, read_initramfs

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor.host import Host

_PLACES: Final = (
    "boot/initramfs-{}kdump.img",
    "var/lib/kdump/initramfs-{}kdump.img",
    "var/lib/kdump/initrd.img-{}",
    "var/lib/kdump/initramfs-tools/initrd.img-{}",
)
_HOOK: Final = "crash_dm_crypt_keys"  # whatever asks for the keys back has to name this directory
_WHY: Final = "This is all that runs after the crash; what is not in it is not there."
_REBUILD: Final = (
    "then rebuild it: kdumpctl rebuild (Fedora, RHEL) or kdump-config unload && kdump-config load"
)


def check_initramfs(host: Host) -> list[Finding]:
    """Look for a hook that restores the keys, a program that opens the device, and the kernel's modules."""
    path = next(
        (place.format(host.release) for place in _PLACES if host.exists(place.format(host.release))), ""
    )
    if not path:
        what, fix = "No initramfs for the kdump kernel is to be found.", f"Build one; {_REBUILD}"
        return [Finding("initramfs", Verdict.BROKEN, what, _WHY, fix)]
    try:
        found = read_initramfs(host.path(path), (_HOOK,))
    except UnreadableInitramfsError as error:
        fix = f"See for yourself: lsinitrd /{path}, or lsinitramfs /{path}"
        return [Finding("initramfs", Verdict.UNKNOWN, str(error), _WHY, fix)]
    missing = _missing(host, found)
    if not missing:
        return [Finding("initramfs", Verdict.GOOD, f"/{path} has all that is needed.", _WHY)]
    return [
        Finding("initramfs", verdict, f"/{path} has no {what}.", _WHY, f"{fix}, {_REBUILD}")
        for verdict, what, fix in missing
    ]


def _missing(host: Host, found: Initramfs) -> list[tuple[Verdict, str, str]]:
    lacks = []
    if _HOOK not in found.words:
        lacks.append(
            (
                Verdict.BROKEN,
                "hook that restores the keys",
                "Install a kdump-utils that knows crash_dm_crypt_keys",
            )
        )
    if not found.has("/cryptsetup", "/kdumpkey"):
        lacks.append((Verdict.BROKEN, "program that opens the device", "Have cryptsetup in it"))
    for module, option in (("dm-crypt", "DM_CRYPT"), ("configfs", "CONFIGFS_FS")):
        stem = f"/{module}.ko"
        if found.has(stem, f"{stem}.xz", f"{stem}.zst", f"{stem}.gz") or _built_in(host, stem, option):
            continue
        known = host.config(option) is not None or _builtins(host) is not None
        verdict = Verdict.BROKEN if known else Verdict.UNKNOWN
        lacks.append((verdict, f"module {module}, nor is it known to be built in", f"Have {module} in it"))
    return lacks


def _builtins(host: Host) -> str | None:
    return host.text(f"lib/modules/{host.release}/modules.builtin")


def _built_in(host: Host, stem: str, option: str) -> bool:
    if host.config(option) == "y":
        return True
    return any(line.endswith(stem) for line in (_builtins(host) or "").splitlines())
