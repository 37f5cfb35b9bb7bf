"""config, token and luksUUID --uuid: changes of a header that open no keyslot."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.changing import open_for_change
from kdumpkey.cli.declaring import completing
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.options import (
    EVERYWHERE,
    ExternalTokensPath,
    JsonFile,
    KeyDescription,
    KeySlot,
    Label,
    Priority,
    Subsystem,
    TokenId,
    TokenReplace,
    Unbound,
)
from kdumpkey.cli.passphrase import STDIN, confirm
from kdumpkey.cli.refusing import refuse_external_tokens, refuse_first
from kdumpkey.cli.session import Reported, Run, Session
from kdumpkey.errors import DeviceError, KeyslotError, OutputError, PermissionDeniedError, UsageError
from kdumpkey.luks import configure
from kdumpkey.storage.device import open_readonly
from kdumpkey.storage.publish import write_file
from kdumpkey.storage.transfer import read_in_full

if TYPE_CHECKING:
    from kdumpkey.luks.store import HeaderStore

app = typer.Typer()
_VERBS: Final = ("add", "remove", "import", "export", "unassign")
_LONGEST_JSON: Final = 1 << 20


@action(
    app,
    "config",
    "<device>",
    ignores=EVERYWHERE,
    example="kdumpkey config /dev/sda2 --key-slot 1 --priority prefer",
)
def config(
    run: Run,
    device: Device,
    header: HeaderChoice,
    key_slot: KeySlot = None,
    priority: Priority = None,
    label: Label = None,
    subsystem: Subsystem = None,
) -> None:
    """Set a keyslot's priority, or the device's label and subsystem."""
    if priority is not None and key_slot is None:
        raise UsageError("Keyslot specification is required.")
    run.begin()
    if (priority, label, subsystem) == (None, None, None):
        raise UsageError("Option --priority, --label or --subsystem is missing.")
    with open_for_change(device, header, version=2) as store:
        if priority is not None:
            _set_priority(store, key_slot or 0, priority)
        if label is not None or subsystem is not None:
            configure.set_names(store, label, subsystem)


def _set_priority(store: HeaderStore, key_slot: int, priority: str) -> None:
    try:
        configure.set_priority(store, key_slot, priority)
    except KeyslotError as error:  # of which cryptsetup says nothing
        raise Reported(error) from error


def set_uuid(session: Session, device: str, header: HeaderChoice, uuid: str) -> None:
    """Give the device another UUID."""
    with open_for_change(device, header) as store:
        confirm(
            session,
            "Do you really want to change UUID of device?",
            PermissionDeniedError("Operation aborted.\n"),
        )
        configure.set_uuid(store, uuid)


@action(
    app,
    "token",
    "<add|remove|import|export|unassign> <device>",
    ignores=EVERYWHERE,
    example="kdumpkey token export /dev/sda2 --token-id 0",
)
def token(
    run: Run,
    verb: Annotated[
        str,
        typer.Argument(
            metavar="VERB", help=f"One of {', '.join(_VERBS)}", autocompletion=completing(*_VERBS)
        ),
    ],
    device: Device,
    header: HeaderChoice,
    token_id: TokenId = None,
    token_replace: TokenReplace = False,
    key_description: KeyDescription = None,
    json_file: JsonFile = None,
    key_slot: KeySlot = None,
    unbound: Unbound = False,
    external_tokens: ExternalTokensPath = None,
) -> None:
    """Add, remove, import or export a token, or take a keyslot from it."""
    refuse_first(
        (verb not in _VERBS, "Invalid token action."),
        (
            verb == "add" and key_description is None,
            "--key-description parameter is mandatory for token add action.",
        ),
        (
            verb in ("remove", "export", "unassign") and token_id is None,
            "Action requires specific token. Use --token-id parameter.",
        ),
        (
            verb == "unassign" and key_slot is None,
            "Action requires specific keyslot. Use --key-slot parameter.",
        ),
        (
            verb == "add" and key_slot is not None and unbound,
            "Options --key-slot and --unbound cannot be combined.",
        ),
    )
    session = run.begin()
    refuse_external_tokens(external_tokens)
    number, slot = token_id or 0, configure.TokenSlot(token_id, token_replace)
    with open_for_change(device, header, version=2) as store:
        match verb:
            case "add":
                made = configure.add_keyring_token(
                    store, key_description or "", slot, keyslot=key_slot, every_keyslot=not unbound
                )
                session.explain(f"Token {made} created.")
            case "import":
                content = _read(session, json_file)
                made = configure.import_token(store, content, slot, keyslot=key_slot)
                session.explain(f"Token {made} created.")
            case "remove":
                configure.remove_token(store, number)
                session.explain(f"Token {number} removed.")
            case "unassign":
                configure.unassign_token(store, number, key_slot or 0)
            case _:
                data = device if header.header is not None else None
                _write(session, store, json_file, configure.token_json(store.header, number), data=data)


def _read(session: Session, path: str | None) -> bytes:
    fd = session.streams.stdin
    if path is not None and path != "-":
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        except (OSError, ValueError) as error:
            raise UsageError(f"Failed to open file {path} in read-only mode.") from error
    content = bytearray(_LONGEST_JSON + 1)
    try:
        return bytes(content[: read_in_full(fd, content)])
    except OSError as error:
        raise UsageError("Failed to read JSON file.") from error
    finally:
        if fd != session.streams.stdin:
            os.close(fd)


def _write(
    session: Session, store: HeaderStore, path: str | None, content: bytes, *, data: str | None
) -> None:
    """Write a token's JSON; never in the place of the device, nor of the data of a detached header."""
    if path is None or path == STDIN:
        session.streams.show_json(content.decode())
        return
    refusal = f"Failed to open file {path} in write mode."
    with ExitStack() as stack:
        kept = [store.device.fileno()]
        if data is not None:
            with suppress(DeviceError):  # nothing is lost if there is no such device
                kept.append(stack.enter_context(open_readonly(data)).fileno())
        try:
            write_file(path, content, replace=True, apart_from=kept)
        except OutputError as error:
            raise UsageError(f"{error}\n{refusal}") from error
