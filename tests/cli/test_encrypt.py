"""encrypt: a plaintext file or stream into a volume, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from both import Result, ours, run
from kdumpkey.ops.open import open_luks

KEY = ("--key-file", "pass")


@pytest.fixture(autouse=True)
def in_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("luks1.img", "luks2.img", "data.img", "detached.hdr", "pass"):
        shutil.copyfile(folder / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)


def plaintext(name: str, header: str | None = None) -> bytes:
    with (
        open_luks(name, header=header) as luks,
        luks.unlock(b"correct horse") as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        return volume.raw().readall() or b""


@pytest.mark.parametrize("name", ["luks1.img", "luks2.img"])
@pytest.mark.parametrize("length", [0, 1, 511, 512, 4096, (1 << 20) - 7, (1 << 20) + 512])
def test_a_file_is_written_and_what_follows_it_stays(name: str, length: int) -> None:
    before = plaintext(name)
    content = os.urandom(min(length, len(before)))
    Path("in").write_bytes(content)
    assert ours(["encrypt", "in", name, *KEY]) == Result(0, "", "")
    assert plaintext(name) == content + before[len(content) :]


def test_unlock_gives_back_what_encrypt_wrote(cryptsetup: str) -> None:
    size = len(plaintext("luks2.img"))
    content = os.urandom(size)
    Path("in").write_bytes(content)
    assert ours(["encrypt", "in", "luks2.img"], b"correct horse\n") == Result(0, "", "")
    assert ours(["unlock", "luks2.img", "--to", "out", *KEY]).code == 0
    assert Path("out").read_bytes() == content
    assert run([cryptsetup, "open", "--test-passphrase", "luks2.img", *KEY]).code == 0


def test_a_detached_header_is_only_read() -> None:
    header, content = Path("detached.hdr").read_bytes(), os.urandom(1 << 20)
    Path("in").write_bytes(content)
    assert ours(["encrypt", "in", "data.img", "--header", "detached.hdr", *KEY]).code == 0
    assert Path("detached.hdr").read_bytes() == header
    assert plaintext("data.img", "detached.hdr") == content


def test_standard_input_is_the_plaintext_when_the_key_is_elsewhere() -> None:
    before, content = plaintext("luks2.img"), os.urandom((1 << 20) + 77)
    assert ours(["encrypt", "-", "luks2.img", *KEY], content) == Result(0, "", "")
    assert plaintext("luks2.img") == content + before[len(content) :]


@pytest.mark.parametrize("key", [(), ("--key-file", "-")])
def test_standard_input_cannot_be_plaintext_and_passphrase(key: tuple[str, ...]) -> None:
    image = Path("luks2.img").read_bytes()
    result = ours(["encrypt", "-", "luks2.img", *key], b"correct horse\n")
    assert result.code == 1
    assert "Standard input is the plaintext" in result.err
    assert Path("luks2.img").read_bytes() == image


def test_a_file_that_does_not_fit_changes_nothing() -> None:
    image, size = Path("luks1.img").read_bytes(), len(plaintext("luks1.img"))
    Path("in").write_bytes(bytes(size + 1))
    result = ours(["encrypt", "in", "luks1.img", *KEY])
    told = f"in has {size + 1} bytes, and the volume only {size}: nothing was written."
    assert (result.code, result.err.strip()) == (1, told)
    assert Path("luks1.img").read_bytes() == image


def test_a_stream_that_does_not_fit_is_told_of() -> None:
    size = len(plaintext("luks1.img"))
    result = ours(["encrypt", "-", "luks1.img", *KEY], bytes(size + 1))
    assert result.code == 1
    assert f"more than the {size} bytes of the volume" in result.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("in", "luks2.img", "--key-file", "in"), 2),
        (("absent", "luks2.img", *KEY), 4),
        (("in", "absent", *KEY), 4),
        (("in", "in", *KEY), 1),
        (("luks2.img", "luks2.img", *KEY), 1),
        ((".", "luks2.img", *KEY), 1),
        (("in",), 1),
    ],
)
def test_what_is_refused_leaves_the_device_as_it_was(words: tuple[str, ...], code: int) -> None:
    image = Path("luks2.img").read_bytes()
    Path("in").write_bytes(b"some plaintext")
    result = ours(["encrypt", *words])
    assert result.code == code
    assert result.err
    assert Path("luks2.img").read_bytes() == image


def test_json_says_what_was_written() -> None:
    Path("in").write_bytes(b"some plaintext")
    told = json.loads(ours(["encrypt", "in", "luks2.img", "--json", *KEY]).out)
    assert (told["device"], told["keyslot"], told["from"], told["length"]) == ("luks2.img", 0, "in", 14)
