"""isLuks, luksDump and benchmark as JSON: the members that docs/json.md promises, and no secret in them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from both import ours
from fuzz.base_headers import BASES, SALT, base
from fuzz.images import Copy, HeaderImage, image_of, luks1_image
from fuzz.json_mutations import text_of
from fuzz.judges import write

DOCS = Path(__file__).parents[2] / "docs" / "json.md"


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "device"
    write(image_of(base("slots and tokens"), size=33554432), path)
    return path


def _dumped(device: Path) -> Any:
    result = ours(["luksDump", "--json", device])
    assert (result.code, result.err) == (0, "")
    return json.loads(result.out)


def test_is_luks_tells_version_and_uuid(device: Path) -> None:
    result = ours(["isLuks", "--json", device])
    uuid = "78c26f5f-7864-4b3d-a66b-a285583acaa8"
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {"luks": True, "version": 2, "uuid": uuid, "problem": None}


def test_is_luks_tells_what_is_wrong_with_the_same_exit_code(tmp_path: Path) -> None:
    other, damaged = tmp_path / "other", tmp_path / "damaged"
    other.write_bytes(bytes(1 << 20))
    metadata = base("plain")
    metadata["segments"] = {}
    write(image_of(metadata, size=33554432), damaged)
    for path, said in ((other, ""), (damaged, "segments")):
        result = ours(["isLuks", "--json", path])
        assert result.code == ours(["isLuks", path]).code == 1
        value = json.loads(result.out)
        assert (value["luks"], value["version"], value["uuid"]) == (False, None, None)
        assert said in value["problem"]
    assert ours(["isLuks", "--json", tmp_path / "missing"]).code == 4


def test_luks_dump_says_what_the_header_says(device: Path) -> None:
    value = _dumped(device)
    assert (value["version"], value["epoch"], value["metadata_bytes"]) == (2, 3, 16384)
    assert value["flags"] == ["allow-discards", "no-read-workqueue"]
    assert [copy["state"] for copy in value["copies"]] == ["current", "current"]
    assert value["segments"] == [
        {
            "id": 0,
            "type": "crypt",
            "offset_bytes": 16777216,
            "size_bytes": None,
            "flags": [],
            "cipher": "aes-xts-plain64",
            "sector_bytes": 4096,
            "iv_tweak_sectors": 0,
            "integrity": None,
        }
    ]
    assert [(slot["priority"], slot["bound"]) for slot in value["keyslots"]] == [
        ("prefer", True),
        ("normal", True),
        ("normal", False),
    ]
    assert value["keyslots"][1]["kdf"] == {
        "type": "argon2id",
        "iterations": 4,
        "memory_kib": 65536,
        "threads": 2,
    }
    assert value["tokens"] == [{"id": 0, "type": "luks2-keyring", "keyslots": [0], "key_description": "a:b"}]
    assert value["digests"][1]["segments"] == []


@pytest.mark.parametrize("name", [*BASES, "luks1"])
def test_every_kind_of_header_has_the_documented_members_and_no_salt(tmp_path: Path, name: str) -> None:
    path = tmp_path / "device"
    write(luks1_image() if name == "luks1" else image_of(base(name), size=50331648), path)
    result = ours(["luksDump", "--json", path])
    assert result.code == 0
    documented = set(re.findall("`([a-z0-9_]+)`", DOCS.read_text()))
    assert _members(json.loads(result.out)) <= documented
    assert SALT not in result.out
    assert base64.b64decode(SALT).hex() not in result.out


def _members(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_members, value.values()))
    return set().union(*map(_members, value)) if isinstance(value, list) else set()


def test_text_that_is_hostile_is_escaped_and_never_half_a_character(tmp_path: Path) -> None:
    text = text_of(base("plain"))
    copy = Copy(text, label=b"\x1b[2J\xff\xc2\x9b", subsystem="\u202e".encode())
    path = tmp_path / "device"
    write(HeaderImage(33554432, ((0, copy.pack(12288)),), (text,)), path)
    out = ours(["luksDump", "--json", path]).out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out)["label"] == "\x1b[2J\ufffd\x9b"


@pytest.mark.parametrize("option", ["--dump-volume-key", "--dump-json-metadata", "--unbound -S 0"])
def test_it_is_not_combined_with_other_dumps(device: Path, option: str) -> None:
    result = ours(["luksDump", "--json", *option.split(), device])
    assert result.code == 1
    assert "--json cannot be combined" in result.err


def test_benchmark_gives_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    from kdumpkey.cli.commands import benchmark
    from kdumpkey.crypto.benchmark import Argon2Speed, CipherSpeed, Pbkdf2Speed

    monkeypatch.setattr(benchmark, "pbkdf2_speed", lambda name, _bits: Pbkdf2Speed(name, 1000, 5000))
    monkeypatch.setattr(
        benchmark, "argon2_speed", lambda variant, ms, *_: Argon2Speed(variant, 4, 65536, 2, ms, 600)
    )
    monkeypatch.setattr(benchmark, "cipher_speed", lambda name, bits, _tier: CipherSpeed(name, bits, 1.25, 2))
    result = ours(["benchmark", "--json"])
    value = json.loads(result.out)
    assert (result.code, result.err) == (0, "")
    assert len(value["kdfs"]) == 7
    assert value["kdfs"][0] == {
        "type": "pbkdf2",
        "hash": "sha1",
        "key_bits": 256,
        "iterations_per_second": 1000,
        "own_iterations_per_second": 5000,
    }
    assert value["kdfs"][-1]["own_time_ms"] == 600
    assert value["kdfs"][-1]["memory_kib"] == 65536
    assert [row["cipher"] for row in value["ciphers"]] == ["aes-cbc", "aes-cbc", "aes-xts", "aes-xts"]
    documented = set(re.findall("`([a-z0-9_]+)`", DOCS.read_text()))
    assert _members(value) <= documented


def test_benchmark_of_an_unknown_hash_fails_and_says_so_in_json() -> None:
    result = ours(["benchmark", "--json", "--hash", "nope"])
    assert result.code == 1
    assert json.loads(result.out)["kdfs"][0]["iterations_per_second"] is None
