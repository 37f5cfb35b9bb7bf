"""isLuks, luksUUID and luksDump: what a header says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.cli.opening import open_header_alone
from kdumpkey.errors import HeaderError, NotLuksError, UsageError

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session


def is_luks(session: Session) -> None:
    """Tell by the exit code whether the device has a valid LUKS header."""
    _quietly(session)


def luks_uuid(session: Session) -> None:
    """Print the UUID of the header, or with --uuid change it."""
    if session.invocation.text("uuid") is not None:
        from kdumpkey.cli.commands.configure import set_uuid  # noqa: PLC0415 - to print it needs less

        set_uuid(session)
        return
    uuid = _quietly(session)
    if uuid:
        session.say(uuid)


def header_backup(session: Session) -> None:
    """Copy the header and its keyslots into a file."""
    path = session.invocation.text("header-backup-file")
    if path is None:
        raise UsageError("Option --header-backup-file is required.")
    from kdumpkey.luks.backup import back_up  # noqa: PLC0415

    with open_header_alone(session) as luks:
        back_up(luks.header_device, luks.header, path)


def luks_dump(session: Session) -> None:
    """Show the header, its JSON, or a key that a passphrase opens."""
    with open_header_alone(session) as luks:
        options = session.invocation
        if options.flag("dump-volume-key") or options.flag("unbound"):
            from kdumpkey.cli.dump_key import dump_key  # noqa: PLC0415 - the other dumps open no keyslot

            dump_key(session, luks)
            return
        from kdumpkey.cli import dump_text  # noqa: PLC0415
        from kdumpkey.luks import strict_json  # noqa: PLC0415
        from kdumpkey.luks.model import Luks2Header  # noqa: PLC0415

        if not options.flag("dump-json-metadata"):
            session.write(dump_text.header_text(luks.header, luks.header_device.name))
        elif isinstance(luks.header, Luks2Header):
            session.write(strict_json.pretty(luks.header.json))
        else:
            raise UsageError("Dump operation is not supported for this device type.")


def _quietly(session: Session) -> str:
    """The header's UUID; what is wrong with a header is told to those who want to know more."""
    try:
        with open_header_alone(session) as luks:
            return luks.header.uuid
    except NotLuksError as error:
        raise NotLuksError("") from error
    except HeaderError as error:
        raise type(error)(str(error) if session.verbose else "") from error
