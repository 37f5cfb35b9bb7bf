"""Whether this kernel takes keys for the kdump kernel, and which keys have been named to it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from kdumpkey.host.configfs import DIRECTORY, NO_DESCRIPTION
from kdumpkey.host.host import Missing
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.fixes import to_read
from kdumpkey.region.handover import LONGEST_DESCRIPTION, MOST_KEYS

if TYPE_CHECKING:
    from kdumpkey.host.interface import ConfigfsItem
    from kdumpkey.kdump.facts.host_facts import HostFacts

_ARCHES: Final = ("x86_64", "aarch64", "ppc64le")
_LATER: Final = ("aarch64", "ppc64le")  # by the devicetree, which came after x86_64
_HANDS_OVER: Final = (7, 1)
_LONGEST: Final = LONGEST_DESCRIPTION - 1  # bytes: the kernel takes one more, cuts it, and finds no such key
_WHY: Final = "Without it no key reaches the kdump kernel, where nobody can type a passphrase."
_ELSEWHERE: Final = "Dump to another machine, or to a device without encryption: man 5 kdump.conf"
_WHY_LOAD: Final = "The next load fails, and a load that fails destroys the previous image."


def check_interface(facts: HostFacts) -> list[Finding]:
    """Look for the configfs directory; if it is missing, find out why."""
    if facts.interface.present is True:
        found = [Finding("interface", Verdict.GOOD, f"The kernel has /{DIRECTORY}.", _WHY)]
        return [*found, *_architecture(facts), *_reuse(facts), *_items(facts)]
    if facts.interface.present is Missing.UNREADABLE:
        what = f"/{DIRECTORY} cannot be seen by this user."
        fix = to_read(facts.system, DIRECTORY)
        return [Finding("interface", Verdict.UNKNOWN, what, _WHY, fix)]
    return [_missing(facts)]


def _missing(facts: HostFacts) -> Finding:
    """Why there is no such directory."""
    name, arch = _kernel(facts), facts.system.arch
    mounted, config = facts.interface.configfs, facts.config["CRASH_DM_CRYPT"]
    if arch and arch not in _ARCHES:
        what = f"{name} cannot hand keys over on {arch}."
        return Finding("interface", Verdict.BROKEN, what, _WHY, _ELSEWHERE)
    if config == "n" or (mounted and config is None):
        what = f"{name} is built without CONFIG_CRASH_DM_CRYPT."
        fix = "Boot a kernel that has it: Linux 6.16 or newer, or RHEL 10's, with CONFIG_CRASH_DM_CRYPT=y."
        return Finding("interface", Verdict.BROKEN, what, _WHY, fix)
    if facts.memory.sysfs is not True:
        what, fix = "/sys is not mounted, so the interface cannot be seen.", "mount -t sysfs sysfs /sys"
        return Finding("interface", Verdict.UNKNOWN, what, _WHY, fix)
    if mounted:
        what = f"{name} is configured for it, yet /{DIRECTORY} is missing."
        fix = "Reinstall the running kernel's package, and boot its kernel."
        return Finding("interface", Verdict.BROKEN, what, _WHY, fix)
    if config == "y":
        what = f"{name} has CONFIG_CRASH_DM_CRYPT, but configfs is not mounted."
        fix = "mount -t configfs configfs /sys/kernel/config"
        return Finding("configfs", Verdict.BROKEN, what, _WHY, fix)
    what = "configfs is not mounted, and the kernel's configuration cannot be found."
    fix = "mount -t configfs configfs /sys/kernel/config && kdumpkey kdump doctor"
    return Finding("interface", Verdict.UNKNOWN, what, _WHY, fix)


def _architecture(facts: HostFacts) -> list[Finding]:
    arch = facts.system.arch
    if arch and arch not in _ARCHES:
        # The interface is built on every architecture; the code that passes the keys on is not.
        what = f"{_kernel(facts)} takes keys, but on {arch} no kernel passes them on."
        return [Finding("architecture", Verdict.BROKEN, what, _WHY, _ELSEWHERE)]
    if arch not in _LATER or _version(facts.system.release) >= _HANDS_OVER:
        return []
    what = f"{_kernel(facts)} takes keys; its version does not tell whether it passes them on, on {arch}."
    fix = f"Boot Linux {'.'.join(map(str, _HANDS_OVER))} or newer."
    return [Finding("architecture", Verdict.UNKNOWN, what, _WHY, fix)]


def _reuse(facts: HostFacts) -> list[Finding]:
    if not facts.interface.reuse:
        return []
    why = "Loads copy the keys of the previous image, even those that have changed since."
    return [Finding("reuse", Verdict.WARNING, "reuse is set.", why, "kdumpkey kdump reuse off")]


def _items(facts: HostFacts) -> list[Finding]:
    found, items = [], facts.interface.items
    if len(items) > MOST_KEYS:
        what = f"{len(items)} keys are named; with more than {MOST_KEYS}, none is restored."
        why = "The load succeeds, but the kdump kernel gets no keys at all."
        forget = shlex.join(["rmdir", *(f"/{DIRECTORY}/{item.name}" for item in items[MOST_KEYS:])])
        found.append(Finding("items", Verdict.BROKEN, what, why, forget))
    for item in items:
        if what := _of_item(item):
            fix = shlex.join(["kdumpkey", "kdump", "forget", item.name])
            found.append(Finding("items", Verdict.BROKEN, what, _WHY_LOAD, fix))
    return found


def _of_item(item: ConfigfsItem) -> str:
    """What is wrong with an item; empty: nothing."""
    if item.description in NO_DESCRIPTION:
        return f"The item {item.name} has no description."
    if item.description is not None and len(item.description.encode()) > _LONGEST:
        return f"The description of the item {item.name} is longer than {_LONGEST} bytes."
    return ""


def _kernel(facts: HostFacts) -> str:
    return f"Linux {facts.system.release or 'of this machine'}"


def _version(release: str) -> tuple[int, ...]:
    matched = re.match(r"(\d+)\.(\d+)", release)
    return (int(matched[1]), int(matched[2])) if matched else (0, 0)
