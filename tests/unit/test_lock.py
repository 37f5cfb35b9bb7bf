"""The lock of a header: the files' and the block devices', among threads and with cryptsetup."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flocks import wait_for_a_waiter
from kdumpkey.errors import DeviceError
from kdumpkey.luks import lock
from kdumpkey.storage.device import open_readwrite
from tools import HANGS_AFTER_S, require_tool


def test_who_comes_second_to_a_device_waits_for_the_first(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with lock.named(tmp_path, "L_8:1"):
            order.append("second")

    thread = threading.Thread(target=second)
    with lock.named(tmp_path, "L_8:1"):
        thread.start()
        wait_for_a_waiter(tmp_path / "L_8:1")
        order.append("first")
    thread.join(HANGS_AFTER_S)
    assert order == ["first", "second"]
    assert list(tmp_path.iterdir()) == []  # the last one has tidied up


def test_a_lock_file_that_was_removed_meanwhile_locks_nobody_out(tmp_path: Path) -> None:
    name = tmp_path / "L_8:1"
    entered = threading.Event()

    def second() -> None:
        with lock.named(tmp_path, "L_8:1"):
            entered.set()
            assert name.exists()  # one of its own

    fd = os.open(name, os.O_CREAT | os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    thread = threading.Thread(target=second)
    thread.start()
    wait_for_a_waiter(name)
    name.unlink()
    assert not entered.is_set()
    os.close(fd)
    thread.join(HANGS_AFTER_S)
    assert entered.is_set()


def test_devices_with_other_numbers_do_not_wait(tmp_path: Path) -> None:
    with lock.named(tmp_path, "L_8:1"), lock.named(tmp_path, "L_8:2"):
        assert {path.name for path in tmp_path.iterdir()} == {"L_8:1", "L_8:2"}


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "cryptsetup"
    with lock.named(folder, "L_8:1"):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_folder_that_is_none_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "cryptsetup"
    folder.symlink_to(tmp_path) if kind == "link" else folder.touch()
    with pytest.raises(DeviceError, match="Locking directory"), lock.named(folder, "L_8:1"):
        pass


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_lock_file_that_is_none_is_refused(tmp_path: Path, kind: str) -> None:
    name, other = tmp_path / "L_8:1", tmp_path / "other"
    if kind == "link":
        name.symlink_to(other)
    else:
        os.mkfifo(name)
    with pytest.raises(DeviceError, match="Lock file"), lock.named(tmp_path, "L_8:1"):
        pass
    assert not other.exists()


@pytest.mark.parametrize("program", ["kdumpkey", "cryptsetup"])
def test_an_edit_of_a_file_waits_for_the_lock(tmp_path: Path, program: str) -> None:
    device, key = tmp_path / "device", tmp_path / "key"
    device.write_bytes(bytes(20 << 20))
    key.write_text("x")
    tool = require_tool("cryptsetup")
    cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
    subprocess.run([tool, "luksFormat", "-q", *cheap, device, key], check=True)
    words = [sys.executable, "-m", "kdumpkey"] if program == "kdumpkey" else [tool]
    with open_readwrite(device) as opened, lock.exclusive(opened):
        before = device.read_bytes()
        child = subprocess.Popen([*words, "config", "--label", "later", str(device)])
        wait_for_a_waiter(device)
        assert device.read_bytes() == before
        assert child.poll() is None
    assert child.wait(HANGS_AFTER_S) == 0
    assert b"later" in device.read_bytes()[:4096]
