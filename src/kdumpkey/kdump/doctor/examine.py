"""Examines a machine: it is read once, and then each check judges what was read."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from kdumpkey.errors import UsageError
from kdumpkey.host.host import Host
from kdumpkey.kdump.doctor.crypttab import check_crypttab
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.header import check_header
from kdumpkey.kdump.doctor.image import check_image
from kdumpkey.kdump.doctor.initramfs import check_initramfs, check_waiting
from kdumpkey.kdump.doctor.interface import check_interface
from kdumpkey.kdump.doctor.kdump_tools import check_kdump_tools
from kdumpkey.kdump.doctor.key import check_items, check_key
from kdumpkey.kdump.doctor.programs import check_programs
from kdumpkey.kdump.doctor.reserved import check_reserved
from kdumpkey.kdump.doctor.service import check_service
from kdumpkey.kdump.doctor.stale import check_stale
from kdumpkey.kdump.doctor.target import check_target
from kdumpkey.kdump.facts.host_facts import HostFacts, read_facts

# What has to hold for a load; an image that is loaded no longer depends on it.
_LOADING: Final = frozenset(
    {"configfs", "items", "reuse", "cryptsetup", "systemd", "service", "crypttab", "key", "reach"}
)


def examine(
    root: Path, devices: Sequence[str] = (), *, now: Callable[[], float] = time.time
) -> list[Finding]:
    """Examine a machine, from the dump target down; nothing is changed.

    Args:
        root: ``/``, or a directory with another machine's files.
        devices: The encrypted devices; default: those beneath the dump target.
        now: Seconds since the epoch.

    Raises:
        UsageError: `root` is not a directory.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a directory.")
    host = Host(root.resolve())
    if host.is_kdump_kernel:
        raise UsageError("This is the kdump kernel; the doctor examines the first.")
    return check(read_facts(host, devices, now()))


def check(facts: HostFacts) -> list[Finding]:
    """Judge what was read of a machine.

    Args:
        facts: The machine; without encrypted devices, only what every dump needs is judged, and if nobody can
            tell the devices, only the dump target.
    """
    target = check_target(facts.system, facts.target)
    if facts.target.headers is None:
        return target
    headers = [finding for each in facts.devices for finding in check_header(facts.system, each.header)]
    found = [*target, *headers, *_check_machine(facts)]
    return [_of_the_next_load(finding) for finding in found] if facts.memory.is_loaded else found


def _check_machine(facts: HostFacts) -> list[Finding]:
    found = check_reserved(facts)
    if facts.devices:
        found += check_interface(facts) + check_programs(facts) + check_items(facts) + check_service(facts)
        found += check_kdump_tools(facts)
    for device in facts.devices:
        found += check_crypttab(facts, device) + check_key(facts, device)
    found += check_image(facts) + check_stale(facts)
    return found + (check_initramfs(facts) if facts.devices else []) + check_waiting(facts)


def _of_the_next_load(finding: Finding) -> Finding:
    """A problem on a key's way into an image affects the next load, not the image that is loaded."""
    if finding.check not in _LOADING or finding.verdict is Verdict.GOOD:
        return finding
    return replace(finding, verdict=Verdict.WARNING)
