"""close and status: mappings of device-mapper's, kdumpkey's and cryptsetup's alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import MappingName
from kdumpkey.cli.options import EVERYWHERE, CancelDeferred, Deferred
from kdumpkey.cli.session import Reported, Run, Session
from kdumpkey.errors import DeviceMapperError, InactiveError, UsageError
from kdumpkey.luks.activation import FLAGS, Mapping, close_mapping, find_mapping, keep_mapping
from kdumpkey.mapping.device import backing_file, device_path
from kdumpkey.mapping.dmsetup import DIRECTORY, DeviceMapper

if TYPE_CHECKING:
    from kdumpkey.mapping.table import CryptTarget

app = typer.Typer()
_SAID: Final = {"allow_discards": "discards"}


@action(app, "close", "<name>", ignores=EVERYWHERE, example="kdumpkey close data")
def close(
    run: Run, name: MappingName, deferred: Deferred = False, cancel_deferred: CancelDeferred = False
) -> None:
    """Take a mapping away, now or when nobody uses it any more."""
    session = run.begin()
    if deferred and cancel_deferred:
        raise UsageError("Options --cancel-deferred and --deferred cannot be used at the same time.")
    try:
        mapper = device_mapper(session)
    except DeviceMapperError as error:
        raise InactiveError(str(error)) from error
    if cancel_deferred:
        keep_mapping(mapper, name)
    elif close_mapping(mapper, name, deferred=deferred):
        session.say(f"Device {name} is still active and scheduled for deferred removal.")


@action(app, "status", "<name>", ignores=EVERYWHERE, example="kdumpkey status data")
def status(run: Run, name: MappingName) -> None:
    """Show what a mapping is, or that it is inactive."""
    session = run.begin()
    shown = name if "/" in name else f"{DIRECTORY}/{name}"
    found = find_mapping(device_mapper(session), name)
    if found is None:
        session.say(f"{shown} is inactive.")
        raise Reported(InactiveError(f"Device {name} is not active."))
    session.say(f"{shown} is active{' and is in use' if found.info.open_count else ''}.")
    for line in _lines(found):
        session.say(f"  {line}")


def device_mapper(session: Session) -> DeviceMapper:
    """Device-mapper, by the program that $PATH leads to.

    Raises:
        DeviceMapperError: It is not there, or not for this user.
    """
    return DeviceMapper.find(session.streams.environment.get("PATH"))


def _lines(found: Mapping) -> list[str]:
    lines = [f"type:    {found.type or 'n/a'}"]
    if found.target is None:
        return lines
    target: CryptTarget = found.target
    lines += [
        f"cipher:  {target.cipher}",
        f"keysize: {target.key_size_bytes * 8} bits",
        f"key location: {'keyring' if target.key else 'dm-crypt'}",
        f"device:  {device_path(target.device)}",
    ]
    if (file := backing_file(target.device)) is not None:
        lines.append(f"loop:    {file}")
    lines += [
        f"sector size:  {target.sector_size}",
        f"offset:  {target.offset_sectors} sectors",
        f"size:    {target.size_sectors} sectors",
    ]
    if target.iv_offset_sectors:
        lines.append(f"skipped: {target.iv_offset_sectors} sectors")
    mode = "readonly" if found.info.readonly else "read/write"
    lines.append(f"mode:    {mode}{' (suspended)' if found.info.suspended else ''}")
    if flags := [_SAID.get(flag, flag) for flag in FLAGS if flag in target.options]:
        # cryptsetup ends all of them but the last two possible ones with a space.
        lines.append(f"flags:   {' '.join(flags)}{'' if flags[-1] in FLAGS[-2:] else ' '}")
    return lines
