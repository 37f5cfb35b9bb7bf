"""Whether cryptsetup and systemd are new enough to link a volume key into a keyring.

Their versions are read from the names of their libraries, so that nothing has to be run: libcryptsetup's
12.10 is cryptsetup 2.7; ``libsystemd-shared-256.so`` is systemd 256, whatever suffix the package puts on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor.host import Host

_FOLDERS: Final = ("usr/lib64", "usr/lib", "lib64", "lib", "usr/lib/*-linux-gnu", "lib/*-linux-gnu")
_PRIVATE: Final = tuple(f"{folder}/systemd" for folder in _FOLDERS)
_WHY: Final = "An older one passes the option over without a word; the key is then never in the keyring."


def check_programs(host: Host) -> list[Finding]:
    """Look for both libraries."""
    return [
        _check(host, "cryptsetup", _FOLDERS, r"libcryptsetup\.so\.12\.(\d+)\.\d+", 10, "2.7", -3),
        _check(host, "systemd", _PRIVATE, r"libsystemd-shared-(\d+).*\.so", 256, "256", 0),
    ]


def _check(
    host: Host, name: str, folders: tuple[str, ...], pattern: str, least: int, version: str, minor: int
) -> Finding:
    """`minor` is added to the library's number to get the program's minor version; 0: they are the same."""
    seen = [
        int(matched[1])
        for folder in folders
        for found in host.root.glob(f"{folder}/lib{'cryptsetup' if minor else 'systemd-shared'}*")
        if (matched := re.fullmatch(pattern, found.name)) is not None
    ]
    if not seen:
        what = f"{name}'s library is not to be found."
        fix = f"Install {name} {version} or newer, or see with {name} --version that it is."
        return Finding(name, Verdict.UNKNOWN, what, _WHY, fix)
    newest = max(seen)
    shown = f"2.{newest + minor}" if minor else str(newest)
    if newest < least:
        what = f"{name} is {shown}."
        return Finding(name, Verdict.BROKEN, what, _WHY, f"Install {name} {version} or newer.")
    return Finding(name, Verdict.GOOD, f"{name} is {shown}, and {version} is enough.", _WHY)
