"""isLuks, luksUUID, luksDump and luksHeaderBackup: what a header says."""

from __future__ import annotations

import json

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.opening import open_header_alone
from kdumpkey.cli.options import (
    EVERYWHERE,
    DumpJsonMetadata,
    DumpVolumeKey,
    HeaderBackupFile,
    HeaderChoice,
    Json,
    KeySlot,
    Unbound,
    UnlockSource,
    Uuid,
    VolumeKeyOutput,
)
from kdumpkey.cli.session import Run, Session
from kdumpkey.errors import HeaderError, NotLuksError, UsageError

app = typer.Typer()


@action(app, "isLuks", "<device>", ignores=EVERYWHERE, example="kdumpkey isLuks /dev/sda2 && echo LUKS")
def is_luks(run: Run, device: Device, header: HeaderChoice, as_json: Json = False) -> None:
    """Tell by the exit code whether the device has a valid LUKS header."""
    session = run.begin()
    if not as_json:
        _quietly(session, device, header)
        return
    from kdumpkey.luks import description  # noqa: PLC0415

    try:
        with open_header_alone(device, header) as luks:
            _say_json(session, {"luks": True, **description.identity(luks.header), "problem": None})
    except HeaderError as error:
        # The last line is cryptsetup's, and says no more than "luks" does.
        problem = str(error).rpartition("\n")[0] or str(error)
        _say_json(session, {"luks": False, "version": None, "uuid": None, "problem": problem})
        raise type(error)("") from error


@action(app, "luksUUID", "<device>", ignores=EVERYWHERE, example="kdumpkey luksUUID /dev/sda2")
def luks_uuid(run: Run, device: Device, header: HeaderChoice, uuid: Uuid = None) -> None:
    """Print the UUID of the header, or with --uuid change it."""
    session = run.begin()
    if uuid is not None:
        from kdumpkey.cli.commands.configure import set_uuid  # noqa: PLC0415 - to print it needs less

        set_uuid(session, device, header, uuid)
        return
    if found := _quietly(session, device, header):
        session.say(session.streams.quoted(found))


@action(
    app,
    "luksHeaderBackup",
    "<device>",
    ignores=EVERYWHERE,
    example="kdumpkey luksHeaderBackup /dev/sda2 --header-backup-file sda2.header",
)
def header_backup(
    run: Run, device: Device, header: HeaderChoice, header_backup_file: HeaderBackupFile = None
) -> None:
    """Copy the header and its keyslots into a file."""
    run.begin()
    if header_backup_file is None:
        raise UsageError("Option --header-backup-file is required.")
    from kdumpkey.luks.backup import back_up  # noqa: PLC0415

    with open_header_alone(device, header) as luks:
        back_up(luks.header_device, luks.header, header_backup_file)


@action(
    app,
    "luksDump",
    "<device>",
    ignores=(*EVERYWHERE, KeySlot, Unbound),
    example="kdumpkey luksDump /dev/sda2",
)
def luks_dump(
    run: Run,
    device: Device,
    header: HeaderChoice,
    source: UnlockSource,
    key_slot: KeySlot = None,
    unbound: Unbound = False,
    dump_volume_key: DumpVolumeKey = False,
    volume_key_file: VolumeKeyOutput = None,
    dump_json_metadata: DumpJsonMetadata = False,
    as_json: Json = False,
) -> None:
    """Show the header, its JSON, or a key that a passphrase opens."""
    if unbound and key_slot is None:
        raise UsageError("Keyslot specification is required.")
    if as_json and (dump_volume_key or dump_json_metadata or unbound):
        raise UsageError(
            "Option --json cannot be combined with --dump-volume-key, --dump-json-metadata or --unbound."
        )
    session = run.begin()
    with open_header_alone(device, header) as luks:
        if dump_volume_key or unbound:
            from kdumpkey.cli import dump_key  # noqa: PLC0415 - the other dumps open no keyslot

            if dump_volume_key:
                dump_key.dump_volume_key(
                    session, luks, source, key_slot=key_slot, unbound=unbound, output=volume_key_file
                )
            else:
                dump_key.dump_unbound_key(
                    session, luks, source, key_slot=key_slot or 0, output=volume_key_file
                )
            return
        from kdumpkey.cli import dump_text  # noqa: PLC0415
        from kdumpkey.luks import strict_json  # noqa: PLC0415
        from kdumpkey.luks.model import Luks2Header  # noqa: PLC0415

        if as_json:
            from kdumpkey.luks.description import described  # noqa: PLC0415

            _say_json(session, described(luks.header))
        elif not dump_json_metadata:
            quoted = session.streams.quoted
            session.write(dump_text.header_text(luks.header, luks.header_device.name, quoted))
        elif isinstance(luks.header, Luks2Header):
            session.streams.show_json(strict_json.pretty(luks.header.json))
        else:
            raise UsageError("Dump operation is not supported for this device type.")


def _say_json(session: Session, value: object) -> None:
    session.say(json.dumps(value, indent=2))


def _quietly(session: Session, device: str, header: HeaderChoice) -> str:
    """The header's UUID; what is wrong with a header is told to those who want to know more."""
    try:
        with open_header_alone(device, header) as luks:
            return luks.header.uuid
    except NotLuksError as error:
        raise NotLuksError("") from error
    except HeaderError as error:
        raise type(error)(str(error) if session.verbose else "") from error
