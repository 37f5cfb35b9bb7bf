"""What of keys lies about on this machine, as far as its own kernel lets anybody see.

Where in memory the keys of an image are, and how many old copies, no user can see: the kernel shows neither
its heap nor the reserved memory. What can be seen is what is named, recorded, and in the keyrings.
"""

from __future__ import annotations

import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.host.host import Host
from kdumpkey.host.keys import ListedKey, listed_keys
from kdumpkey.kdump.freshness import State, keys_now
from kdumpkey.kernel.linux.record import RECORD
from kdumpkey.kernel.protocol import Stage
from kdumpkey.luks.restored_key import PREFIX

if TYPE_CHECKING:
    from kdumpkey.kernel.linux.kernel import LinuxKernel
    from kdumpkey.kernel.protocol import KernelStatus

_READABLE: Final = 0x02020202  # the read bit of possessor, user, group and others
_MAY_READ: Final = 0x00020202


@dataclass(frozen=True)
class Trace:
    """One thing that was found; `problem` where it should not be, and then `fix` says what to do."""

    what: str
    problem: bool = False
    fix: str = ""


def audit_linux(kernel: LinuxKernel) -> tuple[Trace, ...]:
    """Look at what is named, at the record, and at the keyrings; nothing is changed.

    Args:
        kernel: This machine's.
    """
    status = kernel.status()
    found = [*_named(status), *_image(kernel, status), *_files(kernel.root)]
    keys = listed_keys(Host(kernel.root))
    if keys is None:
        found.append(Trace("/proc/keys cannot be read: the keyrings were not looked at", problem=True))
    for key in keys or ():
        if key.description.startswith(PREFIX):
            found.append(_key(key, status.stage))
    return tuple(found)


def _named(status: KernelStatus) -> list[Trace]:
    found = []
    for key in status.named:
        fix = shlex.join(["kdumpkey", "kdump", "forget", key.item])
        if key.description is None:
            what = f"The item {key.item} has no description: every load fails."
        else:
            what = f"The item {key.item} still names {key.description}: the next load asks for it."
        found.append(Trace(what, True, fix))
    if status.reuse:
        what = "reuse is set: loads copy the keys of the image before, however old they are."
        found.append(Trace(what, True, "kdumpkey kdump reuse off"))
    return found


def _image(kernel: LinuxKernel, status: KernelStatus) -> list[Trace]:
    if status.stage is Stage.KDUMP:
        what = "The keys that were handed over stay in the reserved memory until the machine restarts."
        return [Trace(what)]
    if not status.loaded:
        return [Trace("No crash image is loaded, so none holds keys.")]
    record = kernel.record()
    if record is None:
        return [Trace("No record of this boot says whether the loaded image holds keys.", True, "kdump arm")]
    found = []
    for now in keys_now(kernel.root, record):
        stale = now.state is State.STALE
        what = f"The loaded image holds {now.description}{f': {now.reason}' if now.reason else ''}."
        found.append(Trace(what, stale, "kdumpkey kdump arm, or kdumpkey kdump unload" if stale else ""))
    if record.descriptions:
        what = "While it is loaded, the kernel keeps another copy of its keys in its own heap."
        found.append(Trace(what))
    return found


def _files(root: Path) -> list[Trace]:
    found = []
    folder = (root / RECORD).parent
    for path, most in ((folder, 0o700), (root / RECORD, 0o600)):
        try:
            mode = stat.S_IMODE(path.lstat().st_mode)
        except OSError:
            continue
        if mode & ~most:
            what = f"{path} has the mode {mode:o}: others may read what is loaded."
            found.append(Trace(what, True, f"chmod {most:o} {path}"))
    return found


def _key(key: ListedKey, stage: Stage) -> Trace:
    life = {"perm": "for good", "expd": "expired"}.get(key.timeout, f"for another {key.timeout}")
    where = f"The keyring of user {key.uid} has {key.description} as a {key.type} key, {life}"
    if key.type == "logon":
        return Trace(f"{where}; only the kernel can read it.")
    readable = key.permissions & _READABLE
    if not readable:
        return Trace(f"{where}; its permissions let nobody read it.")
    who = "its user's programs can read it" if readable & _MAY_READ else "who possesses it can read it"
    fix = shlex.join(["keyctl", "purge", key.type, key.description])
    return Trace(f"{where}; {who}.", stage is Stage.FIRST, fix)
