"""kdump keyctl: the part of keyctl(1) that a hand-over needs, for a simulated machine's keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.declaring import completing
from kdumpkey.cli.key_source import MachineChoice
from kdumpkey.cli.machines import open_machine
from kdumpkey.cli.options import Json
from kdumpkey.cli.session import Run
from kdumpkey.errors import UsageError
from kdumpkey.keyring.names import KeyName, parse_keyring, parse_volume_key_source

if TYPE_CHECKING:
    from kdumpkey.kernel.simulated.machine import Machine

app = typer.Typer()
_ARGUMENTS: Final = {
    "list": "<keyring>",
    "request": "<type> <description>",
    "search": "<keyring> <type> <description>",
    "link": "<key> <keyring>",
    "unlink": "<key> <keyring>",
    "timeout": "<key> <seconds>",
    "setperm": "<key> <mask>",
    "revoke": "<key>",
}


@action(app, "keyctl", "<command> [<argument> ...]", example="kdumpkey kdump keyctl list @u")
def keyctl(
    run: Run,
    command: Annotated[
        str,
        typer.Argument(
            metavar="COMMAND", help=f"One of {', '.join(_ARGUMENTS)}", autocompletion=completing(*_ARGUMENTS)
        ),
    ],
    machine_choice: MachineChoice,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARGUMENT]...",
            help="Keys, as numbers or %type:description, and keyrings",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run one of keyctl's commands on the machine's keys; a key is a number or ``%type:description``."""
    session = run.begin()
    words = arguments or []
    usage = _ARGUMENTS.get(command)
    if usage is None:
        raise UsageError(f"kdump keyctl knows {', '.join(_ARGUMENTS)}.")
    if len(words) != len(usage.split()):
        raise UsageError(f"kdump keyctl {command} takes {usage}.")
    with open_machine(session, machine_choice) as machine:
        lines = _run(machine, command, words)
    if as_json:
        session.say(json.dumps({"command": command, "result": lines}))
        return
    for line in lines:
        session.say(line)


def _run(machine: Machine, command: str, words: list[str]) -> list[str]:
    keyrings, process = machine.keyrings, machine.process
    match command, words:
        case "list", [ring]:
            return _listed(machine, keyrings.resolve(process, _ring(ring)))
        case "request", [key_type, description]:
            return [str(keyrings.request(process, key_type, description))]
        case "search", [ring, key_type, description]:
            return [str(keyrings.search(process, _ring(ring), key_type, description))]
        case "link", [key, ring]:
            keyrings.link(process, _key(machine, key), _ring(ring))
        case "unlink", [key, ring]:
            keyrings.unlink(process, _key(machine, key), keyrings.resolve(process, _ring(ring)))
        case "timeout", [key, seconds]:
            keyrings.set_timeout(process, _key(machine, key), _number(seconds))
        case "setperm", [key, mask]:
            keyrings.set_permissions(process, _key(machine, key), _number(mask))
        case "revoke", [key]:
            keyrings.revoke(process, _key(machine, key))
    return []


def _listed(machine: Machine, ring: int) -> list[str]:
    lines = []
    for serial in machine.keyrings.keys[ring].links:
        key = machine.keyrings.keys[serial]
        left = "" if key.expires_at is None else f", {max(int(key.expires_at - machine.clock()), 0)} s left"
        state = ", revoked" if key.revoked else left
        lines.append(f"{serial:10}: {key.permissions:08x} {key.type}: {key.description}{state}")
    return lines


def _ring(word: str) -> int:
    number = parse_keyring(word).number
    if number is None:
        raise UsageError(f"{word} is not a keyring: @u, @s, @us, @t or a number.")
    return number


def _key(machine: Machine, word: str) -> int:
    if word.startswith("@"):
        return _ring(word)
    source = parse_volume_key_source(word)
    if source.number is not None:
        return source.number
    named = [
        key.serial
        for key in machine.keyrings.keys.values()
        if KeyName(key.type, key.description) == source.key
    ]
    if not named:
        raise UsageError(f"There is no key {source.key}.")
    return named[-1]


def _number(word: str) -> int:
    try:
        return int(word, 0)
    except ValueError as error:
        raise UsageError(f"{word} is not a number.") from error
