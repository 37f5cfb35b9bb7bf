"""Whether enough memory is reserved for the kdump kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor.host import Host
    from kdumpkey.kdump.estimate import Estimate

_SIZE: Final = "sys/kernel/kexec_crash_size"
_WHY: Final = (
    "The kdump kernel has this memory and no more; what does not fit is killed, and no dump is written."
)


def check_reserved(host: Host, needed: Estimate | None) -> list[Finding]:
    """Hold what is reserved against what is needed with the keys handed over."""
    word = host.word(_SIZE)
    if word is None or not word.isdecimal():
        if host.exists("sys/kernel") and not host.exists(_SIZE):
            fix = "Boot a kernel with CONFIG_KEXEC_FILE and CONFIG_CRASH_DUMP."
            what = f"There is no /{_SIZE}: this kernel has no kexec."
            return [Finding("crashkernel", Verdict.BROKEN, what, _WHY, fix)]
        fix = f"See that /{_SIZE} can be read."
        return [Finding("crashkernel", Verdict.UNKNOWN, f"/{_SIZE} cannot be read.", _WHY, fix)]
    size = int(word)
    if size == 0:
        wanted = _mib(needed.recommended_bytes(reuse=True)) if needed else "256M"
        what = "No memory is reserved."
        fix = f"Boot with crashkernel={wanted} (grubby --update-kernel=ALL, or GRUB_CMDLINE_LINUX_DEFAULT)."
        return [Finding("crashkernel", Verdict.BROKEN, what, _WHY, fix)]
    if needed is None:
        what = f"{_mib(size)} are reserved; what is needed cannot be added up."
        return [Finding("crashkernel", Verdict.UNKNOWN, what, _WHY, "kdumpkey kdump estimate says why.")]
    need, passphrase = needed.needed_bytes(reuse=True), needed.needed_bytes(reuse=False)
    if size < need:
        what = f"{_mib(size)} are reserved, {_mib(need)} are needed."
        fix = f"Boot with crashkernel={_mib(needed.recommended_bytes(reuse=True))}."
        return [Finding("crashkernel", Verdict.BROKEN, what, _WHY, fix)]
    what = f"{_mib(size)} are reserved, {_mib(need)} are needed."
    if size < passphrase:
        what += f" A passphrase would need {_mib(passphrase)}: it would not open the device."
    return [Finding("crashkernel", Verdict.GOOD, what, _WHY)]


def _mib(nbytes: int) -> str:
    return f"{-(-nbytes // (1 << 20))}M"
