"""The manual page and the completions: generated from the tables, and good for those who read them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kdumpkey.cli.completion import WRITERS
from kdumpkey.cli.manual import done, helped, man_page
from tools import require_tool

ROOT = Path(__file__).resolve().parents[2]
FILES = {"bash": "kdumpkey.bash", "zsh": "_kdumpkey", "fish": "kdumpkey.fish"}


def test_the_page_in_the_tree_is_that_of_the_tables() -> None:
    assert (ROOT / "man/kdumpkey.8").read_text() == man_page(), "run make man"


@pytest.mark.parametrize("shell", FILES)
def test_the_completion_in_the_tree_is_that_of_the_tables(shell: str) -> None:
    assert (ROOT / "completion" / FILES[shell]).read_text() == WRITERS[shell](), "run make man"


def test_every_action_and_option_is_in_the_page() -> None:
    page = man_page()
    for name in [action.name for action in done()] + [f"--{option.name}" for option in helped()]:
        assert name.replace("-", "\\-") in page


def test_groff_has_nothing_to_complain_of() -> None:
    command = [require_tool("groff"), "-man", "-Tutf8", "-ww", "-z", ROOT / "man/kdumpkey.8"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""


def bash_completes(line: list[str]) -> list[str]:
    words = " ".join(f"'{word}'" for word in ["kdumpkey", *line])
    script = f"""source {ROOT}/completion/kdumpkey.bash
COMP_WORDS=({words}); COMP_CWORD={len(line)}; _kdumpkey; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run([require_tool("bash"), "-c", script], capture_output=True, text=True, check=True)
    return sorted(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["luksD"], ["luksDump"]),
        (["luksU"], ["luksUUID"]),
        (["kdump", "l"], ["load"]),
        (["region", ""], ["compare", "entropy", "show", "simulate"]),
        (["unlock", "--spa"], ["--sparse"]),
        (["luksDump", "--spa"], []),
        (["kdump", "boot", "--pol"], ["--policy"]),
    ],
)
def test_bash_completes(line: list[str], expected: list[str]) -> None:
    assert bash_completes(line) == expected


def test_fish_completes() -> None:
    def completes(line: str) -> list[str]:
        script = f"source {ROOT}/completion/kdumpkey.fish; complete -C '{line}'"
        command = [require_tool("fish"), "--no-config", "-c", script]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        return [line.split("\t")[0] for line in result.stdout.splitlines()]

    assert completes("kdumpkey luksD") == ["luksDump"]
    assert "load" in completes("kdumpkey kdump l")
    assert "--sparse" in completes("kdumpkey unlock --spar")


def test_zsh_reads_its_completion() -> None:
    script = f"""
autoload -Uz compinit && compinit -u -D
fpath=({ROOT}/completion $fpath); autoload -Uz _kdumpkey
functions _kdumpkey >/dev/null && zsh -n {ROOT}/completion/_kdumpkey && print good
"""
    command = [require_tool("zsh"), "-f", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "good\n"
