"""luksAddKey --new-token-id: the new passphrase is the one that a keyring token names, as with cryptsetup."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from both import ENVIRONMENT, Result, ours, run
from forked import in_child
from kdumpkey import keyring
from kdumpkey.errors import KeyringError
from kdumpkey.keyring import SpecialKeyring
from tools import require_tool, unavailable

COST = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
SESSION = SpecialKeyring.SESSION
TOKENS = {
    1: {"type": "luks2-keyring", "keyslots": [], "key_description": "test:there"},
    2: {"type": "luks2-keyring", "keyslots": [], "key_description": "test:missing"},
    3: {"type": "another", "keyslots": []},
}
CODES = {1: 0, 2: 2, 3: 1, 9: 1}  # by the token's number; there is no token 9

pytestmark = pytest.mark.usefixtures("each_cryptsetup")


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A device with a passphrase in keyslot 0, and the tokens."""
    try:
        keyring.keyring_id(SpecialKeyring.PROCESS, create=True)
    except KeyringError as error:
        unavailable(f"the kernel's keyrings cannot be used here: {error}")
    path, key = tmp_path / "device", tmp_path / "key"
    path.write_bytes(bytes(20 << 20))
    key.write_text("old")
    tool = require_tool("cryptsetup")
    subprocess.run([tool, "luksFormat", "-q", *COST, path, key], check=True, env=ENVIRONMENT)
    for number, token in TOKENS.items():
        words = [tool, "token", "import", "--token-id", str(number), path]
        subprocess.run(words, input=json.dumps(token).encode(), check=True, env=ENVIRONMENT)
    return path


def tokens(path: Path) -> dict[str, list[str]]:
    """The keyslots of each token."""
    metadata = json.loads(run([require_tool("cryptsetup"), "luksDump", "--dump-json-metadata", path]).out)
    return {number: token["keyslots"] for number, token in metadata["tokens"].items()}


def with_a_key(body: Callable[[], None]) -> None:
    def child() -> None:
        keyring.join_session()
        keyring.add_key("user", "test:there", b"new", SESSION)
        body()

    in_child(child)


@pytest.mark.parametrize("number", CODES)
def test_both_add_the_passphrase_of_a_token_or_refuse_alike(device: Path, number: int) -> None:
    def body() -> None:
        before, states = device.read_bytes(), []
        words: list[str | Path] = ["luksAddKey", "-q", *COST, "-d", device.with_name("key")]
        words += ["--new-key-slot", "4", "--new-token-id", str(number), device]
        for program in (ours, lambda line: run([require_tool("cryptsetup"), *line])):
            device.write_bytes(before)
            states.append((program(words).code, tokens(device)))
        assert states[0] == states[1]
        assert states[0][0] == CODES[number]
        if number in TOKENS and CODES[number]:
            device.write_bytes(before)
            assert ours(words).code
            assert device.read_bytes() == before

    with_a_key(body)


def test_the_token_opens_the_new_keyslot(device: Path) -> None:
    def body() -> None:
        key = device.with_name("key")
        assert ours(["luksAddKey", *COST, "-d", key, "--new-token-id", "1", device]) == Result(0, "", "")
        assert tokens(device)["1"] == ["1"]
        opening: list[str | Path] = ["open", "--test-passphrase", "--token-only", "--token-id", "1", device]
        assert ours(opening).code == 0
        assert run([require_tool("cryptsetup"), *opening]).code == 0

    with_a_key(body)


def test_a_token_gives_the_old_passphrase_and_another_the_new(device: Path) -> None:
    def body() -> None:
        keyring.add_key("user", "test:old", b"old", SESSION)
        adding: list[str | Path] = [
            "token",
            "add",
            "--key-description",
            "test:old",
            "--token-id",
            "0",
            device,
        ]
        assert ours(adding).code == 0
        assert ours(["luksAddKey", *COST, "--token-id", "0", "--new-token-id", "1", device]).code == 0
        assert tokens(device)["1"] == ["1"]

    with_a_key(body)


def test_a_token_that_no_key_answers_is_named(device: Path) -> None:
    def body() -> None:
        words: list[str | Path] = ["luksAddKey", *COST, "-d", device.with_name("key"), "--new-token-id"]
        assert "Token 2 gives no passphrase" in ours([*words, "2", device]).err
        assert "No usable token is available." in ours([*words, "3", device]).err

    with_a_key(body)
