"""Files that get their name when they are whole, and what is never opened for one."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from filesystems import refuse_links, refuse_modes, refuse_unnamed_files
from kdumpkey.errors import OutputError, OutputExistsError
from kdumpkey.storage import publish
from kdumpkey.storage.publish import new_file, open_output, write_file
from kdumpkey.storage.signals import HeldSignals, SignalledError

Lacking = Callable[[pytest.MonkeyPatch], None]


def nothing(_monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary filesystem."""


def neither(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_unnamed_files(monkeypatch)
    refuse_links(monkeypatch)


def no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_DESCRIPTORS", "/nonexistent")


FILESYSTEMS = pytest.mark.parametrize("lacking", [nothing, refuse_unnamed_files, neither, no_proc])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@FILESYSTEMS
@pytest.mark.parametrize("sync", [False, True])
def test_a_file_appears_whole_with_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: Lacking, sync: bool
) -> None:
    lacking(monkeypatch)
    before = os.umask(0o777)
    try:
        with new_file(tmp_path / "out", mode=0o640, sync=sync) as fd:
            assert "out" not in names(tmp_path)
            os.write(fd, b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "out").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640
    assert names(tmp_path) == ["out"]


@FILESYSTEMS
def test_a_file_is_written_where_files_have_no_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: Lacking
) -> None:
    lacking(monkeypatch)
    refuse_modes(monkeypatch)
    with new_file(tmp_path / "out", mode=0o640) as fd:
        os.write(fd, b"content")
    assert (tmp_path / "out").read_bytes() == b"content"


@FILESYSTEMS
def test_an_error_leaves_nothing_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: Lacking
) -> None:
    lacking(monkeypatch)
    (tmp_path / "old").write_bytes(b"old")
    for name in ("old", "new"):
        with pytest.raises(LookupError), new_file(tmp_path / name, replace=True) as fd:
            {}[os.write(fd, b"half")]
    assert names(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


@FILESYSTEMS
def test_a_file_is_replaced_only_where_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: Lacking
) -> None:
    lacking(monkeypatch)
    (tmp_path / "out").write_bytes(b"before")
    with pytest.raises(OutputExistsError, match="exists already; --force replaces it"):
        write_file(tmp_path / "out", b"after")
    assert (tmp_path / "out").read_bytes() == b"before"
    write_file(tmp_path / "out", b"after", replace=True)
    assert (tmp_path / "out").read_bytes() == b"after"
    assert names(tmp_path) == ["out"]


@FILESYSTEMS
def test_a_file_that_appears_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: Lacking
) -> None:
    lacking(monkeypatch)
    with pytest.raises(OutputExistsError), new_file(tmp_path / "out"):
        (tmp_path / "out").write_bytes(b"theirs")
    assert (tmp_path / "out").read_bytes() == b"theirs"
    assert names(tmp_path) == ["out"]


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_link(path: Path) -> None:
    (path.parent / "target").write_bytes(b"target")
    path.symlink_to("target")


def make_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def make_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/full")


@FILESYSTEMS
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_fifo, "is a FIFO"),
        (make_socket, "is a socket"),
        (make_link, "is a symbolic link to target"),
        (make_dangling_link, "is a symbolic link to nowhere"),
        (make_link_to_a_device, "is a symbolic link to /dev/full"),
        (Path.mkdir, "is a directory"),
    ],
)
def test_what_is_no_file_is_refused_and_left_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lacking: Lacking,
    replace: bool,
    make: Callable[[Path], None],
    said: str,
) -> None:
    make(tmp_path / "out")
    before = (tmp_path / "out").lstat()
    content = names(tmp_path)
    lacking(monkeypatch)
    for way in (new_file, open_output):
        with pytest.raises(OutputError, match=said), way(tmp_path / "out", replace=replace):
            pytest.fail("it was opened")
    after = (tmp_path / "out").lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert names(tmp_path) == content


def test_a_fifo_with_a_reader_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out")
    reading = os.open(tmp_path / "out", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(OutputError, match="is a FIFO"):
            write_file(tmp_path / "out", b"secret", replace=True)
        assert os.read(reading, 1) == b""  # nobody ever opened it for writing, or this would be an error
    finally:
        os.close(reading)


@FILESYSTEMS
def test_a_fifo_that_takes_the_name_meanwhile_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: Lacking
) -> None:
    lacking(monkeypatch)
    with pytest.raises(OutputExistsError), new_file(tmp_path / "out"):
        os.mkfifo(tmp_path / "out")
    assert stat.S_ISFIFO((tmp_path / "out").lstat().st_mode)
    assert names(tmp_path) == ["out"]


def test_the_folder_stays_the_one_that_was_opened(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").mkdir()
    with new_file(tmp_path / "folder" / "out") as fd:
        os.write(fd, b"content")
        (tmp_path / "folder").rename(tmp_path / "moved")
        (tmp_path / "folder").symlink_to("other")
    assert (tmp_path / "moved" / "out").read_bytes() == b"content"
    assert names(tmp_path / "other") == []


@pytest.mark.parametrize("name", ["missing/out", "file/out", "x" * 300, "a\0b", "", "file/"])
def test_a_name_that_cannot_be_is_an_error_of_the_output(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Cannot write"):
        write_file(f"{tmp_path}/{name}", b"content", replace=True)
    assert names(tmp_path) == ["file"]


def test_a_block_device_is_written_only_where_asked_for(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    found = subprocess.run(
        ["losetup", "--find", "--show", tmp_path / "disk"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip(f"a loop device cannot be had: {found.stderr.strip()}")
    loop = found.stdout.strip()
    try:
        with pytest.raises(OutputExistsError, match="--force overwrites it"), open_output(loop):
            pytest.fail("it was opened")
        with pytest.raises(OutputError, match="a block device, not a regular file"):
            write_file(loop, b"content", replace=True)
        with open_output(loop, replace=True) as output:
            assert output.block_device
            os.pwrite(output.fd, b"content", 4096)
        (tmp_path / "link").symlink_to(loop)
        with pytest.raises(OutputError, match="symbolic link"), open_output(tmp_path / "link", replace=True):
            pytest.fail("it was opened")
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)
    assert (tmp_path / "disk").read_bytes()[4096:4103] == b"content"


REPLACING = """
import os, signal, sys
from kdumpkey.storage import publish

number, where = int(sys.argv[2]), sys.argv[3]
really = getattr(os, where)
def killed(*words, **how):
    done = really(*words, **how)
    os.kill(os.getpid(), number)
    return done
setattr(os, where, killed)
publish.write_file(sys.argv[1], b"after", replace=True)
"""


@pytest.mark.parametrize("where", ["open", "link", "replace", "fchmod", "write"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_a_file_is_replaced_leaves_the_old_or_the_new_one_alone(
    tmp_path: Path, where: str, number: int
) -> None:
    (tmp_path / "out").write_bytes(b"before")
    done = subprocess.run(
        [sys.executable, "-c", REPLACING, tmp_path / "out", str(int(number)), where],
        capture_output=True,
        check=False,
    )
    assert done.returncode == -number
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() in (b"before", b"after")


def test_a_held_signal_comes_at_the_end_and_an_ignored_one_never() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with HeldSignals():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
            assert came == []
        assert came == [signal.SIGTERM]
        with HeldSignals() as held:
            held.interrupting = True
            with pytest.raises(SignalledError):
                signal.raise_signal(signal.SIGTERM)
        assert came == [signal.SIGTERM] * 2
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGHUP, ignored)


def test_a_handler_that_goes_on_makes_a_signal_an_error_of_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_unnamed_files(monkeypatch)
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    try:
        with pytest.raises(OutputError, match="interrupted by a signal"), new_file(tmp_path / "out"):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert names(tmp_path) == []


def test_another_thread_than_the_main_one_writes_files_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_unnamed_files(monkeypatch)
    writer = threading.Thread(target=write_file, args=(tmp_path / "out", b"content"))
    writer.start()
    writer.join()
    assert (tmp_path / "out").read_bytes() == b"content"
