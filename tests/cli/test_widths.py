"""What kdumpkey prints for people fits a terminal of 80 columns, tables and help alike."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import roots
from doctor_trees import LAYOUTS
from kdumpkey.cli.columns import WIDTH, folded, folded_fix
from kdumpkey.cli.reference import actions
from kdumpkey.cli.region_text import size

SHORT = ["--runs", "1", "--memory", "16M,64M"]


def printed(*words: str | Path, cwd: Path | None = None, machine: Path | None = None) -> str:
    """What a command prints to a pipe, whose reader expects 80 columns."""
    command = [sys.executable, "-P", "-m", "kdumpkey", *map(str, words)]
    environment = {**os.environ, "COLUMNS": "80", "KDUMPKEY_MACHINE": str(machine or "")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd)
    assert done.stdout
    return done.stdout


def too_wide(text: str) -> list[str]:
    """The lines that are wider than the terminal, though no path or key description in them is to blame."""
    wide = [line for line in text.splitlines() if len(line) > WIDTH]
    return [line for line in wide if max(map(len, line.split())) < 40]


@pytest.mark.parametrize("action", [action.name for action in actions()])
def test_help_fits(action: str) -> None:
    assert too_wide(printed(*action.split(), "--help")) == []


@pytest.mark.parametrize("name", ["fedora", "debian", "fedora, btrfs on two LUKS devices, one key"])
def test_the_doctor_fits(name: str, tmp_path: Path) -> None:
    roots.build(tmp_path, LAYOUTS[name][0])
    assert too_wide(printed("kdump", "doctor", "--root", tmp_path, "-v")) == []


@pytest.mark.parametrize(
    "words",
    [
        ["region", "show", "--seed", "1"],
        ["region", "simulate", "--samples", "100"],
        ["region", "entropy"],
        ["region", "compare"],
        ["argon2", "compare", *SHORT],
        ["argon2", "compare", *SHORT, "--prove"],
        ["argon2", "advise", "--time", "100ms", "--runs", "1"],
        ["kdump", "estimate"],
        ["kdump", "status"],
        ["mock", "scenarios"],
        ["benchmark", "--pbkdf", "pbkdf2"],
    ],
    ids=" ".join,
)
def test_a_table_fits(words: list[str], tmp_path: Path) -> None:
    assert too_wide(printed(*words, cwd=tmp_path)) == []


def test_what_the_simulated_machine_says_fits(tmp_path: Path) -> None:
    machine = tmp_path / "m"
    (tmp_path / "key").write_bytes(bytes(64))
    said = printed("kdump", "boot", machine=machine)
    description = f"kdump-cryptsetup:vk-{roots.UUID}"
    key = ["--volume-key-file", tmp_path / "key", "--key-description", description]
    said += printed("kdump", "name", *key, machine=machine)
    for action in ("load", "status", "audit", "crash"):
        said += printed("kdump", action, machine=machine)
    assert description in said
    assert too_wide(said.replace(str(machine), "machine")) == []


def test_a_folded_command_is_the_same_command_for_a_shell() -> None:
    command = f"printf '%s|' 'two  words' {' '.join(f'word{n}' for n in range(30))} && echo done"
    lines = folded_fix("            Fix: ", command)
    assert len(lines) > 2
    script = "\n".join(line[len("            Fix: ") :] for line in lines)
    whole, in_lines = (subprocess.check_output(["sh", "-c", text]) for text in (command, script))
    assert in_lines == whole


def test_a_text_goes_on_below_itself_and_keeps_its_words() -> None:
    text = " ".join(f"word{n}" for n in range(40))
    lines = folded("check   ", text)
    assert max(map(len, lines)) <= WIDTH
    assert all(re.match(r" {8}\S", line) for line in lines[1:])
    assert " ".join(lines).split() == ["check", *text.split()]


def test_sizes_are_short() -> None:
    assert max(len(size(1 << shift)) for shift in range(40)) <= 10
