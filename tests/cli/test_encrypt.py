"""encrypt: the reverse of unlock --to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from both import Result, ours

MIB = 1 << 20


@pytest.fixture
def device(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    copy = tmp_path / "device"
    shutil.copy("luks2.img", copy)
    copy.chmod(0o600)
    return copy


def decrypted(device: Path) -> bytes:
    out = device.with_name("decrypted")
    assert ours(["unlock", device, "-d", "pass", "--to", out, "--force"]) == Result(0, "", "")
    return out.read_bytes()


def encrypt(*words: str | Path, stdin: bytes = b"") -> Result:
    return ours(["encrypt", "-q", *words, "-d", "pass"], stdin)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 4097, 3 * MIB + 17, 4 * MIB])
def test_a_file_comes_back_and_the_rest_stays(device: Path, tmp_path: Path, size: int) -> None:
    before = decrypted(device)
    content = os.urandom(size)
    (tmp_path / "plain").write_bytes(content)
    assert encrypt(tmp_path / "plain", device) == Result(0, "", "")
    assert decrypted(device) == content + before[size:]


def test_a_stream_comes_back(device: Path) -> None:
    content = os.urandom(2 * MIB + 99)
    command = [sys.executable, "-m", "kdumpkey", "encrypt", "-q", "-", device, "-d", "pass", "-v"]
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-2].startswith(f"{len(content)} bytes were encrypted")
    assert decrypted(device)[: len(content)] == content


def test_it_may_begin_in_the_middle(device: Path, tmp_path: Path) -> None:
    before = decrypted(device)
    (tmp_path / "plain").write_bytes(b"x" * 1000)
    result = encrypt(tmp_path / "plain", device, "--from", "777", "--json")
    assert json.loads(result.out)["length"] == 1000
    assert decrypted(device) == before[:777] + b"x" * 1000 + before[1777:]


def test_what_is_too_long_is_refused_before_anything_is_written(device: Path, tmp_path: Path) -> None:
    before = device.read_bytes()
    with (tmp_path / "plain").open("wb") as file:
        file.truncate(5 * MIB)
    result = encrypt(tmp_path / "plain", device)
    assert (result.code, result.out) == (1, "")
    assert "the volume has room for" in result.err
    assert encrypt(tmp_path / "plain", device, "--from", "1G").code == 1
    assert device.read_bytes() == before


def test_a_stream_that_is_too_long_says_what_was_written(device: Path) -> None:
    command = [sys.executable, "-m", "kdumpkey", "encrypt", "-q", "-", device, "-d", "pass"]
    done = subprocess.run(command, input=bytes(5 * MIB), capture_output=True, check=False)
    assert done.returncode == 1
    assert b"the first 4194304 were written" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-", "DEVICE"], 1, "the passphrase needs --key-file"),
        (["missing", "DEVICE", "-d", "pass"], 4, "Cannot read missing"),
        (["directory", "DEVICE", "-d", "pass"], 4, "is a directory"),
        (["pass", "missing", "-d", "pass"], 4, "does not exist"),
        (["pass", "zeros", "-d", "pass"], 1, "not a valid LUKS device"),
        (["pass", "DEVICE", "-d", "wrong"], 2, "No key available"),
        (["DEVICE", "DEVICE", "-d", "pass"], 1, "is the device itself"),
        (["pass"], 1, "requires"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    device: Path, words: list[str], code: int, message: str
) -> None:
    before = device.read_bytes()
    result = ours(["encrypt", "-q", *(str(device) if word == "DEVICE" else word for word in words)])
    assert result.code == code
    assert message in result.err
    assert device.read_bytes() == before


@pytest.mark.usefixtures("device")
def test_a_detached_headers_device_is_written(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(bytes(MIB))
    (tmp_path / "plain").write_bytes(b"y" * MIB)
    assert encrypt(tmp_path / "plain", data, "--header", "detached.hdr") == Result(0, "", "")
    out = tmp_path / "out"
    line = ["unlock", data, "--header", "detached.hdr", "-d", "pass", "--to", out]
    assert ours(line) == Result(0, "", "")
    assert out.read_bytes() == b"y" * MIB
