"""Whether enough memory is reserved for the kdump kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.host.host import Missing
from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.kdump.estimate.rules import Estimate
    from kdumpkey.kdump.facts.host_facts import HostFacts

_TYPICAL: Final = "typical"  # how an estimate marks what it could not look up
_WHY: Final = (
    "The kdump kernel has this memory and no more; what does not fit is killed, and no dump is written."
)


def check_reserved(facts: HostFacts) -> list[Finding]:
    """Compare what is reserved with what is needed with the keys handed over."""
    size, needed = facts.memory.size_bytes, facts.estimate
    if isinstance(size, Missing):
        return [_unread(facts, size)]
    wanted = "256M" if isinstance(needed, str) else _mib(needed.to_reserve_bytes(reuse=True))
    fix = fixes.reserve(facts.system, wanted)
    if size == 0:
        return [Finding("crashkernel", Verdict.BROKEN, "No memory is reserved.", _WHY, fix)]
    if isinstance(needed, str):
        what = f"{_mib(size)} are reserved; what is needed cannot be added up. {needed}".rstrip()
        return [Finding("crashkernel", Verdict.UNKNOWN, what, _WHY, "kdumpkey kdump estimate")]
    need, passphrase = needed.needed_bytes(reuse=True), needed.needed_bytes(reuse=False)
    what = f"{_mib(size)} are reserved, {_mib(need)} are needed."
    if size < _least(needed):
        return [Finding("crashkernel", Verdict.BROKEN, what, _WHY, fix)]
    if size < need:
        what = f"{_mib(size)} are reserved, and the estimate is {_mib(need)}: it may be enough, or not."
        return [Finding("crashkernel", Verdict.UNKNOWN, what, _WHY, fix)]
    if size < passphrase:
        what += f" A passphrase would need {_mib(passphrase)}: it would not open the device."
    return [Finding("crashkernel", Verdict.GOOD, what, _WHY)]


def _unread(facts: HostFacts, size: Missing) -> Finding:
    if facts.memory.sysfs is True and size is Missing.ABSENT:
        fix = "Boot a kernel with CONFIG_KEXEC_FILE and CONFIG_CRASH_DUMP."
        what = f"There is no /{facts.memory.size_file}: this kernel has no kexec."
        return Finding("crashkernel", Verdict.BROKEN, what, _WHY, fix)
    fix = fixes.see_sysfs(facts, facts.memory.size_file)
    return Finding("crashkernel", Verdict.UNKNOWN, f"/{facts.memory.size_file} cannot be read.", _WHY, fix)


def _least(needed: Estimate) -> int:
    """The least it needs: the kernel, and the initramfs packed and unpacked; guesses do not count."""
    sure = {item.name.rpartition(" ")[2]: item.nbytes for item in needed.items if _TYPICAL not in item.source}
    return sure.get("kernel", 0) + sure.get("initramfs", 0) * 2 // 3


def _mib(nbytes: int) -> str:
    return f"{-(-nbytes // (1 << 20))}M"
