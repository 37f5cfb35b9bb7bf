"""isLuks, luksUUID, luksDump and luksHeaderBackup: what a header says."""

from __future__ import annotations

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
def is_luks(run: Run, device: Device, header: HeaderChoice) -> None:
    """Tell by the exit code whether the device has a valid LUKS header."""
    _quietly(run.begin(), device, header)


@action(app, "luksUUID", "<device>", ignores=EVERYWHERE, example="kdumpkey luksUUID /dev/sda2")
def luks_uuid(run: Run, device: Device, header: HeaderChoice, uuid: Uuid = None) -> None:
    """Print the UUID of the header, or with --uuid change it."""
    session = run.begin()
    if uuid is not None:
        from kdumpkey.cli.commands.configure import set_uuid  # noqa: PLC0415 - to print it needs less

        set_uuid(session, device, header, uuid)
        return
    if found := _quietly(session, device, header):
        session.say(found)


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
) -> None:
    """Show the header, its JSON, or a key that a passphrase opens."""
    if unbound and key_slot is None:
        raise UsageError("Keyslot specification is required.")
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

        if not dump_json_metadata:
            quoted = session.streams.quoted
            session.write(dump_text.header_text(luks.header, luks.header_device.name, quoted))
        elif isinstance(luks.header, Luks2Header):
            session.write(strict_json.pretty(luks.header.json))
        else:
            raise UsageError("Dump operation is not supported for this device type.")


def _quietly(session: Session, device: str, header: HeaderChoice) -> str:
    """The header's UUID; what is wrong with a header is told to those who want to know more."""
    try:
        with open_header_alone(device, header) as luks:
            return luks.header.uuid
    except NotLuksError as error:
        raise NotLuksError("") from error
    except HeaderError as error:
        raise type(error)(str(error) if session.verbose else "") from error
