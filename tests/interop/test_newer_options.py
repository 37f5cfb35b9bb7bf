"""The options of cryptsetup 2.7 and 2.8: those that concern files work, the rest is refused by name."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from both import Result, ours
from kdumpkey import keyring
from kdumpkey.errors import KeyringError
from kdumpkey.luks.device import open_luks

CHEAP = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
KEY = bytes(range(64))


@pytest.fixture
def in_user_keyring() -> Iterator[str]:
    """A key of this process's own, with the passphrase of the image."""
    name = f"kdumpkey-test:{os.getpid()}"
    try:
        number = keyring.add_key("user", name, b"the passphrase", keyring.SpecialKeyring.PROCESS)
    except KeyringError as error:
        pytest.skip(f"no keyring here: {error}")
    yield name
    keyring.revoke_key(number)


@pytest.fixture
def volume_key_in_keyring() -> Iterator[str]:
    name = f"kdumpkey-test-vk:{os.getpid()}"
    try:
        number = keyring.add_key("user", name, KEY, keyring.SpecialKeyring.PROCESS)
    except KeyringError as error:
        pytest.skip(f"no keyring here: {error}")
    yield f"%user:{name}"
    keyring.revoke_key(number)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(20 << 20)
    (tmp_path / "passphrase").write_bytes(b"the passphrase")
    (tmp_path / "vk").write_bytes(KEY)
    words = ["luksFormat", "-q", *CHEAP, "--volume-key-file", tmp_path / "vk", path, tmp_path / "passphrase"]
    assert ours(words) == Result(0, "", "")
    return path


def opens(path: Path, passphrase: bytes) -> bool:
    return ours(["open", "--test-passphrase", path, "-d", "-"], passphrase).code == 0


def test_a_passphrase_may_lie_in_the_keyring(image: Path, in_user_keyring: str) -> None:
    for words in (
        ["open", "--test-passphrase", image],
        ["unlock", image],
        ["luksDump", "-q", "--dump-volume-key", image],
    ):
        assert ours([*words, "--key-description", in_user_keyring]).code == 0
    result = ours(["open", "--test-passphrase", image, "--key-description", "no:such"])
    assert result.code == 1
    assert result.err.splitlines()[-1] == "Failed to read passphrase from keyring."


def test_a_new_passphrase_may_lie_in_the_keyring(image: Path, tmp_path: Path, in_user_keyring: str) -> None:
    (tmp_path / "other").write_bytes(b"other")
    words = ["luksAddKey", *CHEAP, image, tmp_path / "other", "--key-description", in_user_keyring]
    assert ours(words).code == 0
    assert opens(image, b"other")
    words = ["luksAddKey", *CHEAP, image, "-d", tmp_path / "other", "-v"]
    result = ours([*words, "--new-key-description", in_user_keyring])
    assert (result.code, result.out.splitlines()[-2]) == (0, "Key slot 2 created.")
    result = ours([*words, "--new-key-description", "no:such"])
    assert (result.code, result.err.splitlines()[-1]) == (1, "Failed to read passphrase from keyring.")


def test_a_header_is_made_of_keys_in_the_keyring(
    tmp_path: Path, in_user_keyring: str, volume_key_in_keyring: str
) -> None:
    path = tmp_path / "new"
    with path.open("wb") as file:
        file.truncate(20 << 20)
    words = ["luksFormat", "-q", *CHEAP, path, "--key-description", in_user_keyring]
    assert ours([*words, "--volume-key-keyring", volume_key_in_keyring]) == Result(0, "", "")
    with open_luks(path) as luks, luks.unlock(b"the passphrase") as opened:
        assert opened.volume_key.equals(KEY)
    result = ours([*words, "--volume-key-keyring", volume_key_in_keyring, "-s", "256"])
    assert result.code == 1
    assert "has 64 bytes" in result.err
    assert opens(path, b"the passphrase")


def test_luks_add_key_takes_the_volume_key_from_the_keyring(
    image: Path, tmp_path: Path, volume_key_in_keyring: str
) -> None:
    (tmp_path / "third").write_bytes(b"third")
    words = ["luksAddKey", *CHEAP, image, tmp_path / "third", "--volume-key-keyring", volume_key_in_keyring]
    assert ours(words) == Result(0, "", "")
    assert opens(image, b"third")


def test_disable_blkid_asks_nothing_of_what_is_there(image: Path, tmp_path: Path) -> None:
    words = ["luksFormat", *CHEAP, image, tmp_path / "passphrase"]
    assert "already contains a 'crypto_LUKS'" in ours(words).err
    assert ours([*words, "--disable-blkid"]) == Result(0, "", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["luksFormat", "-q", "IMAGE", "KEY", "--hw-opal"], "makes no OPAL devices (--hw-opal)"),
        (["luksFormat", "-q", "IMAGE", "KEY", "--hw-opal-only"], "makes no OPAL devices (--hw-opal-only)"),
        (["erase", "-q", "IMAGE", "--hw-opal-factory-reset"], "resets no OPAL disks"),
        (["luksFormat", "-q", "IMAGE", "KEY", "--integrity-inline"], "together with --integrity option"),
        (["luksDump", "IMAGE", "--external-tokens-path", "/"], "runs no external token handlers"),
        (["open", "IMAGE", "--test-passphrase", "--external-tokens-path", "/"], "token handlers"),
        (["luksAddKey", "IMAGE", "--external-tokens-path", "/"], "runs no external token handlers"),
        (["token", "export", "IMAGE", "--token-id", "0", "--external-tokens-path", "/"], "token handlers"),
        (["reencrypt", "IMAGE", "--new-key-size", "512", "--force-no-keyslots"], "does not do reencrypt"),
        (["reencrypt", "IMAGE", "--new-volume-key-file", "x"], "does not do reencrypt"),
        (["reencrypt", "IMAGE", "--new-volume-key-keyring", "x", "--disable-blkid"], "does not do reencrypt"),
        (["isLuks", "IMAGE", "--new-key-size", "512"], "--new-key-size is not allowed with isLuks action"),
        (["luksDump", "IMAGE", "--disable-blkid"], "--disable-blkid is not allowed with luksDump action"),
        (["erase", "IMAGE", "--hw-opal"], "--hw-opal is not allowed with erase action"),
        (["open", "IMAGE", "x", "--disable-keyring", "--key-description", "x"], "when keyring is disabled"),
    ],
)
def test_what_kdumpkey_does_not_do_is_refused_by_name(
    image: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    before = image.read_bytes()
    named = {"IMAGE": str(image), "KEY": str(tmp_path / "passphrase")}
    result = ours([named.get(word, word) for word in words])
    assert result.code == 1
    assert said in result.err
    assert image.read_bytes() == before


def test_every_option_of_the_newer_cryptsetup_is_known(newer_cryptsetup: Path) -> None:
    page = subprocess.run([newer_cryptsetup, "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"--[a-z][\w-]+", page)) - {"--help", "--usage", "--version"}
    assert len(options) > 100
    said = {option: ours([option, "1", "isLuks", "x", "--test-args"]).err for option in sorted(options)}
    assert [option for option, words in said.items() if "unknown option" in words] == []


# -- --debug


@pytest.mark.parametrize("option", ["--debug", "--debug-json"])
def test_debug_says_what_a_bug_report_needs_and_no_secret(image: Path, tmp_path: Path, option: str) -> None:
    result = ours(["unlock", image, "-d", tmp_path / "passphrase", option, "--to", tmp_path / "out"])
    assert result.code == 0
    assert result.out.splitlines()[-2:] == ["Key slot 0 unlocked.", "Command successful."]
    lines = result.err.splitlines()
    assert all(line.startswith("# ") for line in lines)
    for part in ("kdumpkey ", "Python ", "typer ", "AES-XTS tiers", "memory available", "LUKS2 header"):
        assert part in result.err
    assert ('"keyslots"' in result.err) is (option == "--debug-json")
    for secret in ("the passphrase", KEY.hex(), "00010203"):
        assert secret not in result.err


def test_debug_says_where_an_error_came_from(image: Path) -> None:
    result = ours(["open", "--debug", "--test-passphrase", image], b"wrong")
    assert result.code == 2
    assert "# WrongKeyError at luks/unlock.py:" in result.err
    assert "wrong" not in result.err.replace("No key available", "").replace("WrongKeyError", "")
    result = ours(["luksDump", "--debug", "/nonexistent"])
    assert result.code == 4
    assert "# /nonexistent: " in result.err
