"""isLuks and luksUUID: whether a device has a header, and whose it is."""

from __future__ import annotations

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.opening import uuid_of
from kdumpkey.cli.options import EVERYWHERE, Uuid
from kdumpkey.cli.session import Run, Session
from kdumpkey.errors import HeaderError, NotLuksError

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


def _quietly(session: Session, device: str, header: HeaderChoice) -> str:
    """The header's UUID; what is wrong with a header is told to those who want to know more."""
    try:
        return uuid_of(device, header)
    except NotLuksError as error:
        raise NotLuksError("") from error
    except HeaderError as error:
        raise type(error)(str(error) if session.verbose else "") from error
