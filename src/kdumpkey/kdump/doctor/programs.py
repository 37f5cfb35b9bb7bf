"""Whether cryptsetup and systemd are new enough to link a volume key into a keyring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.host.system import System
    from kdumpkey.kdump.doctor.facts import HostFacts

_CRYPTSETUP: Final = 7  # of 2
_SYSTEMD: Final = 256
_WHY: Final = "An older one passes the option over without a word; the key is then never in the keyring."


def check_programs(facts: HostFacts) -> list[Finding]:
    """Hold the versions of both against what link-volume-key takes."""
    found = facts.libraries
    return [
        _check(facts.system, "cryptsetup", found.cryptsetup, _CRYPTSETUP, "2."),
        _check(facts.system, "systemd", found.systemd, _SYSTEMD, ""),
    ]


def _check(system: System, name: str, version: int | None, least: int, major: str) -> Finding:
    needed = f"{major}{least}"
    if version is None:
        what = f"{name}'s library is not to be found."
        fix = f"{name} --version, which has to be {needed} or newer"
        return Finding(name, Verdict.UNKNOWN, what, _WHY, fix)
    shown = f"{major}{version}"
    if version < least:
        what = f"{name} is {shown}; link-volume-key takes {needed}."
        return Finding(name, Verdict.BROKEN, what, _WHY, fixes.upgrade(system, name, needed))
    return Finding(name, Verdict.GOOD, f"{name} is {shown}, and {needed} is enough.", _WHY)
