"""What puts kdumpkey into a kdump initramfs and runs it there, for dracut and for initramfs-tools."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from kdumpkey.kdump.generate.change import FILE, PROGRAM, Change
from kdumpkey.kdump.generate.setup import Setup

_SCRIPTS: Final = Path(__file__).parent / "scripts"
_DEVICES: Final = "etc/kdumpkey/devices"
_MODULE: Final = "usr/lib/dracut/modules.d/99kdumpkey"
_TOOLS: Final = "etc/initramfs-tools"


def dracut(setup: Setup) -> list[Change]:
    """A dracut module, which mkdumprd's initramfs gets, and any other that asks for it by name.

    Source: dracut.modules(7).
    """
    return [
        _devices(setup),
        _script(setup, f"{_MODULE}/module-setup.sh", "dracut-module-setup"),
        _script(setup, f"{_MODULE}/unlock.sh", "unlock"),
        _script(setup, f"{_MODULE}/settled.sh", "dracut-settled"),
        _script(setup, f"{_MODULE}/finished.sh", "dracut-finished"),
    ]


def initramfs_tools(setup: Setup) -> list[Change]:
    """A hook and a script, which kdump-tools' initramfs gets and no other.

    Source: initramfs-tools(7); cryptsetup's own script in local-top runs after all others there.
    """
    return [
        _devices(setup),
        _script(setup, f"{_TOOLS}/hooks/kdumpkey", "initramfs-tools-hook"),
        _script(setup, f"{_TOOLS}/scripts/local-top/kdumpkey", "unlock"),
    ]


def _devices(setup: Setup) -> Change:
    """A table, so that text from headers is data for the scripts and never part of them."""
    lines = [f"{device.uuid} {device.mapping or f'luks-{device.uuid}'}\n" for device in setup.devices]
    text = "# What the kdump kernel opens: UUID, and the name to map it by.\n" + "".join(lines)
    return Change(_DEVICES, setup.host.text(_DEVICES), text, FILE)


def _script(setup: Setup, path: str, name: str) -> Change:
    text = (_SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")
    text = text.replace("@KDUMPKEY@", shlex.join(setup.program))
    return Change(path, setup.host.text(path), text, PROGRAM)
