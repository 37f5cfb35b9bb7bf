"""luksHeaderRestore: a header put back from its backup."""

from __future__ import annotations

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.options import EVERYWHERE, Header, HeaderBackupFile
from kdumpkey.cli.passphrase import confirm
from kdumpkey.cli.session import Reported, Run
from kdumpkey.errors import UsageError
from kdumpkey.luks.restore import backup_name, examine, restore
from kdumpkey.luks.words import device_path

app = typer.Typer()


@action(
    app,
    "luksHeaderRestore",
    "<device>",
    ignores=EVERYWHERE,
    example="kdumpkey luksHeaderRestore /dev/sda2 --header-backup-file sda2.header",
)
def header_restore(
    run: Run, device: Device, header: Header = None, header_backup_file: HeaderBackupFile = None
) -> None:
    """Put a header back from its backup."""
    session = run.begin()
    path = header or device_path(device)
    backup = header_backup_file
    if backup is None:
        raise UsageError("Option --header-backup-file is required.")
    found = examine(path, backup)
    kind = f"LUKS{found.backup.version}" if found.backup.version == 2 else "LUKS"
    if found.present is None:
        what = f"does not contain {kind} header. Replacing header can destroy data on that device."
    else:
        what = f"already contains {kind} header. Replacing header will destroy existing keyslots."
        if found.present.uuid != found.backup.uuid:
            what += "\nWARNING: real device header has different UUID than backup!"
    if found.other is not None:
        session.complain(f"Device {path} has a LUKS header of version {found.other.version}.")
    confirm(session, f"Device {path} {what}", Reported(UsageError("Nothing was restored.")))
    replaced = found.present or found.other
    keep = None if replaced is None else backup_name(backup, replaced)
    restore(path, backup, found, keep=keep)
    if keep is not None:
        session.explain(f"The header that was replaced is in {keep}.")
