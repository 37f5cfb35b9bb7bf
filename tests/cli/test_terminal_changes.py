"""What a person who changes a header sees and types: the same with kdumpkey as with cryptsetup."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pexpect
import pytest

from both import run

KDUMPKEY = [sys.executable, "-m", "kdumpkey"]
TIMEOUT_S = 30
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
        timeout=TIMEOUT_S,
        encoding="utf-8",
        env={**os.environ, "LC_ALL": "C"},
    )
    child.delaybeforesend = None
    seen = ""
    for prompt, answer in typed:
        child.expect(prompt)
        seen += child.before + child.after
        if prompt != SURE:
            child.waitnoecho(TIMEOUT_S)
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
