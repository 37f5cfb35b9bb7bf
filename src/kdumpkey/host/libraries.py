"""What is installed of cryptsetup and systemd: their versions, and whether they know link-volume-key.

The versions stand in the names of the libraries, so that nothing has to be run: libcryptsetup's 12.10 is
cryptsetup 2.7; ``libsystemd-shared-256.so`` is systemd 256, with any suffix of the package.
Distributions give older versions newer options, so the programs' own text is searched as well.
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
_OPTION: Final = b"link-volume-key"
_CALL: Final = b"crypt_set_keyring_to_link"
# The programs that read the options of crypttab; the generator only passes them on.
_OPENERS: Final = tuple(
    f"{folder}/systemd-cryptsetup" for folder in ("usr/bin", "usr/lib/systemd", "lib/systemd", "bin")
)


@dataclass(frozen=True)
class InstalledLibrary:
    """A program by its library.

    Attributes:
        version: The newest installed; of cryptsetup, the minor version of 2. None: it is not installed.
        knows: Whether its text has the option that links a volume key; None: it cannot be read.
    """

    version: int | None
    knows: bool | None = None


@dataclass(frozen=True)
class Libraries:
    """The libraries that open devices."""

    cryptsetup: InstalledLibrary
    systemd: InstalledLibrary


def read_libraries(host: Host) -> Libraries:
    """Look for both libraries, and into them."""
    folders = [
        *_FOLDERS,
        *(
            f"{folder}/{triplet}"
            for folder in ("usr/lib", "lib")
            for triplet in host.names(folder, "*-linux-gnu*")
        ),
    ]
    crypt = _found(host, folders, _CRYPTSETUP)
    systemd = _found(host, [f"{folder}/systemd" for folder in folders], _SYSTEMD)
    versions = [version - _AHEAD for version in crypt.values()]
    openers = _any(host, _OPENERS, _OPTION)
    # The option may be in the program that opens alone, so the shared library cannot rule it out.
    knows = openers or _any(host, systemd, _OPTION) or openers
    return Libraries(
        InstalledLibrary(max(versions, default=None), _any(host, crypt, _CALL)),
        InstalledLibrary(max(systemd.values(), default=None), knows),
    )


def _found(host: Host, folders: list[str], pattern: re.Pattern[str]) -> dict[str, int]:
    """The libraries, with the numbers in their names."""
    return {
        f"{folder}/{file}": int(matched[1])
        for folder in folders
        for file in host.names(folder, "lib*.so*")
        if (matched := pattern.fullmatch(file)) is not None
    }


def _any(host: Host, paths: tuple[str, ...] | dict[str, int], words: bytes) -> bool | None:
    """Whether a file contains some words; None: there is no such file, or all are empty."""
    texts = [text for path in paths if (text := host.content(path))]
    return any(words in text for text in texts) if texts else None
