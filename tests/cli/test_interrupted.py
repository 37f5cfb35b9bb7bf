"""Ctrl-C at any moment: no traceback, and nothing that was measured is lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from both import ours
from kdumpkey.cli.commands import argon2 as command
from kdumpkey.cli.interruptible import cancellable
from kdumpkey.errors import CancelledError
from kdumpkey.kdump.cost.measure import Cell, Cost
from tools import HANGS_AFTER_S

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader

# Interrupts the program when it imports a module, or, with a *, when it calls into the system the first time.
INTERRUPTING = """
import os, signal, sys
wanted = sys.argv.pop(1)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from kdumpkey.cli import entry_point
entry_point()
"""
QUIET = (130, -signal.SIGINT)


@pytest.mark.parametrize(
    "module",
    [
        "kdumpkey.cli.main",
        "typer",
        "kdumpkey.cli.options",
        "kdumpkey.streams",
        "kdumpkey.hardening",
        "kdumpkey.cli.commands.headers",
        "kdumpkey.luks",
        "kdumpkey.luks.header",
    ],
)
def test_an_interrupt_while_modules_are_imported_prints_no_traceback(module: str, folder: Path) -> None:
    words = [sys.executable, "-c", INTERRUPTING, module, "luksUUID", folder / "luks2.img"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=HANGS_AFTER_S)
    assert done.returncode in QUIET
    assert done.stderr in ("", "Interrupted.\n")
    assert done.stdout == ""


def test_an_interrupt_that_was_ignored_stays_ignored(folder: Path) -> None:
    words = [sys.executable, "-c", INTERRUPTING, "typer", "luksUUID", folder / "luks2.img"]
    done = subprocess.run(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS_AFTER_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("-") == 4


def interrupted(
    words: list[str], ready: str, waits_at: Path | None = None, *, fills_memory: bool = False
) -> tuple[int, str]:
    """Run it as a terminal's foreground job, and interrupt all of it once it has said something.

    Args:
        words: The command line.
        ready: What it says then.
        waits_at: A FIFO that a command of it opens: by then its Python has started.
        fills_memory: Wait until a command of it derives a key: by then its Python has started.
    """
    command = [sys.executable, "-m", "kdumpkey", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as job:
        assert job.stdout is not None
        said = ""
        while ready not in said:
            line = job.stdout.readline()
            assert line, said
            said += line
        while fills_memory and job.poll() is None and not derives_key(job.pid):
            time.sleep(0.02)
        writer = None if waits_at is None else waits_at.open("wb", buffering=0)
        os.killpg(job.pid, signal.SIGINT)
        said += job.stdout.read()
        if writer is not None:
            writer.close()
    return job.returncode, said


def derives_key(session: int) -> bool:
    """Whether a process of a session has filled more memory than anything but Argon2 does."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            resident = re.search(r"VmRSS:\s+(\d+)", status.read_text())
            if os.getsid(int(status.parent.name)) == session and resident and int(resident[1]) > 200 << 10:
                return True
        except OSError:  # it has ended
            continue
    return False


SCRIPT = """#@disk root.img root 64M
#@first-kernel
kdumpkey kdump status
echo "machine $KDUMPKEY_MACHINE"
echo ready
sleep 600
"""
IN_KDUMPKEY = """#@disk root.img root 64M
#@first-kernel
echo "machine $KDUMPKEY_MACHINE"
echo ready
kdumpkey open --test-passphrase root.img --key-file FIFO
"""


@pytest.mark.parametrize("script", [SCRIPT, IN_KDUMPKEY], ids=["shell", "kdumpkey"])
def test_an_interrupted_scenario_prints_no_traceback_and_leaves_no_machine(
    script: str, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "script").write_text(script.replace("FIFO", str(fifo)))
    words = ["mock", "run", str(tmp_path / "script")]
    code, said = interrupted(words, "ready", fifo if "FIFO" in script else None)
    assert code == 130
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "Interrupted."
    (machine,) = [line.removeprefix("machine ") for line in said.splitlines() if line.startswith("machine /")]
    assert not os.path.lexists(machine)


def test_an_interrupted_demo_prints_no_traceback() -> None:
    code, said = interrupted(["demo"], "kdumpkey kdump name", fills_memory=True)
    assert code == 130
    assert "Traceback" not in said


# -- a passphrase's key derivation

# It lasts long enough to be seen, and takes more memory than anything else does.
DEAR = ["--pbkdf", "argon2id", "--pbkdf-memory", "307200", "--pbkdf-force-iterations", "12"]


@pytest.fixture(scope="module")
def dear(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A device whose keyslot takes a while to open, and its key file."""
    home = tmp_path_factory.mktemp("dear")
    image, key_file = home / "dear.img", home / "pass"
    key_file.write_bytes(b"correct horse")
    image.touch()
    os.truncate(image, 20 << 20)
    assert ours(["luksFormat", "-q", *DEAR, "--pbkdf-parallel", "1", image, key_file]).code == 0
    return image, key_file


def resident_kib(process: int) -> int:
    """The memory that a process has filled."""
    resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(resident[1]) if resident else 0


def interrupted_while_it_derives(program: list[str], dear: tuple[Path, Path]) -> tuple[int, str]:
    image, key_file = dear
    words = [*program, "open", "--test-passphrase", str(image), "--key-file", str(key_file)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as job:
        while job.poll() is None and resident_kib(job.pid) < 100 << 10:
            time.sleep(0.005)
        job.send_signal(signal.SIGINT)
        assert job.stderr is not None
        said = job.stderr.read()
    return job.returncode, said


def test_an_interrupted_derivation_is_cancelled_with_cryptsetups_exit_code(
    dear: tuple[Path, Path], cryptsetup: str
) -> None:
    code, said = interrupted_while_it_derives([sys.executable, "-m", "kdumpkey"], dear)
    assert (code, said) == (1, "Interrupted.\n")
    assert code == interrupted_while_it_derives([cryptsetup], dear)[0]


@contextmanager
def ending() -> Iterator[None]:
    """Stands for the signal that ends the process."""
    raise SystemExit
    yield


@pytest.mark.parametrize(("name", "ends"), [("sha512", CancelledError), ("ripemd160", SystemExit)])
def test_a_derivation_that_cannot_be_cancelled_lets_the_signal_end_the_process(
    name: str, ends: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = SimpleNamespace(hash=name)
    header = cast("LuksHeader", SimpleNamespace(keyslots={}, digests={0: digest}))
    monkeypatch.setattr("kdumpkey.cli.interruptible.interruptible", ending)
    with pytest.raises(ends), cancellable(header):
        raise KeyboardInterrupt


# -- argon2 compare: what was measured counts

GRID = ["argon2", "compare", "--memory", "8M,16M,32M", "--parallel", "1", "--runs", "1"]


def measured_once(cell: Cell, *_words: object, **_how: object) -> Cost:
    if cell.memory_kib == 16 * 1024:
        raise KeyboardInterrupt
    return Cost(cell, 0.5, cell.memory_kib + 1000)


def test_an_interrupted_comparison_shows_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.costs, "measure", measured_once)
    result = ours(GRID)
    assert result.code == 130
    assert "8 MiB" in result.out
    assert "32 MiB" not in result.out
    assert result.err.splitlines()[-1] == "Interrupted."


def test_a_plot_that_cannot_be_drawn_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.costs, "measure", lambda *_words, **_how: pytest.fail("it was measured"))
    result = ours([*GRID, "--plot", tmp_path / "picture.jpg"])
    assert (result.code, result.out) == (1, "")
    assert "a file called .png or .svg" in result.err
    monkeypatch.setattr("kdumpkey.cli.plots.find_spec", lambda _name: None)
    result = ours([*GRID, "--plot", tmp_path / "picture.png"])
    assert (result.code, result.out) == (1, "")
    assert "needs matplotlib" in result.err


@pytest.mark.parametrize("option", ["--plot", "--csv"])
def test_a_file_that_cannot_be_written_loses_no_measurement(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        command.costs, "measure", lambda cell, *_words, **_how: Cost(cell, 0.5, cell.memory_kib)
    )
    result = ours([*GRID, option, tmp_path / "missing" / "file.png"])
    assert result.code == 1
    assert "32 MiB" in result.out
    assert "Cannot write" in result.err
