"""What a machine runs: its kernel, architecture and distribution, and whose commands that has."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from kdumpkey.host.settings import KDUMP_CONF, KDUMP_TOOLS, SYSCONFIG, shell_settings
from kdumpkey.host.uki import command_line_of, find_uki

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_OS_RELEASE: Final = ("etc/os-release", "usr/lib/os-release")
_RED_HAT: Final = frozenset({"fedora", "rhel", "centos"})
_DEBIAN: Final = frozenset({"debian", "ubuntu"})
_OF_SUSE: Final = ("KDUMP_SAVEDIR", "KDUMP_IMMEDIATE_REBOOT", "KDUMP_DUMPLEVEL")
_SUSE_DEFAULTS: Final = (
    "usr/lib/kdump/sysconfig.kdump",
    "usr/lib/sysconfig/kdump",
    "usr/etc/sysconfig/kdump",
)
_SUSE: Final = frozenset({"suse", "opensuse", "sles", "sled", "sle-micro"})


class Family(Enum):
    """Whose tools a distribution has."""

    RED_HAT = "kdump-utils, dracut, dnf"
    DEBIAN = "kdump-tools, initramfs-tools, apt"
    SUSE = "kdump, dracut, zypper"
    OTHER = "not known"


@dataclass(frozen=True)
class System:
    """A machine's system.

    Attributes:
        is_here: It is the one that this runs on, not the files of another.
        release: The running kernel's release, or empty.
        arch: As ``uname -m`` says it, or empty.
        family: Whose commands it has.
        distribution: What os-release calls it: ``fedora``, ``rhel``, ``debian`` …; or empty.
        version: The distribution's, or empty.
        ostree: Its /usr is a deployment of ostree's: rpm-ostree installs packages and sets kernel arguments.
        command_line: The running kernel's.
        uki: The unified kernel image that it boots, which holds its command line; empty: it boots none.
    """

    is_here: bool
    release: str
    arch: str
    family: Family
    distribution: str = ""
    version: tuple[int, ...] = ()
    ostree: bool = False
    command_line: tuple[str, ...] = ()
    uki: str = ""

    @property
    def is_debian(self) -> bool:
        """Whether kdump-tools manages kdump."""
        return self.family is Family.DEBIAN

    @property
    def is_suse(self) -> bool:
        """Whether SUSE's kdump manages kdump."""
        return self.family is Family.SUSE


def read_system(host: Host) -> System:
    """Look at the files that tell one distribution from another."""
    names, version = _os_release(host)
    uki = find_uki(host, host.release)
    given = host.text("proc/cmdline")
    line = split_command_line(given if given is not None else command_line_of(host, uki) if uki else "")
    ostree = host.exists("run/ostree-booted") or any(word.startswith("ostree=") for word in line)
    distribution = names[0] if names else ""
    return System(
        host.is_here, host.release, host.arch, _family(host, names), distribution, version, ostree, line, uki
    )


def split_command_line(text: str) -> tuple[str, ...]:
    """The words of a kernel's command line; blanks within double quotes do not separate words."""
    return tuple(word.replace('"', "") for word in re.findall(r'(?:[^\s"]|"[^"]*"?)+', text))


def is_suse_kdump(host: Host) -> bool:
    """Whether the settings under /etc/sysconfig are those of SUSE's kdump; Fedora has a file of that name."""
    if host.exists(KDUMP_CONF):
        return False
    return any(name in suse_settings(host) for name in _OF_SUSE)


def suse_settings(host: Host) -> dict[str, str]:
    """The settings of SUSE's kdump: the administrator's, and for the rest those that the package brings."""
    found: dict[str, str] = {}
    for path in (*_SUSE_DEFAULTS, SYSCONFIG):
        found |= shell_settings(host.text(path) or "")
    return found


def _family(host: Host, names: tuple[str, ...]) -> Family:
    # Which of kdump's tools is configured counts for more than the distribution's name.
    if host.exists(KDUMP_CONF):
        return Family.RED_HAT
    if host.exists(KDUMP_TOOLS):
        return Family.DEBIAN
    if is_suse_kdump(host) or any(name.startswith("opensuse") or name in _SUSE for name in names):
        return Family.SUSE
    if host.exists("etc/debian_version") or not _DEBIAN.isdisjoint(names):
        return Family.DEBIAN
    if host.exists("etc/redhat-release") or not _RED_HAT.isdisjoint(names):
        return Family.RED_HAT
    return Family.OTHER


def _os_release(host: Host) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """What the distribution is, and is like, and its version."""
    for path in _OS_RELEASE:
        if text := host.text(path):
            found = shell_settings(text)
            names = (found.get("ID", ""), *shlex.split(found.get("ID_LIKE", "").replace("'", "")))
            return tuple(name.lower() for name in names if name), _version(found.get("VERSION_ID", ""))
    matched = re.match(r"(.*) release (\d+(?:\.\d+)*)", host.text("etc/redhat-release") or "")
    if matched is None:
        return (), ()
    name = "fedora" if matched[1].startswith("Fedora") else "centos" if "CentOS" in matched[1] else "rhel"
    return (name,), _version(matched[2])


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())
