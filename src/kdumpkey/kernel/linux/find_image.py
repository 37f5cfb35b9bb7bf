"""The kdump kernel that kdump's own tools would load, if no other is named.

Source: kdump-utils (kdumpctl, /etc/sysconfig/kdump) and kdump-tools (kdump-config, /etc/default/kdump-tools).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from kdumpkey.errors import kernel_error
from kdumpkey.host.host import Host
from kdumpkey.host.kdump_files import INITRAMFS, KERNELS
from kdumpkey.host.settings import KDUMP_TOOLS, SYSCONFIG, plain_settings
from kdumpkey.host.uki import find_uki
from kdumpkey.kernel.protocol import CrashImage

_NOT_FOR_KDUMP: Final = (
    "crashkernel",
    "initrd",
    "BOOT_IMAGE",
    "hugepages",
    "hugepagesz",
    "default_hugepagesz",
    "panic_on_warn",
)
# mkdumprd's initramfs knows what to mount and to open. These would make it wait for the running system's
# devices, and for somebody to type their passphrase.
_KNOWN_TO_MKDUMPRD: Final = (
    "root",
    "rd.lvm.lv",
    "rd.luks.uuid",
    "rd.luks.name",
    "luks.uuid",
    "luks.name",
    "rd.dm.uuid",
    "rd.md.uuid",
    "fcoe",
    "netroot",
    "rd.iscsi.initiator",
    "iscsi_initiator",
)
_FOR_KDUMP: Final = "irqpoll nr_cpus=1 reset_devices panic=10"
# kdump-tools boots the machine's own root, where this unit writes the dump.
_FOR_KDUMP_TOOLS: Final = f"{_FOR_KDUMP} systemd.unit=kdump-tools-dump.service"
_SETTINGS: Final = (SYSCONFIG, KDUMP_TOOLS)


def find_image(root: Path, release: str) -> CrashImage:
    """The running kernel with the kdump initramfs, or what the tools' settings name.

    Args:
        root: ``/``, or a directory with another machine's files.
        release: The running kernel's.

    Raises:
        KernelError: ENOENT: it is not there; the message says which options name another.
    """
    host = Host(root.resolve())
    settings = _settings(host)
    release = settings.get("KDUMP_KERNELVER") or release
    home = settings.get("KDUMP_BOOTDIR", "").strip("/")
    kernels = [f"{home}/vmlinuz-{{}}"] if home else []
    kernel = _first(
        root,
        [settings.get("KDUMP_KERNEL", ""), *kernels, *KERNELS, find_uki(host, release)],
        release,
    )
    initrds = [f"{home}/initramfs-{{}}kdump.img"] if home else []
    initrd = _first(root, [settings.get("KDUMP_INITRD", ""), *initrds, *INITRAMFS], release)
    if kernel is None or initrd is None:
        missing = f"kernel {release}" if kernel is None else f"kdump initramfs of {release}"
        raise kernel_error(errno.ENOENT, f"there is no {missing}; name it with --kernel and --initrd")
    return CrashImage(kernel, initrd, _command_line(root, settings))


def _first(root: Path, names: Iterable[str], release: str) -> Path | None:
    paths = (root / name.replace("{}", release).lstrip("/") for name in names if name)
    return next((path for path in paths if path.exists()), None)


def _command_line(root: Path, settings: Mapping[str, str]) -> str:
    """The running kernel's command line, without what is not for the kdump kernel, and with what is."""
    own = settings.get("KDUMP_COMMANDLINE") or settings.get("KDUMP_CMDLINE") or ""
    words = (own or (root / "proc/cmdline").read_text(encoding="utf-8", errors="surrogateescape")).split()
    by_kdump_tools = (root / KDUMP_TOOLS).exists()
    removed = {*_NOT_FOR_KDUMP, *settings.get("KDUMP_COMMANDLINE_REMOVE", "").split()}
    if not by_kdump_tools:
        removed |= {*_KNOWN_TO_MKDUMPRD}
    kept = [word for word in words if word.partition("=")[0] not in removed]
    default = _FOR_KDUMP_TOOLS if by_kdump_tools else _FOR_KDUMP
    added = settings.get("KDUMP_COMMANDLINE_APPEND") or settings.get("KDUMP_CMDLINE_APPEND") or default
    return " ".join([*kept, *(word for word in added.split() if word not in kept)])


def _settings(host: Host) -> dict[str, str]:
    """What the tools' files of settings say, except what only a shell could work out."""
    found: dict[str, str] = {}
    for name in _SETTINGS:
        found |= plain_settings(host.text(name) or "")
    return found
