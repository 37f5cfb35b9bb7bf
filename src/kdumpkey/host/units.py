"""A systemd unit as systemd would put it together: the strongest file, and the drop-ins of all directories.

Source: systemd.unit(5), "Unit File Load Path" and drop-ins; systemd.syntax(7).
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

KDUMP_SERVICES: Final = ("kdump.service", "kdump-tools.service")  # what loads the crash image at boot
ARM_SERVICE: Final = "kdumpkey-arm.service"  # what kdump generate systemd makes
# The weakest first.
_FOLDERS: Final = (
    *("run/systemd/generator.late", "lib/systemd/system", "usr/lib/systemd/system"),
    *("usr/local/lib/systemd/system", "run/systemd/generator", "run/systemd/system"),
    *("etc/systemd/system", "run/systemd/generator.early", "run/systemd/transient"),
    *("run/systemd/system.control", "etc/systemd/system.control"),
)
_ETC: Final = "etc/systemd/system"


@dataclass(frozen=True)
class Unit:
    """A service.

    Attributes:
        name: Its name.
        lines: Section, key and value of every setting, the strongest last.
        masked: It is a link to /dev/null, or empty: it never starts.
        enabled: Something wants it at boot.
        unread: A file of it that cannot be read; empty: all of it is known.
    """

    name: str
    lines: tuple[tuple[str, str, str], ...]
    masked: bool = False
    enabled: bool = True
    unread: str = ""

    def setting(self, key: str) -> str:
        """A setting of its [Service] section; empty: its default."""
        found = [value for section, name, value in self.lines if (section, name) == ("Service", key)]
        return found[-1] if found else ""

    def runs(self, word: str) -> bool:
        """Whether a command of it has a word in it."""
        return any(name.startswith("Exec") and word in value for _, name, value in self.lines)


def read_unit(host: Host, name: str) -> Unit | None:
    """Put a unit together; None: there is no unit of that name."""
    paths = [f"{folder}/{name}" for folder in _FOLDERS if host.names(folder, name)]
    if not paths:
        return None
    strongest = paths[-1]
    text = "" if _is_null(host, strongest) else host.text(strongest)
    masked = text == ""
    dropins: dict[str, str] = {}
    for parent in ("service.d", *_prefixes(name), f"{name}.d"):
        for folder in _FOLDERS:
            for dropin in host.names(f"{folder}/{parent}", "*.conf"):
                dropins[dropin] = f"{folder}/{parent}/{dropin}"
    unread = strongest if text is None else ""
    lines = _settings(text or "")
    for _, path in sorted(dropins.items()):
        body = "" if _is_null(host, path) else host.text(path)
        unread = path if body is None else unread
        lines += _settings(body or "")
    wanted = any(
        host.names(f"{folder}/{target}", name) != []
        for folder in _FOLDERS
        for pattern in ("*.wants", "*.requires")
        for target in host.names(folder, pattern)
    )
    return Unit(name, tuple(lines), masked, wanted, unread)


def _prefixes(name: str) -> list[str]:
    """``a-b.service`` also has the drop-ins of ``a-.service``."""
    stem, _, suffix = name.rpartition(".")
    parts = stem.split("-")
    return [f"{'-'.join(parts[:count])}-.{suffix}.d" for count in range(1, len(parts))]


def _is_null(host: Host, path: str) -> bool:
    """Whether a unit's file is a link to /dev/null, even a dangling one: how systemd masks."""
    try:
        link = host.root / path
        return stat.S_ISLNK(link.lstat().st_mode) and str(link.readlink()) == "/dev/null"
    except OSError:
        return False


def _settings(text: str) -> list[tuple[str, str, str]]:
    """Section, key and value of each line; a backslash continues a line, past comments."""
    found: list[tuple[str, str, str]] = []
    section, begun = "", ""
    for line in text.splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue
        whole = f"{begun}{line.strip()}"
        if whole.endswith("\\"):
            begun = f"{whole[:-1]} "
            continue
        begun = ""
        if whole.startswith("[") and whole.endswith("]"):
            section = whole[1:-1]
            continue
        key, equals, value = whole.partition("=")
        if equals:
            found.append((section, key.strip(), value.strip()))
    return found
