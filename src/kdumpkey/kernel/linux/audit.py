"""Where keys can be seen on this machine, as far as its own kernel shows them.

No user can see where in memory the keys of an image lie, or how many old copies there are: the kernel shows
neither its heap nor the reserved memory. What can be seen is what is named, recorded, and in the keyrings.
"""

from __future__ import annotations

import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.host.host import Host
from kdumpkey.host.keys import ListedKey, listed_keys
from kdumpkey.kernel.protocol import AuditEntry, Stage
from kdumpkey.kernel.record import RECORD
from kdumpkey.key_description import PREFIX

if TYPE_CHECKING:
    from kdumpkey.kernel.protocol import KernelStatus

_READABLE: Final = 0x02020202  # the read bit of possessor, user, group and others
_MAY_READ: Final = 0x00020202


def audit_entries(root: Path, status: KernelStatus) -> tuple[AuditEntry, ...]:
    """Look at what is named, at the record's files, and at the keyrings; nothing is changed.

    Args:
        root: ``/``, or a directory that stands for it.
        status: The kernel's.
    """
    found = [*_named(status), *_files(root)]
    keys = listed_keys(Host(root))
    if keys is None:
        found.append(AuditEntry("/proc/keys cannot be read: the keyrings were not looked at", problem=True))
    found += [_key(key, status.stage) for key in keys or () if key.description.startswith(PREFIX)]
    return tuple(found)


def _named(status: KernelStatus) -> list[AuditEntry]:
    found = []
    for key in status.named:
        fix = shlex.join(["kdumpkey", "kdump", "forget", key.item])
        if key.description is None:
            what = f"The item {key.item} has no description: every load fails."
        else:
            what = f"The item {key.item} still names {key.description}: the next load asks for it."
        found.append(AuditEntry(what, True, fix))
    if status.reuse:
        what = "reuse is set: loads copy the keys of the previous image, however old they are."
        found.append(AuditEntry(what, True, "kdumpkey kdump reuse off"))
    return found


def _files(root: Path) -> list[AuditEntry]:
    found = []
    for path, most in (((root / RECORD).parent, 0o700), (root / RECORD, 0o600)):
        try:
            mode = stat.S_IMODE(path.lstat().st_mode)
        except OSError:
            continue
        if mode & ~most:
            what = f"{path} has the mode {mode:o}: others may read what is loaded."
            found.append(AuditEntry(what, True, f"chmod {most:o} {path}"))
    return found


def _key(key: ListedKey, stage: Stage) -> AuditEntry:
    life = {"perm": "for good", "expd": "expired"}.get(key.timeout, f"for another {key.timeout}")
    where = f"The keyring of user {key.uid} has {key.description} as a {key.type} key, {life}"
    if key.type == "logon":
        return AuditEntry(f"{where}; only the kernel can read it.")
    readable = key.permissions & _READABLE
    if not readable:
        return AuditEntry(f"{where}; its permissions let nobody read it.")
    who = "its user's programs can read it" if readable & _MAY_READ else "who possesses it can read it"
    fix = shlex.join(["keyctl", "purge", key.type, key.description])
    return AuditEntry(f"{where}; {who}.", stage is Stage.FIRST, fix)
