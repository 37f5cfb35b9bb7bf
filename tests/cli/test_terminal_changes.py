"""What a person who changes a header sees and types: the same with kdumpkey as with cryptsetup."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pexpect
import pytest

from both import run
from tools import HANGS_AFTER_S

KDUMPKEY = [sys.executable, "-m", "kdumpkey"]
CHEAP = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
NEW, AGAIN, SURE = "Enter passphrase for .*: ", "Verify passphrase: ", "capital letters.: "
END_OF_INPUT = "\x04"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, cryptsetup: str) -> Path:
    """Small devices with ``one`` in keyslot 0, and ``two`` in keyslot 1 of some; and backups of two."""
    home = tmp_path_factory.mktemp("images")
    for name in ("one", "two"):
        (home / name).write_text(name)
    (home / "blank").touch()
    os.truncate(home / "blank", 20 << 20)

    def cs(line: str) -> None:
        assert (
            run([cryptsetup, *(str(home / w[1:]) if w.startswith("@") else w for w in line.split())]).code
            == 0
        )

    for kind, options in {
        "luks1": "--type luks1 --pbkdf-force-iterations 1000",
        "luks2": f"--offset 4096 --sector-size 512 {CHEAP}",
    }.items():
        (home / kind).touch()
        os.truncate(home / kind, 4 << 20)
        cs(f"luksFormat -q {options} -s 256 @{kind} @one")
        cs(f"luksHeaderBackup @{kind} --header-backup-file @{kind}.backup")
        shutil.copy(home / kind, home / f"{kind}.two")
        cs(f"luksAddKey -q --pbkdf-force-iterations 1000 --pbkdf pbkdf2 -d @one @{kind}.two @two")
    return home


def held(
    program: list[str], line: str, typed: list[tuple[str, str]], folder: Path
) -> tuple[str, int | None, int | None]:
    """What stood on the terminal, and how the program ended."""
    words = [*program, *line.split()]
    child = pexpect.spawn(
        words[0],
        words[1:],
        cwd=str(folder),
        timeout=HANGS_AFTER_S,
        encoding="utf-8",
        env={**os.environ, "LC_ALL": "C"},
    )
    child.delaybeforesend = None
    seen = ""
    for prompt, answer in typed:
        child.expect(prompt)
        seen += child.before + child.after
        if prompt != SURE:
            child.waitnoecho(HANGS_AFTER_S)
        if answer == END_OF_INPUT:
            child.send(answer)
        else:
            child.sendline(answer)
    child.expect(pexpect.EOF)
    seen += child.before
    child.close()
    return seen, child.exitstatus, child.signalstatus


WARNED = [
    (f"luksFormat -q {CHEAP} DEV", "blank", [(NEW, "pässword")]),
    (f"luksAddKey -q {CHEAP} -d one DEV", "luks2", [("new passphrase for key slot: ", "pässword")]),
    (f"luksChangeKey -q {CHEAP} -d one DEV", "luks2", [("Enter new passphrase: ", "pässword")]),
]


@pytest.mark.parametrize(("line", "image", "typed"), WARNED, ids=[line.split()[0] for line, *_ in WARNED])
def test_a_typed_passphrase_outside_ascii_is_warned_of(
    tmp_path: Path, images: Path, line: str, image: str, typed: list[tuple[str, str]]
) -> None:
    shutil.copy(images / image, tmp_path / "DEV")
    shutil.copy(images / "one", tmp_path)
    plain = [(prompt, answer.replace("ä", "a")) for prompt, answer in typed]
    warning = "WARNING: The passphrase has characters outside ASCII."
    seen, code, _ = held(KDUMPKEY, line, typed, tmp_path)
    assert (code, seen.count(warning)) == (0, 1)
    shutil.copy(images / image, tmp_path / "DEV")
    seen, code, _ = held(KDUMPKEY, line, plain, tmp_path)
    assert (code, seen.count(warning)) == (0, 0)


UUID = "0f3d1f52-5ac2-4bd1-9a3c-0123456789ab"
CONFIRMED = [
    (f"luksUUID --uuid {UUID} -v DEV", "luks2", [(SURE, "no")]),
    (f"luksUUID --uuid {UUID} -v DEV", "luks1", [(SURE, "YES")]),
    (f"luksUUID --uuid {UUID} -q -v DEV", "luks2", []),
    ("luksUUID --uuid nonsense -v DEV", "luks2", [(SURE, "YES")]),
    ("luksHeaderRestore -v --header-backup-file luks2.backup DEV", "luks2.other", [(SURE, "no")]),
    ("luksHeaderRestore -v --header-backup-file luks1.backup DEV", "luks1.other", [(SURE, "no")]),
    ("luksHeaderRestore -v --header-backup-file luks2.backup DEV", "luks2", [(SURE, "no")]),
]


@pytest.mark.parametrize(("line", "image", "typed"), CONFIRMED)
def test_both_ask_the_same_before_they_change(
    tmp_path: Path, images: Path, cryptsetup: str, line: str, image: str, typed: list[tuple[str, str]]
) -> None:
    for kind in ("luks1", "luks2"):
        shutil.copy(images / f"{kind}.backup", tmp_path)
    outcomes = []
    for program in (KDUMPKEY, [cryptsetup]):
        shutil.copy(images / image.removesuffix(".other"), tmp_path / "DEV")
        if image.endswith(".other"):
            assert run([cryptsetup, "luksUUID", "-q", "--uuid", UUID, tmp_path / "DEV"]).code == 0
        said = held(program, line, typed, tmp_path)
        outcomes.append((said, run([cryptsetup, "luksUUID", tmp_path / "DEV"]).out))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(("kind", "other"), [("luks1", "luks2"), ("luks2", "luks1")])
def test_a_header_of_another_version_is_told_of_and_kept_before_it_is_replaced(
    tmp_path: Path, images: Path, cryptsetup: str, kind: str, other: str
) -> None:
    shutil.copy(images / kind, tmp_path / "DEV")
    shutil.copy(images / f"{other}.backup", tmp_path / "backup")
    line = "luksHeaderRestore --header-backup-file backup DEV"
    seen, code, _ = held(KDUMPKEY, line, [(SURE, "YES")], tmp_path)
    assert code == 0
    assert f"Device DEV has a LUKS header of version {kind[-1]}." in seen
    [kept] = tmp_path.glob("backup.replaced-*")
    check = [cryptsetup, "open", "--test-passphrase", kept, "--key-file", images / "one"]
    assert run(check).code == 0
