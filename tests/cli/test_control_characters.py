"""What a header holds reaches a terminal in print only; scripts get the bytes that cryptsetup gives them."""

from __future__ import annotations

import sys
from pathlib import Path

import pexpect
import pytest

from both import ours, run
from fuzz.base_headers import base
from fuzz.images import Copy, HeaderImage, luks1_image
from fuzz.json_mutations import text_of
from fuzz.judges import write
from tools import HANGS_AFTER_S, require_tool

KDUMPKEY = [sys.executable, "-m", "kdumpkey"]
HOSTILE = "\x1b]0;owned\x07\x9b2J\r\x7f\u202eevil\u202c\u2028"
# The terminal itself adds the carriage returns at the ends of lines.
FORBIDDEN = [
    *map(chr, [*range(9), *range(11, 13), *range(14, 32), *range(0x7F, 0xA0)]),
    *"\u202e\u202c\u2028",
]


@pytest.fixture
def luks2(tmp_path: Path) -> Path:
    metadata = base("slots and tokens")
    metadata["tokens"]["0"]["key_description"] = HOSTILE
    metadata["tokens"]["1"] = {"type": f"x{HOSTILE}", "keyslots": [], HOSTILE: HOSTILE}
    metadata["segments"]["0"]["encryption"] = metadata["keyslots"]["0"]["area"]["encryption"] = (
        f"aes{HOSTILE}"
    )
    metadata["config"]["flags"] = [HOSTILE]
    metadata["digests"]["0"]["hash"] = HOSTILE
    text = text_of(metadata, ascii_alone=False)
    names = {"label": HOSTILE.encode(), "subsystem": HOSTILE.encode(), "uuid": HOSTILE.encode()[:39]}
    first = Copy(text, **names)
    second = Copy(text, b"SKUL\xba\xbe", hdr_offset=16384, **names)
    path = tmp_path / "luks2"
    write(HeaderImage(33554432, ((0, first.pack(12288)), (16384, second.pack(12288)))), path)
    return path


@pytest.fixture
def luks1(tmp_path: Path) -> Path:
    path = tmp_path / "luks1"
    write(
        luks1_image(cipher_name=b"\x1b[2Jaes", cipher_mode=b"\x9b\xc2\x9bxts", uuid=b"\x1b]0;x\x07\xff"), path
    )
    return path


def _at_a_terminal(*words: str | Path) -> str:
    """What stands on the terminal; a raw byte that is not UTF-8 would be a lone surrogate."""
    command, *arguments = [*KDUMPKEY, *map(str, words)]
    child = pexpect.spawn(
        command, arguments, timeout=HANGS_AFTER_S, encoding="utf-8", codec_errors="surrogateescape"
    )
    child.expect(pexpect.EOF)
    child.close()
    return str(child.before)


ACTIONS = (
    "luksDump",
    "luksDump --dump-json-metadata",
    "luksUUID",
    "token export --token-id 1",
    "unlock -d /dev/null",
)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_terminal_gets_no_control_character_of_a_luks2_header(luks2: Path, action: str) -> None:
    seen = _at_a_terminal(*action.split(), luks2)
    assert seen
    assert [character for character in FORBIDDEN if character in seen] == []


@pytest.mark.parametrize("action", ["luksDump", "luksUUID", "unlock -d /dev/null"])
def test_a_terminal_gets_no_control_character_of_a_luks1_header(luks1: Path, action: str) -> None:
    seen = _at_a_terminal(*action.split(), luks1)
    assert seen
    assert [each for each in seen if each in FORBIDDEN or "\udc80" <= each <= "\udcff"] == []


def test_a_file_name_in_a_message_is_not_obeyed_either(tmp_path: Path) -> None:
    seen = _at_a_terminal("luksDump", tmp_path / "\x1b[2J\u202ename")
    assert "\\x1b[2J\\u202ename" in seen


@pytest.mark.parametrize("action", ACTIONS[:4])
def test_what_is_no_terminal_gets_the_bytes_that_cryptsetup_writes(luks2: Path, action: str) -> None:
    mine = ours([*action.split(), luks2])
    theirs = run([require_tool("cryptsetup"), *action.split(), luks2])
    assert mine == theirs


def test_an_error_that_names_a_member_quotes_it_everywhere(tmp_path: Path) -> None:
    metadata = base("plain")
    metadata["segments"]["\x1b[2J"] = metadata["segments"]["0"]
    text = text_of(metadata)
    path = tmp_path / "image"
    write(HeaderImage(33554432, ((0, Copy(text).pack(12288)),), (text,)), path)
    result = ours(["luksDump", path])
    assert result.code == 1
    assert "segments.\\x1b[2J has a name that is not a number" in result.err
    assert "\x1b" not in result.err
