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
from kdumpkey.host.settings import DUMPS, FILESYSTEMS, KDUMP_CONF, KDUMP_TOOLS, SYSCONFIG, shell_settings
from kdumpkey.host.system import read_system, suse_settings

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_LOCAL: Final = (*FILESYSTEMS, "raw")
_REMOTE: Final = ("nfs", "ssh", "net", "virtiofs")  # or none of the machine's own block devices


@dataclass(frozen=True)
class DumpTarget:
    """Where the dump goes.

    Attributes:
        source: What is mounted, or a host.
        origin: The setting that says so.
        remote: It is on another machine.
        number: The device's number (``253:0``), where it is known.
    """

    source: str
    origin: str
    remote: bool = False
    number: str = ""


@dataclass(frozen=True)
class DumpTargets:
    """What the kdump kernel has to reach.

    Attributes:
        targets: The targets, as far as they are known.
        config: The file of settings that counts; empty: there is none.
        unknown: Why it cannot be told where the dump goes; empty: it can.
        unread: `config` cannot be read.
        conflicting: The settings name more targets than kdumpctl accepts.
        disabled: The settings keep kdump-tools from loading an image.
    """

    targets: tuple[DumpTarget, ...] = ()
    config: str = ""
    unknown: str = ""
    unread: bool = False
    conflicting: bool = False
    disabled: bool = False


def read_targets(host: Host) -> DumpTargets:
    """Read the settings of the kdump that the machine has."""
    if not host.absent(KDUMP_CONF):
        return _by_kdump_conf(host)
    if not host.absent(KDUMP_TOOLS):
        return _by_kdump_tools(host)
    if read_system(host).is_suse:
        return _by_suse(host)
    return DumpTargets(
        unknown=f"Neither /{KDUMP_CONF} nor /{KDUMP_TOOLS} is there to say where a dump would go."
    )


def _unreadable(config: str) -> DumpTargets:
    return DumpTargets(config=config, unknown=f"/{config} cannot be read.", unread=True)


def _nowhere(config: str, path: str) -> DumpTargets:
    return DumpTargets(config=config, unknown=f"Nothing says which filesystem {path} lies on.")


def _by_kdump_conf(host: Host) -> DumpTargets:
    text = host.text(KDUMP_CONF)
    if text is None:
        return _unreadable(KDUMP_CONF)
    if "\ufffd" in text or "\0" in text:
        return DumpTargets(config=KDUMP_CONF, unknown=f"/{KDUMP_CONF} is not a text file.")
    lines = [_option(line) for line in text.splitlines()]
    targets = [target for line in lines if (target := _named_target(*line)) is not None]
    if targets:
        return DumpTargets(tuple(targets), KDUMP_CONF, conflicting=len(targets) > 1)
    paths = [value for key, value in lines if key == "path" and value]
    path = paths[-1] if paths else DUMPS
    mount = mount_at(host, path)
    if mount is None:
        return _nowhere(KDUMP_CONF, path)
    target = DumpTarget(mount.source, f"{path}, by /{KDUMP_CONF}", mount.remote, mount.number)
    return DumpTargets((target,), KDUMP_CONF)


def _option(line: str) -> tuple[str, str]:
    """The option of a line of kdump.conf and its value, without the comment."""
    key, _, value = line.partition("#")[0].strip().replace("\t", " ").partition(" ")
    return key, value.strip()


def _named_target(key: str, value: str) -> DumpTarget | None:
    """The target that a line of kdump.conf names; None: it names none."""
    if key in _REMOTE:
        return DumpTarget(value, f"/{KDUMP_CONF}", remote=True)
    if key in _LOCAL:
        return DumpTarget(value, f"/{KDUMP_CONF}")
    if key == "dracut_args" and "--mount" in value:
        return _by_dracut_args(value)
    return None


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


def _by_kdump_tools(host: Host) -> DumpTargets:
    text = host.text(KDUMP_TOOLS)
    if text is None:
        return _unreadable(KDUMP_TOOLS)
    settings = shell_settings(text)
    disabled = settings.get("USE_KDUMP", "1") == "0"
    path = settings.get("KDUMP_COREDIR") or DUMPS
    targets = [
        DumpTarget(settings[name], f"{name} in /{KDUMP_TOOLS}", remote=True)
        for name in ("NFS", "SSH", "FTP")
        if settings.get(name)
    ]
    unknown = _shells(path, "KDUMP_COREDIR", KDUMP_TOOLS)
    for local in () if unknown else ("/",) if targets else ("/", path):
        mount = mount_at(host, local)
        if mount is None:
            unknown = _nowhere(KDUMP_TOOLS, local).unknown
            break
        origin = f"{local}, by /{KDUMP_TOOLS}" if local == path else "/, which kdump-tools boots to write it"
        targets.append(DumpTarget(mount.source, origin, mount.remote, mount.number))
    return DumpTargets(tuple(targets), KDUMP_TOOLS, unknown, disabled=disabled)


def _shells(path: str, variable: str, config: str) -> str:
    """Why a setting cannot be read: only a shell could work it out; empty: it can."""
    if "$" in path or "`" in path:
        return f"{variable}={path} in /{config} can only be worked out by a shell."
    return ""


def _by_suse(host: Host) -> DumpTargets:
    """The directory of KDUMP_SAVEDIR: its initramfs mounts what that lies on, and nothing else."""
    if host.read(SYSCONFIG) is Missing.UNREADABLE:
        return _unreadable(SYSCONFIG)
    saved = suse_settings(host).get("KDUMP_SAVEDIR") or DUMPS
    kind, has_kind, rest = saved.partition("://")
    if has_kind and kind != "file":
        return DumpTargets((DumpTarget(saved, f"KDUMP_SAVEDIR in /{SYSCONFIG}", remote=True),), SYSCONFIG)
    if unknown := _shells(saved, "KDUMP_SAVEDIR", SYSCONFIG):
        return DumpTargets(config=SYSCONFIG, unknown=unknown)
    path = f"/{(rest if has_kind else saved).strip('/')}"
    mount = mount_at(host, path)
    if mount is None:
        return _nowhere(SYSCONFIG, path)
    target = DumpTarget(mount.source, f"{path}, by /{SYSCONFIG}", mount.remote, mount.number)
    return DumpTargets((target,), SYSCONFIG)
