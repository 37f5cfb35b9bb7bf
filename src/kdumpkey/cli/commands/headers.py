"""isLuks and luksUUID: whether a device has a header, and whose it is."""

import json

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.opening import open_header_alone, uuid_of
from kdumpkey.cli.options import EVERYWHERE, Json, Uuid
from kdumpkey.cli.session import Reported, Run, Session
from kdumpkey.errors import HeaderError, NotLuksError

app = typer.Typer()


@action(app, "isLuks", "<device>", ignores=EVERYWHERE, example="kdumpkey isLuks /dev/sda2 && echo LUKS")
def is_luks(run: Run, device: Device, header: HeaderChoice, as_json: Json = False) -> None:
    """Tell by the exit code whether the device has a valid LUKS header."""
    session = run.begin()
    if as_json:
        _identity(session, device, header)
    else:
        _quietly(session, device, header)


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


def _identity(session: Session, device: str, header: HeaderChoice) -> None:
    from kdumpkey.luks.description import identity  # noqa: PLC0415

    try:
        with open_header_alone(device, header) as luks:
            session.say(json.dumps({"luks": True, **identity(luks.header), "problem": None}, indent=2))
    except HeaderError as error:
        # The last line is cryptsetup's, and says no more than "luks" does.
        problem = str(error).rpartition("\n")[0] or str(error)
        session.say(json.dumps({"luks": False, "version": None, "uuid": None, "problem": problem}, indent=2))
        raise Reported(error) from error


def _quietly(session: Session, device: str, header: HeaderChoice) -> str:
    """The header's UUID; what is wrong with a header is told to those who want to know more."""
    try:
        return uuid_of(device, header)
    except HeaderError as error:
        if session.verbose and not isinstance(error, NotLuksError):
            raise
        raise Reported(error) from error
