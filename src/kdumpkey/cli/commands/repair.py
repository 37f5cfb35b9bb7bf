"""repair: a damaged header made whole."""

from __future__ import annotations

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.opening import VERSIONS, device_path
from kdumpkey.cli.options import EVERYWHERE
from kdumpkey.cli.passphrase import confirm
from kdumpkey.cli.session import Run
from kdumpkey.errors import HeaderError, NotLuksError, PermissionDeniedError, UsageError
from kdumpkey.luks import repair as ops

app = typer.Typer()


@action(app, "repair", "<device>", ignores=EVERYWHERE, example="kdumpkey repair /dev/sda2")
def repair(run: Run, device: Device, header: HeaderChoice) -> None:
    """Repair the header; where that is not plainly right, after confirmation."""
    session = run.begin()
    path = header.header or device_path(device)
    wanted = header.type
    refusal = f"Device {path} is not a valid LUKS device."
    if wanted not in VERSIONS:
        raise NotLuksError(refusal)
    try:
        found = ops.diagnose(path, version=VERSIONS[wanted])
    except NotLuksError as error:
        raise NotLuksError(refusal) from error
    except HeaderError as error:
        raise type(error)(f"{error}\n{refusal}") from error
    if found.damage in (ops.Damage.AMBIGUOUS, ops.Damage.KEYSLOTS):
        session.complain(found.problem)
        try:
            confirm(session, "Really try to repair LUKS device header?", "Operation aborted.\n")
        except PermissionDeniedError as error:
            raise UsageError(str(error)) from error
    if found.damage is ops.Damage.NONE:
        session.explain("No known problems detected for LUKS header.")
        return
    if found.damage is ops.Damage.KEYSLOTS:
        session.explain("Repairing keyslots.")
    for line in ops.repair(path):
        session.complain(line)
    if found.damage is ops.Damage.COPY:
        session.explain("The other copy of the header was rewritten.")
    elif found.damage is ops.Damage.KEYSLOTS:
        session.explain("Writing LUKS header to disk.")
