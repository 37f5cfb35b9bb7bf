"""The program that runs each command of a scenario: its exit code, and what it writes down."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from forked import in_child
from kdumpkey.mock import step

SHELL = "/bin/sh"


def _run(monkeypatch: pytest.MonkeyPatch, log: Path, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["step.py", str(log), *words])
    return step.main()


def _written(log: Path) -> dict[str, Any]:
    (line,) = log.read_text().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_commands_exit_code_is_its_own_and_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    assert _run(monkeypatch, tmp_path / "log", "sh", SHELL, "-c", f"exit {code}") == code
    written = _written(tmp_path / "log")
    assert (written["command"], written["exit_code"]) == (f"sh {SHELL} -c exit {code}", code)
    assert written["seconds"] >= 0
    assert written["peak_kib"] > 0
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_signal_that_ends_the_command_is_told_as_a_shell_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(monkeypatch, tmp_path / "log", "sh", SHELL, "-c", "kill -TERM $$") == 128 + signal.SIGTERM
    assert _written(tmp_path / "log")["exit_code"] == 128 + signal.SIGTERM


def test_a_program_that_is_not_there_is_127(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, tmp_path / "log", "gone", str(tmp_path / "gone")) == 127
    assert _written(tmp_path / "log")["exit_code"] == 127


def test_the_words_of_a_wrapper_are_left_out_of_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDUMPKEY_STEP_WORDS", "2")
    assert _run(monkeypatch, tmp_path / "log", "kdumpkey", SHELL, "-c", "exit 0") == 0
    assert _written(tmp_path / "log")["command"] == "kdumpkey exit 0"


def test_each_command_adds_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (1, 2):
        _run(monkeypatch, tmp_path / "log", "sh", SHELL, "-c", f"exit {code}")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["exit_code"] for line in lines] == [1, 2]


@pytest.mark.parametrize(("script", "code"), [("exit 4", 4), ("kill -INT $$", 130)])
def test_a_scenario_that_is_over_meanwhile_loses_the_line_and_not_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, code: int
) -> None:
    assert _run(monkeypatch, tmp_path / "gone" / "log", "sh", SHELL, "-c", script) == code
    assert not (tmp_path / "gone").exists()


def test_ctrl_c_reaches_the_command_though_it_is_ignored_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_sigint_ignored() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert _run(monkeypatch, tmp_path / "log", "sh", SHELL, "-c", "kill -INT $$; exit 0") == 130

    in_child(with_sigint_ignored)
    assert _written(tmp_path / "log")["exit_code"] == 128 + signal.SIGINT
