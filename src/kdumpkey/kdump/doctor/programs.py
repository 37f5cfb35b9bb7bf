"""Whether cryptsetup and systemd are new enough to link a volume key into a keyring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.host.libraries import InstalledLibrary
    from kdumpkey.host.system import System
    from kdumpkey.kdump.facts.host_facts import HostFacts

_CRYPTSETUP: Final = 7  # of 2
_SYSTEMD: Final = 256
# RHEL-97175 adds the option to systemd 252; rebuilds of RHEL have it in the same release.
_BACKPORTED: Final = ("rhel", "centos", "rocky", "almalinux", "ol")
_BACKPORTED_TO: Final = 252
_BACKPORTED_SINCE: Final = (9, 8)
_WHY: Final = "Older versions silently ignore the option, and the key never reaches the keyring."


def check_programs(facts: HostFacts) -> list[Finding]:
    """Judge whether both know link-volume-key, by their own text, else by their versions."""
    found = facts.libraries
    return [
        _check(facts.system, "cryptsetup", found.cryptsetup, _CRYPTSETUP, "2."),
        _check(facts.system, "systemd", found.systemd, _SYSTEMD, ""),
    ]


def _check(system: System, name: str, installed: InstalledLibrary, least: int, major: str) -> Finding:
    version, needed = installed.version, f"{major}{least}"
    if version is None and installed.knows is None:
        what = f"{name}'s library cannot be found."
        fix = f"{name} --version, which has to be {needed} or newer"
        return Finding(name, Verdict.UNKNOWN, what, _WHY, fix)
    shown = f"{major}{version}" if version is not None else "of an unknown version"
    if version is not None and version >= least:
        return Finding(name, Verdict.GOOD, f"{name} is {shown}, and {needed} is enough.", _WHY)
    if installed.knows:
        return Finding(name, Verdict.GOOD, f"{name} is {shown}, and knows link-volume-key.", _WHY)
    if name == "systemd" and installed.knows is None and version == _BACKPORTED_TO:
        if _has_backport(system):
            release = ".".join(map(str, system.version))
            what = f"{name} is {shown}; {system.distribution} {release} has added link-volume-key to it."
            return Finding(name, Verdict.GOOD, what, _WHY)
        if system.distribution == "centos" and system.version[:1] == _BACKPORTED_SINCE[:1]:
            what = (
                f"{name} is {shown}; whether CentOS has added link-volume-key to it, its files do not tell."
            )
            fix = "grep -c link-volume-key /usr/lib/systemd/systemd-cryptsetup"
            return Finding(name, Verdict.UNKNOWN, what, _WHY, fix)
    what = f"{name} is {shown}; link-volume-key takes {needed}."
    return Finding(name, Verdict.BROKEN, what, _WHY, fixes.upgrade(system, name, needed))


def _has_backport(system: System) -> bool:
    same_major = system.version[:1] == _BACKPORTED_SINCE[:1]
    return system.distribution in _BACKPORTED and same_major and system.version >= _BACKPORTED_SINCE
