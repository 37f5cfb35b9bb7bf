"""Block devices by sysfs: what a name means, and which encrypted mappings lie beneath it.

Source: sysfs' dm/uuid (``CRYPT-LUKS2-<uuid without dashes>-<name>``), slaves, partitions, and fs/btrfs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from kdumpkey.host.host import CryptDevice
from kdumpkey.host.mounts import mount_at

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_MOST: Final = 256  # devices beneath one: a tree with more was made to mislead
_TAGS: Final = ("UUID", "LABEL", "PARTUUID", "PARTLABEL", "ID")
_UNESCAPED: Final = re.compile(r"[^0-9A-Za-z#+.:=@_-]")  # what udev writes as \xHH into the names of links
_NOT_ENCRYPTED: Final = ("CRYPT-VERITY-", "CRYPT-INTEGRITY-", "CRYPT-SUBDEV-")
_DM_UUID: Final = re.compile(
    r"CRYPT-(LUKS2-OPAL|LUKS[12]|PLAIN|BITLK|TCRYPT|LOOPAES|FVAULT2)-(?:([0-9a-f]{32})-)?(.*)", re.DOTALL
)


@dataclass
class Beneath:
    """What lies beneath a block device.

    Attributes:
        crypts: The encrypted mappings, nearest first.
        unseen: Where sysfs does not say what comes next, and why.
    """

    crypts: list[CryptDevice] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def beneath(host: Host, block: str) -> Beneath:
    """Descend from a block device: by device-mapper, md, bcache, partitions, a btrfs' other devices."""
    made = Beneath()
    left, seen = [block], {block}
    while left:
        name = left.pop(0)
        for lower in _step(host, name, made):
            if lower not in seen:
                seen.add(lower)
                left.append(lower)
        if len(seen) > _MOST:
            made.unseen.append(f"more than {_MOST} devices lie beneath {block}")
            break
    return made


def crypt_devices(host: Host, block: str) -> list[CryptDevice]:
    """The encrypted mappings at or beneath a block device, nearest first."""
    return beneath(host, block).crypts


def root_block(host: Host) -> str | None:
    """The kernel's name of the block device of the machine's root filesystem; None: not known."""
    root = mount_at(host, "/")
    return (numbered(host, root.number) or block_name(host, root.source)) if root else None


def root_devices(host: Host) -> list[CryptDevice]:
    """The encrypted mappings beneath the machine's root filesystem, nearest first."""
    block = root_block(host)
    return crypt_devices(host, block) if block else []


def block_name(host: Host, spec: str) -> str | None:
    """The kernel's name (``dm-0``, ``sda3``) of a path, or of a UUID=, LABEL=, PARTUUID=, PARTLABEL=."""
    kind, has_tag, value = spec.partition("=")
    if has_tag and kind in _TAGS:
        value = value.strip("\"'")
        link = _UNESCAPED.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode()), value)
        spec = f"/dev/disk/by-{kind.lower()}/{link}"
        if kind == "UUID" and not host.exists(spec):
            spec = spec.lower()
    if not spec.startswith("/dev/"):
        return None
    wanted = _mapped_name(spec)
    for name in host.names("sys/block", "dm-*") if wanted else ():
        if host.word(f"sys/block/{name}/dm/name") == wanted:
            return name
    try:
        found = host.path(spec).name
    except (OSError, ValueError):
        found = PurePosixPath(spec).name if spec.count("/") == len(("", "dev")) else ""
        return found if found and folder_of(host, found) else None
    return found


def folder_of(host: Host, block: str) -> str:
    """The directory of a block device in sysfs; empty: it has none."""
    if not block or "/" in block or block in (".", ".."):
        return ""
    for folder in (f"sys/class/block/{block}", f"sys/block/{block}"):
        if host.exists(folder):
            return folder
    disks = [disk for disk in host.names("sys/block", "*") if block.startswith(disk)]
    return next(
        (f"sys/block/{disk}/{block}" for disk in disks if host.exists(f"sys/block/{disk}/{block}")), ""
    )


def aliases(host: Host, device: str) -> frozenset[str]:
    """The other names of a device: the links under /dev/disk, as paths and as tags."""
    names: set[str] = {device}
    block = PurePosixPath(device).name
    for folder in host.names("dev/disk", "by-*"):
        for link in host.names(f"dev/disk/{folder}", "*"):
            if block_name(host, f"/dev/disk/{folder}/{link}") == block:
                names |= {f"/dev/disk/{folder}/{link}", f"{folder[3:].upper()}={_unescaped(link)}"}
    return frozenset(names)


def _step(host: Host, block: str, made: Beneath) -> list[str]:
    """Note an encrypted mapping; the devices directly beneath."""
    folder = folder_of(host, block)
    if not folder:
        made.unseen.append(f"/sys does not show {block}")
        return []
    lower = host.names(f"{folder}/slaves", "*")
    uuid = host.word(f"{folder}/dm/uuid")
    matched = _DM_UUID.fullmatch(uuid or "")
    if matched is not None:
        crypt = _made(host, matched, f"/dev/{_with_the_header(host, lower[0]) if lower else block}")
        if not crypt.uuid or crypt.uuid not in {each.uuid for each in made.crypts}:
            made.crypts.append(crypt)
    backing = host.word(f"{folder}/loop/backing_file")
    if backing:
        made.unseen.append(f"{block} is a loop device, made of the file {backing}")
    if uuid is None and host.exists(f"{folder}/dm"):
        made.unseen.append(f"/{folder}/dm/uuid cannot be read")
    if uuid and matched is None and uuid.startswith("CRYPT-") and not uuid.startswith(_NOT_ENCRYPTED):
        made.unseen.append(f"{block} is encrypted in a way that is not known here ({uuid})")
    if host.exists(f"{folder}/partition"):
        lower.append(_disk_of(host, folder))
    for filesystem in host.names("sys/fs/btrfs", "*-*"):
        members = host.names(f"sys/fs/btrfs/{filesystem}/devices", "*")
        lower += members if block in members else []
    return [name for name in lower if name and name != block]


def _with_the_header(host: Host, block: str) -> str:
    """The device that a mapping was opened from: below an authenticated one lies dm-integrity's."""
    folder = folder_of(host, block)
    lower = host.names(f"{folder}/slaves", "*")
    between = (host.word(f"{folder}/dm/uuid") or "").startswith(_NOT_ENCRYPTED)
    return lower[0] if between and len(lower) == 1 else block


def _disk_of(host: Host, folder: str) -> str:
    """The disk of a partition: the directory around its own."""
    try:
        name = host.path(folder).parent.name
    except OSError:
        return ""
    return name if name not in ("block", "sys") else ""


def _mapped_name(spec: str) -> str:
    """The name of a path in device-mapper, by its form: /dev/mapper/NAME, /dev/GROUP/VOLUME."""
    parts = spec.split("/")[2:]
    if len(parts) != len(("group", "volume")) or parts[0] == "disk":
        return ""
    return parts[1] if parts[0] == "mapper" else "-".join(part.replace("-", "--") for part in parts)


def _unescaped(link: str) -> str:
    raw = re.sub(
        rb"\\x([0-9a-fA-F]{2})", lambda found: bytes([int(found[1], 16)]), link.encode("utf-8", "replace")
    )
    return raw.decode("utf-8", "replace")


def _made(host: Host, matched: re.Match[str], name: str) -> CryptDevice:
    digits = matched[2] or ""
    dashed = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])) if digits else ""
    return CryptDevice(name, dashed, matched[1], matched[3], None, aliases(host, name))


def numbered(host: Host, number: str) -> str | None:
    """The kernel's name of the block device with a number (``253:0``)."""
    try:
        name = host.path(f"sys/dev/block/{number}").name if number else ""
    except (OSError, ValueError):
        return None
    return name if name and folder_of(host, name) else None
