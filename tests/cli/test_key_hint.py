"""A key file that opens nothing and has in it what editors put into files: a hint says so, and no more."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from both import ours, run
from kdumpkey.cli.key_hint import key_hint
from tools import require_tool

PASSPHRASE = b"correct horse"
CHEAP = ["-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    device = tmp_path_factory.mktemp("image") / "device"
    device.write_bytes(bytes(20 << 20))
    assert ours(["luksFormat", *CHEAP, "--type", "luks2", device, "-d", "-"], PASSPHRASE).code == 0
    return device.read_bytes()


@pytest.fixture
def device(tmp_path: Path, image: bytes) -> Path:
    path = tmp_path / "device"
    path.write_bytes(image)
    return path


WRAPPED = {
    "newline": (PASSPHRASE + b"\n", "ends in a newline"),
    "Windows line break": (PASSPHRASE + b"\r\n", "ends in a Windows line break (CR LF)"),
    "mark": (b"\xef\xbb\xbf" + PASSPHRASE, "begins with a byte order mark"),
    "mark and newline": (b"\xef\xbb\xbf" + PASSPHRASE + b"\n", "a byte order mark and ends in a newline"),
    "UTF-16 with its mark": (PASSPHRASE.decode().encode("utf-16"), "is UTF-16 text"),
    "UTF-16, little end first": (PASSPHRASE.decode().encode("utf-16-le"), "is UTF-16 text"),
    "UTF-16, big end first": (PASSPHRASE.decode().encode("utf-16-be"), "is UTF-16 text"),
}


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("from_stdin", [False, True])
def test_a_wrapped_key_gets_a_hint_and_cryptsetups_answer(device: Path, kind: str, from_stdin: bool) -> None:
    content, hint = WRAPPED[kind]
    file = device.parent / "key file"
    file.write_bytes(content)
    key_file, stdin = ("-", content) if from_stdin else (str(file), b"")
    words = ["open", "--test-passphrase", "-d", key_file, str(device)]
    mine = ours(words, stdin)
    assert mine.verdict == run([require_tool("cryptsetup"), *words], stdin).verdict
    assert mine.code == 2
    assert hint in mine.err
    assert "horse" not in mine.err


@pytest.mark.parametrize("kind", WRAPPED)
def test_the_commands_of_the_hint_give_the_key_that_opens(device: Path, kind: str) -> None:
    file = device.parent / "it's a key file"
    file.write_bytes(WRAPPED[kind][0])
    hint = ours(["open", "--test-passphrase", "-d", file, device]).err.splitlines()[0]
    command = hint.rpartition(": ")[2].removesuffix(" | kdumpkey … --key-file -")
    if kind == "UTF-16, big end first":
        command = command.replace("UTF-16 ", "UTF-16BE ")  # without a mark it is this machine's
    made = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True).stdout
    assert made == PASSPHRASE


def test_a_line_from_standard_input_that_keeps_a_carriage_return_gets_a_hint(device: Path) -> None:
    result = ours(["open", "--test-passphrase", device], PASSPHRASE + b"\r\n")
    assert result.code == 2
    assert "The key read from standard input ends in a carriage return" in result.err


@pytest.mark.parametrize("content", [b"wrong", b"", b"wrong\nhorse", bytes(64), b"\x00\n\x01a" * 9])
def test_other_wrong_keys_get_no_hint(device: Path, content: bytes) -> None:
    (device.parent / "key").write_bytes(content)
    result = ours(["open", "--test-passphrase", "-d", device.parent / "key", device])
    assert result == type(result)(2, "", "No key available with this passphrase.\n")


def test_a_key_that_ends_in_a_newline_and_opens_gets_no_hint(device: Path) -> None:
    (device.parent / "old").write_bytes(PASSPHRASE)
    (device.parent / "new").write_bytes(PASSPHRASE + b"\n")
    words = ["luksAddKey", *CHEAP, "-d", device.parent / "old", device, device.parent / "new"]
    assert ours(words).code == 0
    result = ours(["open", "--test-passphrase", "-d", device.parent / "new", device])
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize(
    "action",
    [
        "luksAddKey -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 -d KEY DEV NEW",
        "luksChangeKey -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 -d KEY DEV NEW",
        "luksConvertKey -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 -d KEY DEV",
        "luksRemoveKey -q DEV KEY",
        "unlock -d KEY DEV",
        "luksDump -q --dump-volume-key -d KEY DEV",
    ],
)
def test_every_action_that_opens_by_a_key_file_gives_the_hint(device: Path, action: str) -> None:
    (device.parent / "KEY").write_bytes(PASSPHRASE + b"\n")
    (device.parent / "NEW").write_bytes(b"new")
    names = {"DEV": device, "KEY": device.parent / "KEY", "NEW": device.parent / "NEW"}
    result = ours([names.get(word, word) for word in action.split()])
    assert result.code == 2
    assert "The key file ends in a newline" in result.err


def test_random_keys_are_not_taken_for_utf_16() -> None:
    assert key_hint(memoryview(bytes(range(1, 65))), "key") is None
    assert key_hint(memoryview(b"a\0b"), "key") is None
