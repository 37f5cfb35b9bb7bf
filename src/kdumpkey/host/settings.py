"""kdump's own configuration files, and how a shell reads them."""

from __future__ import annotations

import shlex
from typing import Final

KDUMP_CONF: Final = "etc/kdump.conf"
KDUMP_TOOLS: Final = "etc/default/kdump-tools"
SYSCONFIG: Final = "etc/sysconfig/kdump"  # of kdump-utils, and of SUSE's kdump


def shell_settings(text: str) -> dict[str, str]:
    """The plain assignments of a file that a shell reads; the last of a name counts."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or not name.isidentifier():
            continue
        try:
            words = shlex.split(value, comments=True)
        except ValueError:
            words = [value.strip("\"'")]
        found[name] = words[0] if words else ""
    return found
