"""Where a dump would go, by the configuration of kdump-utils (Fedora, RHEL), kdump-tools (Debian) or SUSE.

kdump-utils' initramfs opens the target alone; kdump-tools boots the machine's own root filesystem and writes
from there, so that root has to be opened as well, even for a dump over the network.

Source: kdump.conf(5), kdump-tools(5), kdump-config(8), SUSE's kdump(5).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.host.host import Missing
from kdumpkey.host.mounts import mount_at
from kdumpkey.host.settings import KDUMP_CONF, KDUMP_TOOLS, SYSCONFIG, shell_settings
from kdumpkey.host.system import read_system, suse_settings
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.fixes import to_read

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

WHY: Final = "The dump goes where kdump's configuration says; its devices are what must be opened."
NAME_DEVICES: Final = "Name the encrypted devices: kdumpkey kdump doctor DEVICE…"
_FILESYSTEMS: Final = ("ext2", "ext3", "ext4", "xfs", "btrfs", "minix", "virtiofs", "raw")
_REMOTE: Final = ("nfs", "ssh", "net")
_SUSE_DUMPS: Final = "/var/crash"
_NOT_A_DEVICE: Final = ("virtiofs",)


@dataclass(frozen=True)
class DumpTarget:
    """Where the dump goes.

    Attributes:
        source: What is mounted, or a host.
        origin: What says so.
        remote: It is on another machine.
        number: The device's number (``253:0``), where it is known.
    """

    source: str
    origin: str
    remote: bool = False
    number: str = ""


def dump_targets(host: Host, found: list[Finding]) -> list[DumpTarget] | None:
    """What the kdump kernel has to reach.

    Args:
        host: The machine.
        found: Gets what was found on the way.

    Returns:
        The targets; None: that cannot be told, and `found` says why.
    """
    if not host.absent(KDUMP_CONF):
        return _by_kdump_conf(host, found)
    if not host.absent(KDUMP_TOOLS):
        return _by_kdump_tools(host, found)
    if read_system(host).is_suse:
        return _by_suse(host, found)
    _unknown(found, f"Neither /{KDUMP_CONF} nor /{KDUMP_TOOLS} is there to say where a dump would go.")
    return None


def _by_kdump_conf(host: Host, found: list[Finding]) -> list[DumpTarget] | None:
    text = host.text(KDUMP_CONF)
    if text is None:
        _unknown(found, f"/{KDUMP_CONF} cannot be read.", to_read(read_system(host), KDUMP_CONF))
        return None
    if "\ufffd" in text or "\0" in text:
        _unknown(found, f"/{KDUMP_CONF} is not a text file.")
        return None
    targets: list[DumpTarget] = []
    path = "/var/crash"
    for line in text.splitlines():
        key, _, value = line.partition("#")[0].strip().replace("\t", " ").partition(" ")
        value = value.strip()
        if key in _REMOTE or key in _NOT_A_DEVICE:
            targets.append(DumpTarget(value, f"/{KDUMP_CONF}", remote=True))
        elif key in _FILESYSTEMS:
            targets.append(DumpTarget(value, f"/{KDUMP_CONF}"))
        elif key == "path" and value:
            path = value
        elif key == "dracut_args" and "--mount" in value:
            targets.append(_by_dracut_args(value))
    if len(targets) > 1:
        named = " and ".join(target.source for target in targets)
        what = f"/{KDUMP_CONF} names more than one target: {named}. kdumpctl refuses that."
        why = "kdump's service does not start, and after the next boot no image is loaded."
        found.append(Finding("kdump.conf", Verdict.BROKEN, what, why, f"Keep one of them in /{KDUMP_CONF}."))
        return None
    if targets:
        return targets
    mount = mount_at(host, path)
    if mount is None:
        _unknown(found, f"Nothing says which filesystem {path} lies on.")
        return None
    return [DumpTarget(mount.source, f"{path}, by /{KDUMP_CONF}", mount.remote, mount.number)]


def _by_dracut_args(value: str) -> DumpTarget:
    """The device of ``--mount "device mountpoint type options"``, or of ``--mount="…"``."""
    try:
        words = shlex.split(value)
    except ValueError:
        words = value.replace('"', "").split()
    words = [part for word in words for part in _parted(word)]
    after = words[words.index("--mount") + 1 :] if "--mount" in words else []
    fields = " ".join(after).split()
    source = fields[0] if fields else value
    remote = fields[2:3] in (["nfs"], ["nfs4"])
    return DumpTarget(source, f"dracut_args in /{KDUMP_CONF}", remote)


def _parted(word: str) -> tuple[str, ...]:
    return ("--mount", word.removeprefix("--mount=")) if word.startswith("--mount=") else (word,)


def _by_kdump_tools(host: Host, found: list[Finding]) -> list[DumpTarget] | None:
    text = host.text(KDUMP_TOOLS)
    if text is None:
        _unknown(found, f"/{KDUMP_TOOLS} cannot be read.", to_read(read_system(host), KDUMP_TOOLS))
        return None
    settings = shell_settings(text)
    if settings.get("USE_KDUMP", "1") == "0":
        what, why = f"USE_KDUMP=0 in /{KDUMP_TOOLS}.", "kdump-tools then loads no image at the next boot."
        fix = f"sed -i 's/^USE_KDUMP=.*/USE_KDUMP=1/' /{KDUMP_TOOLS}"
        found.append(Finding("kdump-tools", Verdict.WARNING, what, why, fix))
    path = settings.get("KDUMP_COREDIR") or "/var/crash"
    if "$" in path or "`" in path:
        _unknown(found, f"KDUMP_COREDIR={path} in /{KDUMP_TOOLS} is the shell's to work out.")
        return None
    targets = [
        DumpTarget(settings[name], f"{name} in /{KDUMP_TOOLS}", remote=True)
        for name in ("NFS", "SSH", "FTP")
        if settings.get(name)
    ]
    places = ["/"] if targets else ["/", path]
    for place in places:
        mount = mount_at(host, place)
        if mount is None:
            _unknown(found, f"Nothing says which filesystem {place} lies on.")
            return None
        origin = f"{place}, by /{KDUMP_TOOLS}" if place == path else "/, which kdump-tools boots to write it"
        targets.append(DumpTarget(mount.source, origin, mount.remote, mount.number))
    return targets


def _by_suse(host: Host, found: list[Finding]) -> list[DumpTarget] | None:
    """The directory of KDUMP_SAVEDIR: its initramfs mounts what that lies on, and nothing else."""
    if host.read(SYSCONFIG) is Missing.UNREADABLE:
        _unknown(found, f"/{SYSCONFIG} cannot be read.", to_read(read_system(host), SYSCONFIG))
        return None
    place = suse_settings(host).get("KDUMP_SAVEDIR") or _SUSE_DUMPS
    kind, has_kind, rest = place.partition("://")
    if has_kind and kind != "file":
        return [DumpTarget(place, f"KDUMP_SAVEDIR in /{SYSCONFIG}", remote=True)]
    path = f"/{(rest if has_kind else place).strip('/')}"
    if "$" in path or "`" in path:
        _unknown(found, f"KDUMP_SAVEDIR={place} in /{SYSCONFIG} is the shell's to work out.")
        return None
    mount = mount_at(host, path)
    if mount is None:
        _unknown(found, f"Nothing says which filesystem {path} lies on.")
        return None
    return [DumpTarget(mount.source, f"{path}, by /{SYSCONFIG}", mount.remote, mount.number)]


def _unknown(found: list[Finding], what: str, fix: str = NAME_DEVICES) -> None:
    found.append(Finding("target", Verdict.UNKNOWN, what, WHY, fix))
