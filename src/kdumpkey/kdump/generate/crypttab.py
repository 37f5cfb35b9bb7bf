"""The lines of /etc/crypttab that link volume keys where a load finds them."""

from __future__ import annotations

import re

from kdumpkey.host.crypttab import CRYPTTAB, LINK_OPTION, is_line_of, link_option
from kdumpkey.kdump.generate.change import Change
from kdumpkey.kdump.generate.setup import Setup


def crypttab(setup: Setup) -> list[Change]:
    """Link the volume key of each device when it is opened; other lines stay as they are.

    Source: crypttab(5), link-volume-key; systemd 256.
    """
    host = setup.host
    before = host.text(CRYPTTAB)
    lines = (before or "").splitlines(keepends=True)
    for device in setup.devices:
        own = [number for number, line in enumerate(lines) if is_line_of(host, device, line)]
        if not own:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
            name = device.mapping or f"luks-{device.uuid}"
            lines.append(f"{name} UUID={device.uuid} none luks,{link_option(device)}\n")
        # Which of several lines opens the device depends on the order in which systemd starts them.
        for number in own:
            lines[number] = _with_option(lines[number], link_option(device))
    return [Change(CRYPTTAB, before, "".join(lines))]


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
    options = [each for each in parts[fields[3]].split(",") if not each.startswith(f"{LINK_OPTION}=")]
    parts[fields[3]] = ",".join([*options, option])
    return "".join(parts) + end
