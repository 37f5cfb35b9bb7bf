"""close and status: what becomes of a mapping, and what it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import InactiveError
from kdumpkey.loop import backing_file
from kdumpkey.mapping.dmsetup import FOLDER, DeviceMapper

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.mapping.dmsetup import Mapping
    from kdumpkey.mapping.table import CryptTarget

# cryptsetup's name for one of dm-crypt's options; the others have their own.
_SHOWN: Final = {"allow_discards": "discards"}


def close(session: Session) -> None:
    """Remove the mapping."""
    mapper = DeviceMapper()
    if session.invocation.flag("cancel-deferred"):
        mapper.cancel_deferred(session.device)
        return
    mapper.remove(session.device, deferred=session.invocation.flag("deferred"))


def status(session: Session) -> None:
    """Show the mapping, in cryptsetup's words; one that is not active is a failure without a message."""
    name = session.device
    found = DeviceMapper().find(name.removeprefix(FOLDER + "/"))
    if found is None:
        session.say(f"{FOLDER}/{name} is inactive.")
        raise InactiveError("")
    session.say(f"{FOLDER}/{found.name} is active{' and is in use' if found.holders else ''}.")
    session.say(f"  type:    {found.kind or 'n/a'}")
    if found.target is not None:
        for line in _target_lines(found, found.target):
            session.say(line)


def _target_lines(found: Mapping, target: CryptTarget) -> list[str]:
    device = _device_name(target.device)
    lines = [
        f"  cipher:  {target.cipher}",
        f"  keysize: {target.key_bytes * 8} bits",
        f"  key location: {'keyring' if target.key_in_keyring else 'dm-crypt'}",
        f"  device:  {device}",
    ]
    if (file := backing_file(Path(device).name)) is not None:
        lines.append(f"  loop:    {file}")
    lines += [
        f"  sector size:  {target.sector_size}",
        f"  offset:  {target.offset} sectors",
        f"  size:    {target.sectors} sectors",
    ]
    if target.iv_offset:
        lines.append(f"  skipped: {target.iv_offset} sectors")
    lines.append(
        f"  mode:    {'readonly' if found.readonly else 'read/write'}{' (suspended)' * found.suspended}"
    )
    if target.options:
        lines.append("  flags:   " + "".join(f"{_SHOWN.get(word, word)} " for word in target.options))
    return lines


def _device_name(number: str) -> str:
    """The path of a device that a table names by MAJOR:MINOR."""
    try:
        home = Path(os.path.realpath(f"/sys/dev/block/{number}"))
        mapped = home / "dm/name"
        return f"{FOLDER}/{mapped.read_text().strip()}" if mapped.exists() else f"/dev/{home.name}"
    except OSError:
        return number
