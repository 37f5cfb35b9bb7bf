"""Whether enough memory is reserved for the kdump kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.host.host import Host
    from kdumpkey.kdump.estimate.rules import Estimate

_SIZE: Final = "sys/kernel/kexec_crash_size"
_TYPICAL: Final = "typical"  # how an estimate marks what it could not look up
_WHY: Final = (
    "The kdump kernel has this memory and no more; what does not fit is killed, and no dump is written."
)


def check_reserved(host: Host, needed: Estimate | None, reason: str = "") -> list[Finding]:
    """Hold what is reserved against what is needed with the keys handed over.

    Args:
        host: The machine.
        needed: The estimate; None: it could not be made.
        reason: Why it could not.
    """
    word = host.word(_SIZE)
    if word is None or not word.isdecimal():
        if host.exists("sys/kernel") and host.absent(_SIZE):
            fix = "Boot a kernel with CONFIG_KEXEC_FILE and CONFIG_CRASH_DUMP."
            what = f"There is no /{_SIZE}: this kernel has no kexec."
            return [Finding("crashkernel", Verdict.BROKEN, what, _WHY, fix)]
        fix = "mount -t sysfs sysfs /sys" if host.absent("sys/kernel") else fixes.to_read(host, _SIZE)
        return [Finding("crashkernel", Verdict.UNKNOWN, f"/{_SIZE} cannot be read.", _WHY, fix)]
    size = int(word)
    wanted = _mib(needed.recommended_bytes(reuse=True)) if needed else "256M"
    fix = fixes.reserve(host, wanted)
    if size == 0:
        return [Finding("crashkernel", Verdict.BROKEN, "No memory is reserved.", _WHY, fix)]
    if needed is None:
        what = f"{_mib(size)} are reserved; what is needed cannot be added up. {reason}".rstrip()
        return [Finding("crashkernel", Verdict.UNKNOWN, what, _WHY, "kdumpkey kdump estimate")]
    need, passphrase = needed.needed_bytes(reuse=True), needed.needed_bytes(reuse=False)
    what = f"{_mib(size)} are reserved, {_mib(need)} are needed."
    if size < _least(needed):
        return [Finding("crashkernel", Verdict.BROKEN, what, _WHY, fix)]
    if size < need:
        what = f"{_mib(size)} are reserved, and by the estimate {_mib(need)} are needed: it may do, or not."
        return [Finding("crashkernel", Verdict.UNKNOWN, what, _WHY, fix)]
    if size < passphrase:
        what += f" A passphrase would need {_mib(passphrase)}: it would not open the device."
    return [Finding("crashkernel", Verdict.GOOD, what, _WHY)]


def _least(needed: Estimate) -> int:
    """What it cannot do without: the kernel, and the initramfs, packed and unpacked; guesses do not count."""
    sure = {item.name.rpartition(" ")[2]: item.nbytes for item in needed.items if _TYPICAL not in item.source}
    return sure.get("kernel", 0) + sure.get("initramfs", 0) * 2 // 3


def _mib(nbytes: int) -> str:
    return f"{-(-nbytes // (1 << 20))}M"
