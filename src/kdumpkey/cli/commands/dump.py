"""luksDump: a header, its JSON, or a key that a passphrase opens."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import typer

from kdumpkey.cli import dump_text
from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.key_source import UnlockSource, by_key
from kdumpkey.cli.opening import open_header_alone
from kdumpkey.cli.options import (
    EVERYWHERE,
    DumpJsonMetadata,
    DumpVolumeKey,
    ExternalTokensPath,
    Json,
    KeySlot,
    PassphraseKey,
    Unbound,
    VolumeKeyOutput,
)
from kdumpkey.cli.refusing import refuse_external_tokens
from kdumpkey.cli.session import Run
from kdumpkey.cli.unlocking import KeyslotRequest
from kdumpkey.errors import NotLuksError, UsageError
from kdumpkey.luks import strict_json
from kdumpkey.luks.description import described
from kdumpkey.luks.model import Luks1Header, Luks2Header
from kdumpkey.luks.words import refusal

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.luks.strict_json import JsonObject

app = typer.Typer()


@action(
    app,
    "luksDump",
    "<device>",
    ignores=(*EVERYWHERE, KeySlot, Unbound),
    example="kdumpkey luksDump /dev/sda2",
)
def luks_dump(
    run: Run,
    device: Device,
    header: HeaderChoice,
    source: UnlockSource,
    key_slot: KeySlot = None,
    unbound: Unbound = False,
    dump_volume_key: DumpVolumeKey = False,
    volume_key_file: VolumeKeyOutput = None,
    dump_json_metadata: DumpJsonMetadata = False,
    passphrase_key: PassphraseKey = None,
    external_tokens: ExternalTokensPath = None,
    as_json: Json = False,
) -> None:
    """Show the header, its JSON, or a key that a passphrase opens."""
    if unbound and key_slot is None:
        raise UsageError("Keyslot specification is required.")
    if as_json and (dump_volume_key or dump_json_metadata or unbound):
        raise UsageError(
            "Option --json cannot be combined with --dump-volume-key, --dump-json-metadata or --unbound."
        )
    session = run.begin()
    refuse_external_tokens(external_tokens)
    source = replace(source, passphrase=by_key(source.passphrase, passphrase_key))
    opens_keyslot = dump_volume_key or unbound
    with open_header_alone(device, header, salvaging=None if opens_keyslot else session) as luks:
        if opens_keyslot:
            from kdumpkey.cli import dump_key  # noqa: PLC0415 - the other dumps open no keyslot

            if dump_volume_key:
                request = KeyslotRequest(key_slot, unbound)
                dump_key.dump_volume_key(session, luks, source, request, volume_key_file)
            else:
                dump_key.dump_unbound_key(
                    session, luks, source, key_slot=key_slot or 0, output=volume_key_file
                )
            return
        if as_json:
            session.say(json.dumps(described(luks.header), indent=2))
        elif not dump_json_metadata:
            quoted = session.streams.quoted
            session.write(dump_text.header_text(luks.header, luks.header_device.name, quoted))
        else:
            session.streams.show_json(strict_json.pretty(_metadata(luks.header)))
        if luks.losses:  # shown as far as it goes; scripts learn from the exit code that it is not valid
            raise NotLuksError(refusal(luks.header_device.name))


def _metadata(header: LuksHeader) -> JsonObject:
    match header:
        case Luks1Header():
            raise UsageError("Dump operation is not supported for this device type.")
        case Luks2Header():
            return header.json
        case _:
            assert_never(header)
