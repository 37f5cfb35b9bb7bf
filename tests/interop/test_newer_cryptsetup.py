"""What kdumpkey writes, a cryptsetup of a newer release dumps, opens and edits, and the other way round."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from both import ours, run

MIB = 1 << 20
CHEAP = {
    "luks1": ["--type", "luks1", "--pbkdf-force-iterations", "1000"],
    "luks2": ["--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"],
}


@pytest.fixture(params=CHEAP)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_is_as_new_as_it_is_to_be(newer_cryptsetup: Path) -> None:
    name, version, *_ = run([newer_cryptsetup, "--version"]).out.split()
    assert name == "cryptsetup"
    assert tuple(int(number) for number in version.split(".")[:2]) >= (2, 8)


def test_both_write_for_each_other(newer_cryptsetup: Path, tmp_path: Path, kind: str) -> None:
    device = tmp_path / "device"
    device.touch()
    os.truncate(device, 20 * MIB)
    for name in ("one", "two", "three", "four"):
        (tmp_path / name).write_text(name)
    costs = [word for word in CHEAP[kind] if word not in ("--type", kind)]

    def mine(*words: str | Path) -> int:
        return ours(words).code

    def theirs(*words: str | Path) -> int:
        return run([newer_cryptsetup, *words]).code

    def opens(name: str) -> tuple[int, int]:
        check = ("open", "--test-passphrase", device, "-d", tmp_path / name)
        return mine(*check), theirs(*check)

    assert mine("luksFormat", "-q", *CHEAP[kind], device, tmp_path / "one") == 0
    assert theirs("luksAddKey", "-q", *costs, "-d", tmp_path / "one", device, tmp_path / "two") == 0
    assert mine("luksAddKey", "-q", *costs, "-d", tmp_path / "two", device, tmp_path / "three") == 0
    assert theirs("luksKillSlot", "-q", device, "0") == 0
    assert mine("luksChangeKey", "-q", *costs, "-d", tmp_path / "three", device, tmp_path / "four") == 0
    assert opens("two") == opens("four") == (0, 0)
    assert opens("one") == opens("three") == (2, 2)
    if kind == "luks2":
        assert mine("config", device, "--label", "a label", "--subsystem", "s") == 0
        assert mine("token", "add", device, "--key-description", "kdumpkey-test:none") == 0
        exported = run([newer_cryptsetup, "token", "export", "--token-id", "0", device]).out
        assert json.loads(exported)["key_description"] == "kdumpkey-test:none"
    assert theirs("luksHeaderBackup", device, "--header-backup-file", tmp_path / "backup") == 0
    assert mine("erase", "-q", device) == 0
    assert mine("luksHeaderRestore", "-q", device, "--header-backup-file", tmp_path / "backup") == 0
    assert opens("two") == (0, 0)
