"""Whether cryptsetup and systemd are new enough to link a volume key into a keyring.

Their versions are read from the names of their libraries, so that nothing has to be run: libcryptsetup's
12.10 is cryptsetup 2.7; ``libsystemd-shared-256.so`` is systemd 256, whatever suffix the package puts on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_FOLDERS: Final = ("usr/lib64", "usr/lib", "lib64", "lib", "usr/local/lib64", "usr/local/lib")
_WHY: Final = "An older one passes the option over without a word; the key is then never in the keyring."


def check_programs(host: Host) -> list[Finding]:
    """Look for both libraries."""
    return [
        _check(host, "cryptsetup", r"libcryptsetup\.so\.12\.(\d+)\.\d+", 10, "2.7"),
        _check(host, "systemd", r"libsystemd-shared-(\d+).*\.so", 256, "256"),
    ]


def _check(host: Host, name: str, pattern: str, least: int, version: str) -> Finding:
    """`least` is the number in the library's name; cryptsetup's is 3 ahead of the program's minor version."""
    folders = [
        *_FOLDERS,
        *(
            f"{folder}/{triplet}"
            for folder in ("usr/lib", "lib")
            for triplet in host.names(folder, "*-linux-gnu*")
        ),
    ]
    places = [f"{folder}/systemd" if name == "systemd" else folder for folder in folders]
    seen = [
        int(matched[1])
        for place in places
        for file in host.names(place, "lib*.so*")
        if (matched := re.fullmatch(pattern, file)) is not None
    ]
    if not seen:
        what = f"{name}'s library is not to be found."
        return Finding(
            name, Verdict.UNKNOWN, what, _WHY, f"{name} --version, which has to be {version} or newer"
        )
    newest = max(seen)
    shown = f"2.{newest - 3}" if name == "cryptsetup" else str(newest)
    if newest < least:
        command = "apt-get install" if fixes.is_debian(host) else "dnf upgrade"
        fix = f"{command} {name}, from a release of the distribution that has {version} or newer"
        what = f"{name} is {shown}; link-volume-key takes {version}."
        return Finding(name, Verdict.BROKEN, what, _WHY, fix)
    return Finding(name, Verdict.GOOD, f"{name} is {shown}, and {version} is enough.", _WHY)
