"""config, token, luksUUID --uuid, luksHeaderRestore: changes of a header that open no keyslot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from kdumpkey.cli.changing import open_for_change
from kdumpkey.cli.opening import device_path
from kdumpkey.cli.passphrase import confirm
from kdumpkey.cli.streams import write_all
from kdumpkey.errors import PermissionDeniedError, UsageError
from kdumpkey.luks import configure

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session

_LONGEST_JSON: Final = 1 << 20


def config(session: Session) -> None:
    """Set a keyslot's priority, or the device's label and subsystem."""
    options = session.invocation
    priority, label, subsystem = (options.text(name) for name in ("priority", "label", "subsystem"))
    if (priority, label, subsystem) == (None, None, None):
        raise UsageError("Option --priority, --label or --subsystem is missing.")
    with open_for_change(session, version=2) as store:
        if priority is not None:
            configure.set_priority(store, options.number("key-slot") or 0, priority)
        if label is not None or subsystem is not None:
            configure.set_names(store, label, subsystem)


def set_uuid(session: Session) -> None:
    """Give the device another UUID."""
    with open_for_change(session) as store:
        confirm(session, "Do you really want to change UUID of device?", "Operation aborted.\n")
        configure.set_uuid(store, session.invocation.text("uuid") or "")


def token(session: Session) -> None:
    """Add, remove, import or export a token, or take a keyslot from it."""
    options = session.invocation
    verb = options.arguments[0]
    number = options.number("token-id")
    with open_for_change(session, version=2, device=options.arguments[1]) as store:
        if verb == "add":
            made = configure.add_keyring_token(
                store,
                options.text("key-description") or "",
                number=number,
                keyslot=options.number("key-slot"),
                every_keyslot=not options.flag("unbound"),
                replaces=options.flag("token-replace"),
            )
            session.explain(f"Token {made} created.")
        elif verb == "import":
            made = configure.import_token(
                store,
                _read(session, options.text("json-file")),
                number=number,
                keyslot=options.number("key-slot"),
                replaces=options.flag("token-replace"),
            )
            session.explain(f"Token {made} created.")
        elif verb == "remove":
            configure.remove_token(store, number or 0)
            session.explain(f"Token {number} removed.")
        elif verb == "unassign":
            configure.unassign_token(store, number or 0, options.number("key-slot") or 0)
        else:
            _write(session, options.text("json-file"), configure.token_json(store.header, number or 0))


def header_restore(session: Session) -> None:
    """Put a header back from its backup."""
    backup = session.invocation.text("header-backup-file")
    path = session.invocation.text("header") or device_path(session.device)
    if backup is None:
        raise UsageError("Option --header-backup-file is required.")
    from kdumpkey.luks import restore as ops  # noqa: PLC0415 - nothing else here needs it

    found = ops.examine(path, backup)
    kind = f"LUKS{found.backup.version}" if found.backup.version == 2 else "LUKS"
    if found.present is None:
        what = f"does not contain {kind} header. Replacing header can destroy data on that device."
    else:
        what = f"already contains {kind} header. Replacing header will destroy existing keyslots."
        if found.present.uuid != found.backup.uuid:
            what += "\nWARNING: real device header has different UUID than backup!"
    if found.other is not None:
        session.complain(f"Device {path} has a LUKS header of version {found.other.version}.")
    try:
        confirm(session, f"Device {path} {what}")
    except PermissionDeniedError as error:
        raise UsageError("") from error
    replaced = found.present or found.other
    keep = None if replaced is None else ops.backup_name(backup, replaced)
    ops.restore(path, backup, found, keep=keep)
    if keep is not None:
        session.explain(f"The header that was replaced is in {keep}.")


def _read(session: Session, path: str | None) -> bytes:
    fd = session.streams.stdin
    if path is not None and path != "-":
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        except (OSError, ValueError) as error:
            raise UsageError(f"Failed to open file {path} in read-only mode.") from error
    try:
        content = b""
        while len(content) <= _LONGEST_JSON and (piece := os.read(fd, 65536)):
            content += piece
        return content
    except OSError as error:
        raise UsageError("Failed to read JSON file.") from error
    finally:
        if fd != session.streams.stdin:
            os.close(fd)


def _write(session: Session, path: str | None, content: bytes) -> None:
    if path is None or path == "-":
        session.streams.show_json(content.decode())
        return
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except (OSError, ValueError) as error:
        raise UsageError(f"Failed to open file {path} in write mode.") from error
    try:
        write_all(fd, content)
    except OSError as error:
        os.unlink(path)
        raise UsageError("Failed to write JSON file.") from error
    finally:
        os.close(fd)
