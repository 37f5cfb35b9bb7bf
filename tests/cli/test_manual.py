"""The manual page, docs/cli.md and the completions: made of what the app declares, and good to read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdumpkey.cli.app import Program
from kdumpkey.cli.reference import FILES, actions, man_page, markdown, stale
from tools import require_tool

ROOT = Path(__file__).resolve().parents[2]
DONE = list(actions())


@pytest.mark.parametrize("name", FILES)
def test_the_file_in_the_tree_is_current(name: str) -> None:
    assert (ROOT / name).read_text() == FILES[name](), "run make man"


def test_a_file_that_is_missing_or_changed_is_stale(tmp_path: Path) -> None:
    assert stale(tmp_path) == list(FILES)
    for name, make in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(make())
    assert stale(tmp_path) == []
    (tmp_path / "man/kdumpkey.8").write_text("changed")
    assert stale(tmp_path) == ["man/kdumpkey.8"]


def test_every_action_that_is_not_hidden_is_described() -> None:
    names = {action.name.partition(" ")[0] for action in DONE}
    assert names == {name for name, entry in Program.entries.items() if not entry.hidden}


@pytest.mark.parametrize("action", DONE, ids=lambda action: action.name)
def test_every_action_and_option_is_in_both_pages(action: object) -> None:
    page, web = man_page(), markdown()
    for name in [action.name, *(option.spelling for option in action.options)]:  # type: ignore[attr-defined]
        assert name.replace("-", "\\-") in page
        assert name in web


@pytest.mark.parametrize("action", DONE, ids=lambda action: action.name)
def test_every_action_has_an_example_of_itself(action: object) -> None:
    assert f"kdumpkey {action.name}" in action.example  # type: ignore[attr-defined]


def test_groff_has_nothing_to_complain_of() -> None:
    command = [require_tool("groff"), "-man", "-Tutf8", "-ww", "-z", ROOT / "man/kdumpkey.8"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""


def environment() -> dict[str, str]:
    """One in which a shell finds kdumpkey."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def bash_completes(line: list[str]) -> list[str]:
    words = " ".join(f"'{word}'" for word in ["kdumpkey", *line])
    script = f"""source {ROOT}/completion/kdumpkey.bash
COMP_WORDS=({words}); COMP_CWORD={len(line)}
_kdumpkey_completion kdumpkey; printf '%s\\n' "${{COMPREPLY[@]}}" """
    command = [require_tool("bash"), "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    assert done.stderr == ""
    return sorted(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["luksD"], ["luksDump"]),
        (["luksU"], ["luksUUID"]),
        (["luksO"], ["luksOpen"]),
        (["kdump", "l"], ["load"]),
        (["region", ""], ["compare", "entropy", "show", "simulate"]),
        (["unlock", "--spa"], ["--sparse"]),
        (["luksDump", "--spa"], []),
        (["luksOpen", "--read"], ["--readonly"]),
        (["--key-file", "x", "-q", "open", "--verify"], ["--verify-passphrase"]),
        (["kdump", "boot", "--pol"], ["--policy"]),
        (["kdump", "boot", "--policy", ""], ["hardened", "upstream", "v1"]),
        (["luksFormat", "--pbkdf", "argon2"], ["argon2i", "argon2id"]),
        (["luksFormat", "--type", "luks"], ["luks", "luks1", "luks2"]),
        (["luksFormat", "-c", "aes-x"], ["aes-xts-plain64"]),
        (["config", "--priority", "p"], ["prefer"]),
        (["mock", "run", "dem"], ["demo"]),
        (["kdump", "keyctl", "un"], ["unlink"]),
        (["kdump", "reuse", ""], ["off", "on"]),
        (["token", "un"], ["unassign"]),
        (["isLuks", ""], []),  # bash then offers files
    ],
)
def test_bash_completes(line: list[str], expected: list[str]) -> None:
    assert bash_completes(line) == expected


def test_bash_completes_files_where_kdumpkey_offers_nothing() -> None:
    assert "complete -o default" in (ROOT / "completion/kdumpkey.bash").read_text()


def test_fish_completes() -> None:
    def completes(line: str) -> list[str]:
        script = f"source {ROOT}/completion/kdumpkey.fish; complete -C '{line}'"
        command = [require_tool("fish"), "--no-config", "-c", script]
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
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


def test_the_shell_that_asks_is_shown_its_completion() -> None:
    command = [require_tool("bash"), "-c", "kdumpkey --show-completion; exit $?"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.rstrip() == (ROOT / "completion/kdumpkey.bash").read_text().rstrip()
