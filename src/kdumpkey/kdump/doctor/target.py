"""The dump target, and the encrypted devices beneath it: through LVM and partitions, by sysfs.

Source: kdump.conf(5), kdump-tools(5), and sysfs' dm/uuid (``CRYPT-LUKS2-<uuid without dashes>-<name>``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.host import CryptDevice

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor.host import Host

_FILESYSTEMS: Final = ("ext2", "ext3", "ext4", "xfs", "btrfs", "minix", "virtiofs")
_REMOTE: Final = ("nfs", "ssh")
_DEPTH: Final = 8  # device on device: more is a loop, or a tree made to mislead
_DM_UUID: Final = re.compile(r"CRYPT-(LUKS[12]|[A-Z]+)-(?:([0-9a-f]{32})-)?(.*)", re.DOTALL)


@dataclass(frozen=True)
class DumpTarget:
    """Where the dump goes: `source` is what is mounted, or a host; `origin` the file that says so."""

    source: str
    origin: str
    remote: bool = False


def dump_target(host: Host) -> DumpTarget | None:
    """What kdump's configuration names, or what holds its directory; None: neither is to be found."""
    path, origin = "/var/crash", "the default"
    for line in (host.text("etc/kdump.conf") or "").splitlines():
        key, _, value = line.partition("#")[0].strip().partition(" ")
        value = value.strip()
        if key in _REMOTE:
            return DumpTarget(value, "etc/kdump.conf", remote=True)
        if key in _FILESYSTEMS or key == "raw":
            return DumpTarget(value, "etc/kdump.conf")
        if key == "path" and value:
            path, origin = value, "etc/kdump.conf"
    for line in (host.text("etc/default/kdump-tools") or "").splitlines():
        key, _, value = line.strip().partition("=")
        value = value.strip("\"'")
        if key in ("NFS", "SSH") and value:
            return DumpTarget(value, "etc/default/kdump-tools", remote=True)
        if key == "KDUMP_COREDIR" and value:
            path, origin = value, "etc/default/kdump-tools"
    source = _mounted_at(host, path)
    return DumpTarget(source, f"{path}, from {origin}") if source else None


def _mounted_at(host: Host, path: str) -> str | None:
    """What is mounted where a path lies, by /proc/mounts, else by fstab."""
    for table in ("proc/mounts", "etc/fstab"):
        best: tuple[int, str] | None = None
        for line in (host.text(table) or "").splitlines():
            fields = line.split()
            if len(fields) < 3 or fields[0].startswith("#") or not fields[1].startswith("/"):
                continue
            prefix = fields[1].rstrip("/")
            inside = path == prefix or path.startswith(prefix + "/")
            real = fields[0].startswith(("/", "UUID=", "LABEL=", "PARTUUID="))
            if inside and real and (best is None or len(prefix) >= best[0]):
                best = (len(prefix), fields[0])
        if best is not None:
            return best[1]
    return None


def block_name(host: Host, spec: str) -> str | None:
    """The kernel's name (``dm-0``, ``sda3``) of a path, or of a UUID=, LABEL=, PARTUUID=, PARTLABEL=."""
    kind, has_tag, value = spec.partition("=")
    if has_tag and not spec.startswith("/"):
        spec = f"/dev/disk/by-{kind.lower()}/{value.strip(chr(34))}"
    mapped = re.fullmatch(r"/dev/mapper/(.+)", spec)
    for name in host.names("sys/block", "dm-*") if mapped else ():
        if mapped and host.word(f"sys/block/{name}/dm/name") == mapped[1]:
            return name
    try:
        found = Path(host.path(spec)).resolve()
    except (OSError, RuntimeError):
        return None
    return found.name if host.exists(spec) else None


def crypt_devices(host: Host, block: str) -> list[CryptDevice]:
    """The encrypted mappings at or beneath a block device, nearest first."""
    found: list[CryptDevice] = []
    _descend(host, block, found, 0)
    return found


def _descend(host: Host, block: str, found: list[CryptDevice], depth: int) -> None:
    if depth > _DEPTH:
        return
    uuid = host.word(f"sys/block/{block}/dm/uuid") or ""
    beneath = host.names(f"sys/block/{block}/slaves", "*")
    matched = _DM_UUID.fullmatch(uuid)
    if matched is not None:
        name = f"/dev/{beneath[0]}" if beneath else f"/dev/{block}"
        made = _made(host, matched, name)
        if made.uuid not in {device.uuid for device in found} or not made.uuid:
            found.append(made)
    for lower in beneath:
        _descend(host, lower, found, depth + 1)


def _made(host: Host, matched: re.Match[str], name: str) -> CryptDevice:
    digits = matched[2] or ""
    dashed = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])) if digits else ""
    return CryptDevice(name, dashed, matched[1], matched[3], None, aliases(host, name))


def aliases(host: Host, device: str) -> frozenset[str]:
    """The other names of a device: the links under /dev/disk, as paths and as tags."""
    names: set[str] = {device}
    for folder in host.names("dev/disk", "by-*"):
        for link in host.names(f"dev/disk/{folder}", "*"):
            if block_name(host, f"/dev/disk/{folder}/{link}") == Path(device).name:
                names |= {f"/dev/disk/{folder}/{link}", f"{folder[3:].upper()}={link}"}
    return frozenset(names)
