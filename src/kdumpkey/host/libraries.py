"""The versions of libraries, by the names of their files, so that nothing has to be run.

libcryptsetup's 12.10 is cryptsetup 2.7; ``libsystemd-shared-256.so`` is systemd 256, whatever suffix the
package puts on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_FOLDERS: Final = ("usr/lib64", "usr/lib", "lib64", "lib", "usr/local/lib64", "usr/local/lib")
_CRYPTSETUP: Final = re.compile(r"libcryptsetup\.so\.12\.(\d+)\.\d+")
_SYSTEMD: Final = re.compile(r"libsystemd-shared-(\d+).*\.so")
_AHEAD: Final = 3  # the minor version of cryptsetup's library, of that of its program


@dataclass(frozen=True)
class Libraries:
    """The newest of each that is installed; None: there is none.

    Attributes:
        cryptsetup: The minor version of cryptsetup 2.
        systemd: systemd's version.
    """

    cryptsetup: int | None
    systemd: int | None


def read_libraries(host: Host) -> Libraries:
    """Look for both libraries."""
    folders = [
        *_FOLDERS,
        *(
            f"{folder}/{triplet}"
            for folder in ("usr/lib", "lib")
            for triplet in host.names(folder, "*-linux-gnu*")
        ),
    ]
    library = _newest(host, folders, _CRYPTSETUP)
    return Libraries(
        None if library is None else library - _AHEAD,
        _newest(host, [f"{folder}/systemd" for folder in folders], _SYSTEMD),
    )


def _newest(host: Host, folders: list[str], pattern: re.Pattern[str]) -> int | None:
    seen = [
        int(matched[1])
        for folder in folders
        for file in host.names(folder, "lib*.so*")
        if (matched := pattern.fullmatch(file)) is not None
    ]
    return max(seen, default=None)
