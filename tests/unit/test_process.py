"""How a program's own process begins and ends. Each runs in a forked child, which is hardened for good."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from forked import in_child
from kdumpkey import hardening
from kdumpkey._native import secret
from kdumpkey.errors import PermissionDeniedError
from kdumpkey.hardening import harden_process
from kdumpkey.outcome import INTERRUPTED
from kdumpkey.process import run_process
from kdumpkey.streams import Streams

Main = Callable[[Sequence[str], Streams], int]


def _said(into: Path, main: Main) -> tuple[object, str]:
    """The exit code of a program whose function that is, and what it wrote to standard error."""
    with into.open("wb") as file:
        os.dup2(file.fileno(), 2)
    with pytest.raises(SystemExit) as ended:
        run_process("kdumpkey", lambda: main)
    return ended.value.code, into.read_text()


def test_the_exit_code_is_the_functions_and_it_gets_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body() -> None:
        monkeypatch.setattr(sys, "argv", ["kdumpkey", "isLuks", "x"])
        seen: list[str] = []

        def main(words: Sequence[str], _streams: Streams) -> int:
            seen.extend(words)
            assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
            return 7

        assert _said(tmp_path / "err", main) == (7, "")
        assert seen == ["isLuks", "x"]
        # A second Ctrl-C, while Python tidies up, ends it without a traceback.
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL

    in_child(body)


def test_ctrl_c_is_a_line_and_a_code_of_its_own(tmp_path: Path) -> None:
    def main(_words: Sequence[str], _streams: Streams) -> int:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    in_child(lambda: _equal(_said(tmp_path / "err", main), (INTERRUPTED, "Interrupted.\n")))


def _equal(found: object, wanted: object) -> None:
    assert found == wanted


def test_an_ignored_interrupt_stays_ignored(tmp_path: Path) -> None:
    def main(_words: Sequence[str], _streams: Streams) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    def body() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert _said(tmp_path / "err", main) == (0, "")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    in_child(body)


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_no_file_becomes_a_standard_stream_that_was_closed(tmp_path: Path, closed: int) -> None:
    def body() -> None:
        opened: list[int] = []

        def main(_words: Sequence[str], _streams: Streams) -> int:
            opened.append(os.open(tmp_path / "device", os.O_RDWR | os.O_CREAT))
            return 0

        os.close(closed)
        with pytest.raises(SystemExit):
            run_process("kdumpkey", lambda: main)
        assert opened[0] > 2
        with pytest.raises(OSError, match=r"Bad file descriptor|Is a directory"):
            os.write(closed, b"x")

    in_child(body)


def test_a_working_directory_that_was_removed_is_no_obstacle(tmp_path: Path) -> None:
    def body() -> None:
        (tmp_path / "gone").mkdir()
        os.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        assert _said(tmp_path / "err", lambda _words, _streams: 0) == (0, "")

    in_child(body)


def test_an_empty_word_of_pythonpath_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def body() -> None:
        os.chdir(tmp_path)
        monkeypatch.setenv("PYTHONPATH", "/nonexistent:")
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        assert _said(tmp_path / "err", lambda _words, _streams: 0)[0] == 0
        assert str(tmp_path) not in sys.path

    in_child(body)


def test_a_process_that_cannot_be_hardened_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body() -> None:
        monkeypatch.setattr(secret, "forbid_dumps", lambda: 1)
        code, said = _said(tmp_path / "err", lambda _words, _streams: 0)
        assert code == 0
        assert said == "kdumpkey: the process could not be made undumpable: Operation not permitted\n"

    in_child(body)


def test_a_limit_that_cannot_be_set_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_number: int, _limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(hardening.resource, "setrlimit", refuse)
    with pytest.raises(PermissionDeniedError, match="core dumps could not be switched off: not allowed"):
        harden_process()
