"""The manual page and the completion scripts: as committed, and as their readers take them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kdumpkey.cli import actions, options
from kdumpkey.cli.generated import generated
from tools import require_tool

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(generated()))
def test_the_committed_file_is_the_generated_one(name: str) -> None:
    assert (ROOT / name).read_text() == generated()[name], "run make man"


def test_the_page_has_every_action_and_every_option_of_help() -> None:
    page = generated()["man/kdumpkey.8"].replace("\\-", "-")
    assert all(rf"\fB{action.name}\fR" in page for action in actions.ACTIONS if action.command)
    assert all(rf"\fB--{option.name}\fR" in page for option in options.OPTIONS if option.help)


def test_man_finds_nothing_wrong_with_the_page() -> None:
    command = [require_tool("man"), "--warnings", "-E", "UTF-8", "-l", ROOT / "man/kdumpkey.8"]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env={"MANWIDTH": "80"})
    assert done.stderr == ""
    assert "luksFormat" in done.stdout


def complete(*words: str) -> list[str]:
    script = ROOT / "completions/kdumpkey.bash"
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"source '{script}'; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _kdumpkey; "
    code += 'printf "%s\\n" "${COMPREPLY[@]}"'
    command = [require_tool("bash"), "--norc", "-c", code]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()


def test_bash_completes_actions_options_and_second_words() -> None:
    assert complete("kdumpkey", "luksF") == ["luksFormat"]
    assert complete("kdumpkey", "-q", "luksO") == ["luksOpen"]
    assert complete("kdumpkey", "luksFormat", "--batch") == ["--batch-mode"]
    assert complete("kdumpkey", "kdump", "cra") == ["crash"]


@pytest.mark.parametrize(("shell", "name"), [("zsh", "_kdumpkey"), ("fish", "kdumpkey.fish")])
def test_another_shell_reads_its_script(shell: str, name: str) -> None:
    done = subprocess.run(
        [require_tool(shell), "-n", ROOT / "completions" / name], capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
