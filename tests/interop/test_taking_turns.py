"""--serialize-memory-hard-pbkdf: kdumpkey and cryptsetup run Argon2 with much memory one after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flocks import holds, wait_for_a_waiter
from kdumpkey.errors import DeviceError
from kdumpkey.luks import lock
from tools import HANGS_AFTER_S, require_tool, unavailable

NAME = "LN_memory-hard-access"
OURS = [sys.executable, "-m", "kdumpkey"]
MUCH_KIB, LITTLE_KIB = 32 * 1024 + 8, 32 * 1024
pytestmark = pytest.mark.usefixtures("the_only_one")


@pytest.fixture
def the_only_one() -> Iterator[None]:
    """Nobody else on this machine takes turns meanwhile: the lock's folder is the machine's own."""
    try:
        with lock.named(lock.FOLDER, "kdumpkey-test-turns"):
            yield
    except DeviceError as error:
        unavailable(f"cryptsetup's locks cannot be used here: {error}")


@pytest.fixture(params=["kdumpkey", "cryptsetup"])
def program(request: pytest.FixtureRequest) -> list[str]:
    return OURS if request.param == "kdumpkey" else [require_tool("cryptsetup")]


def device(folder: Path, memory_kib: int, passes: int = 4) -> Path:
    path, key = folder / f"device-{memory_kib}", folder / "key"
    path.write_bytes(bytes(17 << 20))
    key.write_text("x")
    costs = [
        "--pbkdf-memory",
        str(memory_kib),
        "--pbkdf-force-iterations",
        str(passes),
        "--pbkdf-parallel",
        "1",
    ]
    words = ["luksFormat", "-q", "--type", "luks2", "--pbkdf", "argon2id", *costs, path, key]
    subprocess.run([require_tool("cryptsetup"), *words], check=True)
    return path


def opening(program: list[str], path: Path, *options: str) -> subprocess.Popen[bytes]:
    key = path.with_name("key")
    return subprocess.Popen([*program, "open", "--test-passphrase", "--key-file", key, *options, path])


@contextmanager
def stopped_with_the_lock(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Hold a process still while it has the lock."""
    file = lock.FOLDER / NAME
    end = time.monotonic() + HANGS_AFTER_S
    while not holds(child.pid, file):
        assert child.poll() is None, "it ended without the lock, or sooner than it was seen"
        assert time.monotonic() < end
        os.sched_yield()
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        assert holds(child.pid, file)
        yield
    finally:
        child.send_signal(signal.SIGCONT)


def test_a_program_that_is_asked_to_take_turns_waits_for_the_lock(tmp_path: Path, program: list[str]) -> None:
    path = device(tmp_path, MUCH_KIB)
    with lock.memory_hard():
        child = opening(program, path, "--serialize-memory-hard-pbkdf")
        wait_for_a_waiter(lock.FOLDER / NAME)
        assert child.poll() is None
    assert child.wait(HANGS_AFTER_S) == 0
    assert not (lock.FOLDER / NAME).exists()


def test_a_program_that_is_not_asked_to_take_turns_does_not_wait(tmp_path: Path, program: list[str]) -> None:
    path = device(tmp_path, MUCH_KIB)
    with lock.memory_hard():
        assert opening(program, path).wait(HANGS_AFTER_S) == 0


def test_32_mib_and_less_are_not_worth_a_turn(tmp_path: Path, program: list[str]) -> None:
    path = device(tmp_path, LITTLE_KIB)
    with lock.memory_hard():
        assert opening(program, path, "--serialize-memory-hard-pbkdf").wait(HANGS_AFTER_S) == 0


@pytest.mark.parametrize("second", ["kdumpkey", "cryptsetup"])
@pytest.mark.parametrize("first", ["kdumpkey", "cryptsetup"])
def test_of_two_that_are_started_together_the_second_waits_for_the_first(
    tmp_path: Path, first: str, second: str
) -> None:
    path = device(tmp_path, 64 * 1024, passes=20)
    programs = {"kdumpkey": OURS, "cryptsetup": [require_tool("cryptsetup")]}
    ahead = opening(programs[first], path, "--serialize-memory-hard-pbkdf")
    with stopped_with_the_lock(ahead):
        behind = opening(programs[second], path, "--serialize-memory-hard-pbkdf")
        wait_for_a_waiter(lock.FOLDER / NAME)
        assert behind.poll() is None
    assert ahead.wait(HANGS_AFTER_S) == 0
    assert behind.wait(HANGS_AFTER_S) == 0
    assert not (lock.FOLDER / NAME).exists()
