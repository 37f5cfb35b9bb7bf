"""What kdump's own tools do with keys when they load: at boot, and when processors or memory change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.host.kexec_call import SystemCall
from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.host.kexec_call import KexecCall
    from kdumpkey.kdump.facts.host_facts import HostFacts

_OTHERS: Final = ("aarch64", "ppc64le")  # where Linux hands keys over as well
_OLD_OPTIONS: Final = frozenset({"-c", "--kexec-syscall", "-a", "--kexec-syscall-auto", "-s"})
_WHY_CALL: Final = "Only kexec_file_load hands keys over; an image loaded by kexec_load has none."
_WHY_GATE: Final = (
    "What kdump.service loads at boot, and what kdumpctl rebuild makes, cannot open the device."
)
_WHY_HOTPLUG: Final = "kdump-udev-throttler should reuse them, but its test for that is inverted."


def check_kdump_tools(facts: HostFacts) -> list[Finding]:
    """Judge how the tools load, on which architectures they hand keys over, and whether reloads keep them."""
    return [*_calls(facts), *_gate(facts), *_hotplug(facts)]


def _calls(facts: HostFacts) -> list[Finding]:
    found = []
    for call in facts.kexec_calls:
        if call.call is SystemCall.FILE:
            continue
        if call.call is SystemCall.OLD:
            what = f"{call.variable}={call.options!r} in /{call.file} makes kexec use kexec_load."
            # The arming service loads once more, by the right call.
            verdict = Verdict.WARNING if facts.arms_itself else Verdict.BROKEN
        else:
            what = f"{call.variable}={call.options!r} in /{call.file} lets kexec fall back to kexec_load."
            verdict = Verdict.WARNING
        found.append(Finding("kexec", verdict, what, _WHY_CALL, _by_file(facts, call)))
    return found


def _by_file(facts: HostFacts, call: KexecCall) -> str:
    """Make kexec use the call that hands keys over."""
    kept = [word for word in call.options.split() if word not in _OLD_OPTIONS]
    value = " ".join(["-s", *kept])
    change = f"sed -i 's|^{call.variable}=.*|{call.variable}=\"{value}\"|' /{call.file}"
    return f"{change} && {fixes.restart(facts.system)} && {fixes.arm(facts.crypts)}"


def _gate(facts: HostFacts) -> list[Finding]:
    tools, arch = facts.kdump_utils, facts.system.arch
    if not tools.configured or not tools.only_x86_64 or arch not in _OTHERS or facts.arms_itself:
        return []
    what = (
        f"kdump-utils hand keys over only on x86_64: on {arch}, kdumpctl names no key, its rebuild adds no "
        "hook, and its setup-crypttab changes nothing."
    )
    fix = fixes.without_kdump_utils(facts)
    return [Finding("kdump-utils", Verdict.WARNING, what, _WHY_GATE, fix)]


def _hotplug(facts: HostFacts) -> list[Finding]:
    if not facts.kdump_utils.forgets_on_hotplug:
        return []
    what = "Once the key has expired, the next CPU or memory hot-plug reloads the image without its keys."
    names = " ".join(device.name for device in facts.crypts)
    fix = f"kdumpkey kdump generate udev --apply {names} && udevadm control --reload"
    return [Finding("hot-plug", Verdict.WARNING, what, _WHY_HOTPLUG, fix)]
