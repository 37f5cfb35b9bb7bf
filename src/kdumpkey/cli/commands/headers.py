"""isLuks and luksUUID: whether a device has a header, and whose it is."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.options import EVERYWHERE, Json, Uuid
from kdumpkey.cli.session import Reported, Run, Session
from kdumpkey.errors import HeaderError, NotLuksError
from kdumpkey.luks.header import read_header, read_uuid
from kdumpkey.luks.words import device_path, refusing
from kdumpkey.storage.device import Reader, open_readonly

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
    from kdumpkey.luks.description import identity  # noqa: PLC0415 - the exit code alone needs no JSON

    try:
        with _opened(device, header) as reader:
            found = identity(read_header(reader, version=header.version))
    except HeaderError as error:
        # The last line is cryptsetup's, and says no more than "luks" does.
        problem = str(error).rpartition("\n")[0] or str(error)
        session.say(json.dumps({"luks": False, "version": None, "uuid": None, "problem": problem}, indent=2))
        raise Reported(error) from error
    session.say(json.dumps({"luks": True, **found, "problem": None}, indent=2))


def _quietly(session: Session, device: str, header: HeaderChoice) -> str:
    """The header's UUID; what is wrong with a header is told to those who want to know more."""
    try:
        with _opened(device, header) as reader:
            return read_uuid(reader, version=header.version)
    except HeaderError as error:
        if session.verbose and not isinstance(error, NotLuksError):
            raise
        raise Reported(error) from error


@contextmanager
def _opened(device: str, header: HeaderChoice) -> Iterator[Reader]:
    """What has the header, open for reading it; an error of the header becomes cryptsetup's."""
    path = header.header or device_path(device)
    with refusing(path), open_readonly(path) as reader:
        yield reader
