"""open --test-passphrase in a reencryption that was begun: the data need both keys, as in cryptsetup 2.8."""

from __future__ import annotations

from pathlib import Path

import pytest

from both import ours, run
from tools import require_tool

MIB = 1 << 20
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A volume whose reencryption was begun: ``one`` opens keyslot 0, the old key, and 1, the new one."""
    image, tool = tmp_path / "image", require_tool("cryptsetup")
    image.write_bytes(bytes(32 * MIB))
    key = tmp_path / "one"
    key.write_text("one")
    for line in (
        ["luksFormat", "-q", *CHEAP, image, key],
        ["reencrypt", "-q", "--init-only", "--force-offline-reencrypt", *CHEAP, "-d", key, image],
    ):
        done = run([tool, *line])
        assert done.code == 0, done
    return image


@pytest.mark.parametrize("killed", [None, 0, 1])
def test_a_passphrase_must_open_both_keys_unless_a_keyslot_is_named(
    begun: Path, newer_cryptsetup: Path, killed: int | None
) -> None:
    if killed is not None:
        assert run([require_tool("cryptsetup"), "luksKillSlot", "-q", begun, str(killed)]).code == 0
    before, codes = begun.read_bytes(), []
    for passphrase, *options in (["one"], ["wrong"], ["one", "-S", "0"], ["one", "-S", "1"]):
        line = ["open", "--test-passphrase", begun, "--key-file", "-", *options]
        mine, theirs = ours(line, passphrase.encode()), run([newer_cryptsetup, *line], passphrase.encode())
        begun.write_bytes(before)
        if passphrase == "wrong" and killed == 0:
            # Only the new key's keyslot is left to try. It counts as unbound for cryptsetup, which says so.
            assert (mine.code, theirs.code) == (2, 1)
        else:
            assert mine.verdict == theirs.verdict, (passphrase, options)
        codes.append(mine.code)
    assert codes[:2] == ([0, 2] if killed is None else [1, 2])
