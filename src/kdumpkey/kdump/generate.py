"""The pieces of configuration that make the hand-over work at every boot, as changes to files."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.crypttab import is_line_of, wanted_option

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor.host import CryptDevice, Host

CRYPTTAB: Final = "etc/crypttab"
_UNITS: Final = ("kdump.service", "kdump-tools.service")
_UNIT_FOLDERS: Final = ("lib/systemd/system", "usr/lib/systemd/system", "etc/systemd/system")


@dataclass(frozen=True)
class Change:
    """A file's new text; `path` is relative to the machine's root, `before` None where there was no file."""

    path: str
    before: str | None
    after: str

    def diff(self) -> str:
        """The change as ``patch -p1`` takes it; empty: there is nothing to change."""
        old = (self.before or "").splitlines(keepends=True)
        new = self.after.splitlines(keepends=True)
        origin = "/dev/null" if self.before is None else f"a/{self.path}"
        lines = difflib.unified_diff(old, new, origin, f"b/{self.path}")
        ended = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
        return "".join(ended)


def crypttab(host: Host, devices: Sequence[CryptDevice]) -> Change:
    """Have the volume key of each device linked when it is opened; other lines stay as they are.

    Source: crypttab(5), link-volume-key; systemd 256.
    """
    before = host.text(CRYPTTAB)
    lines = (before or "").splitlines(keepends=True)
    for device in devices:
        number = next((i for i, line in enumerate(lines) if is_line_of(host, device, line)), None)
        if number is None:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
            name = device.mapping or f"luks-{device.uuid}"
            lines.append(f"{name} UUID={device.uuid} none luks,{wanted_option(device)}\n")
        else:
            lines[number] = _with_option(lines[number], wanted_option(device))
    return Change(CRYPTTAB, before, "".join(lines))


def systemd(host: Host) -> Change:
    """Have kdump's service share root's keyring.

    Source: systemd.exec(5), KeyringMode.
    """
    unit = next(
        (unit for unit in _UNITS for folder in _UNIT_FOLDERS if host.exists(f"{folder}/{unit}")), _UNITS[0]
    )
    path = f"etc/systemd/system/{unit}.d/kdumpkey.conf"
    text = "# The load looks for volume keys in root's user keyring.\n[Service]\nKeyringMode=shared\n"
    return Change(path, host.text(path), text)


def _with_option(line: str, option: str) -> str:
    """The line with the option, in place of another link-volume-key; blanks between fields stay."""
    end = "\n" if line.endswith("\n") else ""
    # Fields and the blanks between them, in turn: an indented line begins with an empty field.
    parts = re.split(r"(\s+)", line.rstrip())
    fields = [i for i, part in enumerate(parts) if part and not part.isspace()]
    if len(fields) < 3:
        return f"{line.rstrip()} none luks,{option}{end}"
    if len(fields) < 4:
        return f"{line.rstrip()} luks,{option}{end}"
    options = [each for each in parts[fields[3]].split(",") if not each.startswith("link-volume-key=")]
    parts[fields[3]] = ",".join([*options, option])
    return "".join(parts) + end
