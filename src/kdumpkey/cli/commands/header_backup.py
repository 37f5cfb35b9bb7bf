"""luksHeaderBackup: a header and its keyslots copied into a file."""

from __future__ import annotations

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.opening import open_header_alone
from kdumpkey.cli.options import EVERYWHERE, HeaderBackupFile
from kdumpkey.cli.session import Run
from kdumpkey.errors import UsageError
from kdumpkey.luks.backup import back_up

app = typer.Typer()


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
    with open_header_alone(device, header) as luks:
        back_up(luks.header_device, luks.header, header_backup_file)
