"""kdump's own configuration: kdump.conf of kdump-utils, and default/kdump-tools of kdump-tools.

Source: kdump.conf(5), mkdumprd(8); kdump-tools(5), kexec(8).
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from kdumpkey.errors import UsageError
from kdumpkey.host.blocks import block_name, crypt_devices
from kdumpkey.host.mounts import mount_at
from kdumpkey.host.settings import DUMPS, FILESYSTEMS, KDUMP_CONF, KDUMP_TOOLS, SYSCONFIG
from kdumpkey.host.system import read_system
from kdumpkey.kdump.doctor.finding import Verdict
from kdumpkey.kdump.doctor.target import check_settings
from kdumpkey.kdump.facts.targets import read_targets
from kdumpkey.kdump.generate.change import Change
from kdumpkey.kdump.generate.setup import Setup

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_MODULE: Final = "kdumpkey"
_TARGETS: Final = (*FILESYSTEMS, "raw", "nfs", "ssh", "virtiofs")


class _Line(NamedTuple):
    """What a line says, as kdump-utils reads it: without the comment, and without quotes around the value."""

    option: str
    value: str
    comment: str


def kdump_conf(setup: Setup) -> list[Change]:
    """Add kdumpkey to the initramfs, and send the dump to one of the devices; other lines stay.

    A machine with kdump-tools has another file, where kexec is told to use the call that hands keys over.

    Raises:
        UsageError: What is there cannot be read, or no filesystem on the devices can be dumped to.
    """
    host = setup.host
    before = host.text(KDUMP_CONF)
    if before is None and host.exists(KDUMP_TOOLS):
        return [_kdump_tools(host)]
    if before is None and read_system(host).is_suse:
        raise UsageError(
            f"SUSE's kdump has no /{KDUMP_CONF}. Set KDUMP_SAVEDIR in /{SYSCONFIG} to a directory on the "
            "device; then run mkdumprd -f."
        )
    lines = (before or "").splitlines(keepends=True)
    _add_module(lines)
    target = _missing_target(setup)
    if target is not None:
        _put_target(lines, target)
    return [Change(KDUMP_CONF, before, "".join(lines))]


def _read(line: str) -> _Line | None:
    words = line.strip().split(maxsplit=1)
    if not words or words[0].startswith("#"):
        return None
    value, hash_sign, comment = (words[1] if len(words) > 1 else "").partition("#")
    value = value.strip()
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = value[1:-1]
    return _Line(words[0], value, f" {hash_sign}{comment}" if hash_sign else "")


def _lines_of(lines: list[str], *options: str) -> list[tuple[int, _Line]]:
    read = ((number, _read(line)) for number, line in enumerate(lines))
    return [(number, line) for number, line in read if line is not None and line.option in options]


def _add_module(lines: list[str]) -> None:
    """Add the module by name, so that dracut fails instead of building an initramfs without it."""
    found = _lines_of(lines, "dracut_args")
    if len(found) > 1:
        raise UsageError(f"/{KDUMP_CONF} has dracut_args {len(found)} times, which kdumpctl refuses.")
    if not found:
        _append(lines, f"dracut_args --add {_MODULE}\n")
        return
    ((number, line),) = found
    try:
        words = shlex.split(line.value)
    except ValueError as error:
        raise UsageError(f"The dracut_args of /{KDUMP_CONF} cannot be read: {error}.") from error
    pairs = zip(["", *words], words, strict=False)
    added = [word for option, word in pairs if option in ("-a", "--add")]
    added += [word.partition("=")[2] for word in words if word.startswith("--add=")]
    if not any(_MODULE in each.split() for each in added):
        # In front, so that no quotes are taken for quotes around the whole value.
        lines[number] = f"dracut_args --add {_MODULE} {line.value}".rstrip() + f"{line.comment}\n"


def _append(lines: list[str], line: str) -> None:
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    lines.append(line)


def _missing_target(setup: Setup) -> str | None:
    """The line that sends the dump to a filesystem on the devices; None: it goes there already."""
    host = setup.host
    wanted = {device.uuid for device in setup.devices}
    if wanted & _beneath_target(host):
        return None
    candidates: dict[str, str] = {}
    for table in ("proc/mounts", "etc/fstab"):
        for line in (host.text(table) or "").splitlines():
            fields = line.split()
            if len(fields) < 3 or fields[0].startswith("#") or fields[2] not in FILESYSTEMS:
                continue
            if wanted & _beneath(host, fields[0]) and (block := block_name(host, fields[0])):
                candidates.setdefault(block, f"{fields[2]} {fields[0]}")
    names = ", ".join(device.name for device in setup.devices)
    if not candidates:
        raise UsageError(f"No filesystem on {names} is mounted or in fstab: no dump can go there.")
    if len(candidates) > 1:
        lines = " or ".join(sorted(candidates.values()))
        raise UsageError(
            f"Several filesystems are on {names}; put the line of one into /{KDUMP_CONF}: {lines}."
        )
    (line,) = candidates.values()
    if re.search(r"[\\#\"']", line):
        raise UsageError(f"/{KDUMP_CONF} cannot name {line.partition(' ')[2]!r}; mount it by its UUID.")
    return f"{line}\n"


def _beneath_target(host: Host) -> set[str]:
    """The UUIDs of what the dump goes to now."""
    if host.text(KDUMP_CONF) is None:
        mount = mount_at(host, DUMPS)
        return _beneath(host, mount.source) if mount is not None and not mount.remote else set()
    found = read_targets(host)
    for finding in check_settings(read_system(host), found):
        if finding.verdict is Verdict.BROKEN:
            raise UsageError(finding.what)
    targets = () if found.unknown else found.targets
    return {uuid for target in targets if not target.remote for uuid in _beneath(host, target.source)}


def _beneath(host: Host, source: str) -> set[str]:
    block = block_name(host, source)
    return {device.uuid for device in crypt_devices(host, block)} if block else set()


def _put_target(lines: list[str], target: str) -> None:
    if any("--mount" in line.value for _, line in _lines_of(lines, "dracut_args")):
        raise UsageError(
            f"The dump's target is in the dracut_args of /{KDUMP_CONF}; put it on a line of its own."
        )
    found = _lines_of(lines, *_TARGETS)
    if found:
        lines[found[0][0]] = target
    else:
        _append(lines, target)


def _kdump_tools(host: Host) -> Change:
    """Have kdump-config use kexec_file_load, because the older call hands no keys over."""
    before = host.text(KDUMP_TOOLS) or ""
    lines = before.splitlines(keepends=True)
    values = [(i, line.strip().partition("=")[2]) for i, line in enumerate(lines) if _is_kexec_args(line)]
    number, text = values[-1] if values else (None, "")
    try:
        words = shlex.split(text, comments=True)
    except ValueError as error:
        raise UsageError(f"The KDUMP_KEXEC_ARGS of /{KDUMP_TOOLS} cannot be read: {error}.") from error
    if len(words) > 1 or re.search(r"[$`\\]", text):
        raise UsageError(f"The KDUMP_KEXEC_ARGS of /{KDUMP_TOOLS} are no plain text: have -s in them.")
    given = words[0].split() if words else []
    if not {"-s", "--kexec-file-syscall"} & set(given):
        kept = [word for word in given if word not in ("-c", "--kexec-syscall")]
        line = f'KDUMP_KEXEC_ARGS="{" ".join(["-s", *kept])}"\n'
        if number is None:
            _append(lines, line)
        else:
            lines[number] = line
    return Change(KDUMP_TOOLS, before, "".join(lines))


def _is_kexec_args(line: str) -> bool:
    return line.strip().startswith("KDUMP_KEXEC_ARGS=")
