"""convert: a LUKS1 header made a LUKS2 header, or the other way."""

from __future__ import annotations

import os
import shlex
from typing import Final

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.changing import open_for_change
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.options import EVERYWHERE, HeaderBackupFile
from kdumpkey.cli.passphrase import confirm
from kdumpkey.cli.session import Run
from kdumpkey.errors import DeviceError, PermissionDeniedError, UsageError
from kdumpkey.luks.convert import backup_name, check_convertible, convert

app = typer.Typer()
_VERSIONS: Final = {"luks1": 1, "luks2": 2}


@action(app, "convert", "<device>", ignores=EVERYWHERE, example="kdumpkey convert /dev/sda2 --type luks2")
def convert_header(
    run: Run, device: Device, header: HeaderChoice, header_backup_file: HeaderBackupFile = None
) -> None:
    """Convert the header to the version that --type says."""
    session = run.begin()
    version = _VERSIONS.get(header.type or "")
    if version is None:
        raise UsageError("Invalid LUKS type, only luks1 and luks2 are supported.")
    with open_for_change(device, header, of_any_type=True, exclusive=True) as store:
        check_convertible(store.header, version)
        confirm(
            session,
            f"This operation will convert {store.device.name} to LUKS{version} format.\n",
            PermissionDeniedError("Operation aborted, device was NOT converted.\n"),
        )
        keep = header_backup_file or backup_name(
            os.path.abspath(store.device.name), store.header, is_block=store.device.is_block
        )
        name = store.device.name
        command = shlex.join(["kdumpkey", "luksHeaderRestore", name, "--header-backup-file", keep])

        def tell() -> None:
            if not session.batch:
                session.say(
                    f"Moving the keyslots of {name} and writing a LUKS{version} header."
                    f" If this is interrupted, bring the old header back with:\n  {command}"
                )

        try:
            convert(store, version, keep=keep, before_writing=tell)
        except DeviceError as error:
            if os.path.lexists(keep):
                hint = f"The header as it was is in {keep}; bring it back with:\n  {command}"
                raise DeviceError(f"{error}\n{hint}") from error
            raise
    if header_backup_file is None:
        # It opens with every passphrase of today, also with those that are removed tomorrow.
        os.unlink(keep)
