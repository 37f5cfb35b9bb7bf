"""The work for a header grows with what is in it, and no faster: counted in steps, never by the clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from both import ours
from fuzz.base_headers import base
from fuzz.images import Copy, HeaderImage, SparseReader
from fuzz.json_mutations import text_of
from fuzz.judges import write
from kdumpkey.cli.dump_text import header_text
from kdumpkey.luks import read_header
from kdumpkey.luks.model import Luks2Header
from work import steps

METADATA = 4 << 20
AREAS = 16777216
FEW, MANY = 500, 4000


def _image(metadata: dict[str, Any]) -> HeaderImage:
    metadata["config"] = {"json_size": str(METADATA - 4096), "keyslots_size": str(AREAS)}
    text = text_of(metadata)
    first = Copy(text, hdr_size=METADATA).pack(METADATA - 4096)
    second = Copy(text, b"SKUL\xba\xbe", hdr_size=METADATA, hdr_offset=METADATA).pack(METADATA - 4096)
    return HeaderImage(2 * METADATA + AREAS + (1 << 20), ((0, first), (METADATA, second)), (text, text))


def _keyslot(number: int) -> dict[str, Any]:
    keyslot = base("plain")["keyslots"]["0"]
    keyslot["area"].update(offset=str(2 * METADATA + 512 * number), size="512")
    return keyslot


def _with_tokens(count: int) -> dict[str, Any]:
    metadata = base("plain")
    metadata["tokens"] = {
        str(number): {"type": "luks2-keyring", "keyslots": ["0"], "key_description": str(number)}
        for number in range(count)
    }
    return metadata


def _with_keyslots(count: int) -> dict[str, Any]:
    metadata = base("plain")
    metadata["keyslots"] = {str(number): _keyslot(number) for number in range(count)}
    metadata["digests"]["0"]["keyslots"] = [str(number) for number in range(count)]
    return metadata


def _with_digests(count: int) -> dict[str, Any]:
    metadata = _with_keyslots(count)
    digest = metadata["digests"]["0"]
    metadata["digests"] = {
        str(number): {**digest, "keyslots": [str(number)], "segments": [] if number else ["0"]}
        for number in range(count)
    }
    return metadata


def _with_segments(count: int) -> dict[str, Any]:
    metadata = base("plain")
    segment = metadata["segments"]["0"]
    start = 2 * METADATA + AREAS
    metadata["segments"] = {
        str(number): {**segment, "offset": str(start + 4096 * number), "size": "4096"}
        for number in range(count)
    }
    metadata["digests"]["0"]["segments"] = [str(number) for number in range(count)]
    return metadata


def _prepared(make: Callable[[int], dict[str, Any]], count: int) -> dict[str, Any]:
    metadata = make(count)
    for number, keyslot in metadata["keyslots"].items():
        if count == 0 or len(metadata["keyslots"]) == 1:
            keyslot["area"].update(offset=str(2 * METADATA + 262144 * int(number)))
    for segment in metadata["segments"].values():
        if len(metadata["segments"]) == 1:
            segment["offset"] = str(2 * METADATA + AREAS)
    return metadata


KINDS = {
    "tokens": _with_tokens,
    "keyslots": _with_keyslots,
    "digests": _with_digests,
    "segments": _with_segments,
}


def _questions(header: Luks2Header) -> None:
    """What every action asks of a header that it has read."""
    header_text(header, "image")
    for keyslot in header.keyslots:
        header.is_unbound(keyslot)
    for segment in header.segments:
        header.digest_of_segment(segment)


def _is_linear(few: int, many: int) -> bool:
    return many < few * (MANY / FEW) * 1.25


@pytest.mark.parametrize("kind", KINDS)
def test_reading_and_dumping_a_header_is_linear(kind: str) -> None:
    def work(count: int) -> int:
        reader = SparseReader(_image(_prepared(KINDS[kind], count)))

        def action() -> None:
            header = read_header(reader)
            assert isinstance(header, Luks2Header)
            _questions(header)

        return steps(action)

    few, many = work(FEW), work(MANY)
    assert _is_linear(few, many), (few, many)


ACTIONS = {
    "luksDump": "luksDump DEV",
    "JSON": "luksDump --dump-json-metadata DEV",
    "luksUUID": "luksUUID DEV",
    "token export": "token export --token-id 7 DEV",
    "token remove": "token remove --token-id 7 DEV",
    "token import": "token import --token-id 7 --token-replace --json-file TOKEN DEV",
    "token add": "token add --token-id 7 --token-replace --key-description x DEV",
    "token unassign": "token unassign --token-id 7 -S 0 DEV",
    "config": "config --label x DEV",
    "priority": "config --priority prefer -S 0 DEV",
    "luksKillSlot": "luksKillSlot -q DEV 0",
    "erase": "erase -q DEV",
    "backup": "luksHeaderBackup DEV --header-backup-file BACKUP",
    "open": "open --test-passphrase -d TOKEN DEV",
}


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_on_many_tokens_is_linear(tmp_path: Path, name: str) -> None:
    (tmp_path / "token").write_text('{"type":"x","keyslots":["0"]}')

    def work(count: int) -> int:
        device = tmp_path / f"{count}"
        write(_image(_prepared(_with_tokens, count)), device)
        places = {"DEV": str(device), "TOKEN": str(tmp_path / "token"), "BACKUP": str(tmp_path / f"b{count}")}
        words = [places.get(word, word) for word in ACTIONS[name].split()]
        codes = []
        spent = steps(lambda: codes.append(ours(words).code))
        assert codes[0] == (2 if name == "open" else 0)
        return spent

    work(1 + 7)  # what is imported at the first use is no work of the action
    few, many = work(FEW), work(MANY)
    assert _is_linear(few, many), (few, many)


def test_a_second_copy_of_the_same_text_is_not_judged_again() -> None:
    image = _image(_prepared(_with_tokens, MANY))
    both = steps(lambda: read_header(SparseReader(image)))
    one = HeaderImage(image.size, image.chunks[:1])
    assert both < 1.1 * steps(lambda: read_header(SparseReader(one)))
