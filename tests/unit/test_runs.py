"""Long runs of files and devices: mapped, read directly, or read; and what a file does meanwhile."""

from __future__ import annotations

import faulthandler
import itertools
import mmap
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import kdumpkey
from forked import in_child
from kdumpkey._native.fileio import FileWindow, allocate, data_runs
from kdumpkey.errors import DeviceError
from kdumpkey.storage import pipeline
from kdumpkey.storage.device import open_readonly, open_readwrite
from kdumpkey.storage.runs import LONGEST, Runs, runs_of
from kdumpkey.volume.decrypt import decrypt_to_file
from kdumpkey.volume.encrypt import encrypt_from
from kdumpkey.volume.volume import CryptSegment, Volume

MIB, PAGE = 1 << 20, 4096
SIZE = 3 * MIB
CONTENT = os.urandom(SIZE)
KEY = bytes(range(64))
SEGMENT = CryptSegment(0, SIZE, "aes-xts-plain64", 4096)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(CONTENT)
    return made


def used(runs: Runs, offset: int, length: int) -> bytes:
    got: list[bytes] = []
    runs.use(offset, length, lambda view, _: got.append(bytes(view)))
    return got[-1]


# --- windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 1, 511, PAGE - 1, PAGE, MIB + 5])
@pytest.mark.parametrize("length", [1, PAGE, PAGE + 1, MIB])
def test_a_window_shows_the_run_that_it_was_moved_to(path: Path, offset: int, length: int) -> None:
    window = FileWindow(MIB)
    with path.open("rb") as file:
        for at in (offset // 2, offset):
            window.move(file.fileno(), at, length)
            with memoryview(window) as view:
                assert view == CONTENT[at : at + length]
                assert view.readonly
            assert window.intact()
    window.close()


def test_a_page_that_the_file_lost_reads_as_zeros_and_the_window_says_so(path: Path) -> None:
    window = FileWindow(MIB)
    with path.open("r+b") as file:
        window.move(file.fileno(), 0, MIB)
        with memoryview(window) as view:
            os.truncate(path, 2 * PAGE)
            assert bytes(view[: 2 * PAGE]) == CONTENT[: 2 * PAGE]
            assert bytes(view[2 * PAGE :]) == bytes(MIB - 2 * PAGE)
        assert not window.intact()
        window.move(file.fileno(), 0, PAGE)
        assert window.intact()


def test_an_end_that_was_cut_within_a_page_is_noticed_though_no_access_fails(path: Path) -> None:
    window = FileWindow(MIB)
    with path.open("r+b") as file:
        window.move(file.fileno(), 0, PAGE)
        os.truncate(path, PAGE - 1)
        with memoryview(window) as view:
            assert view[PAGE - 1] == 0
        assert not window.intact()


def test_a_window_that_is_looked_through_neither_moves_nor_closes(path: Path) -> None:
    window = FileWindow(MIB)
    with path.open("rb") as file:
        window.move(file.fileno(), 0, PAGE)
        with memoryview(window) as view:
            with pytest.raises(BufferError):
                window.move(file.fileno(), PAGE, PAGE)
            with pytest.raises(BufferError):
                window.close()
            assert bytes(view) == CONTENT[:PAGE]
        for length in (MIB + 2 * PAGE, 2**63):
            with pytest.raises(OSError, match="Invalid argument"):
                window.move(file.fileno(), 0, length)
        with pytest.raises(ValueError, match="shows nothing"):
            memoryview(window)


def test_windows_come_to_an_end_and_are_given_back() -> None:
    windows: list[FileWindow] = []
    with pytest.raises(OSError, match="temporarily unavailable"):
        windows.extend(FileWindow(PAGE) for _ in range(1000))
    assert len(windows) >= 32
    windows.clear()
    FileWindow(PAGE).close()


def test_threads_that_fail_at_once_each_learn_of_their_own_window(path: Path) -> None:
    cut = path.with_name("cut")
    cut.write_bytes(CONTENT)
    ready = threading.Barrier(8)
    outcomes: list[tuple[bool, bool]] = []

    def look(which: Path, loses: bool) -> None:
        window = FileWindow(MIB)
        with which.open("rb") as file:
            window.move(file.fileno(), MIB, MIB)
            ready.wait()
            if loses:
                os.truncate(which, PAGE)
            with memoryview(window) as view:
                total = bytes(view)
            right = total == (bytes(MIB) if loses else CONTENT[MIB : 2 * MIB])
            outcomes.append((window.intact(), right))

    threads = [threading.Thread(target=look, args=(cut if i % 2 else path, bool(i % 2))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [(False, True)] * 4 + [(True, True)] * 4


def test_a_window_over_a_file_that_cannot_be_mapped_leaves_its_place_to_others() -> None:
    # Linux unmaps what was there before it asks the file, which then refuses.
    def body() -> None:
        window = FileWindow(MIB)
        with Path("/proc/version").open("rb") as file, pytest.raises(OSError, match=r"error|denied|device"):
            window.move(file.fileno(), 0, MIB)
        others = [mmap.mmap(-1, MIB) for _ in range(16)]  # one of them lies where the window was
        for other in others:
            other.write(b"x" * MIB)
        with pytest.raises(OSError, match="Invalid argument"):
            window.move(0, 0, PAGE)
        window.close()
        assert all(other[:] == b"x" * MIB for other in others)

    in_child(body)


FOREIGN = """
import mmap, os, signal, sys
from kdumpkey._native.fileio import FileWindow
if sys.argv[2] == "python":
    signal.signal(signal.SIGBUS, lambda *_: os._exit(77))
if sys.argv[2] == "ignored":
    signal.signal(signal.SIGBUS, signal.SIG_IGN)
window = FileWindow(4096)
if sys.argv[3] == "sent":
    os.kill(os.getpid(), signal.SIGBUS)
    sys.exit(0)
with open(sys.argv[1], "r+b") as file:
    other = mmap.mmap(file.fileno(), 4096)
    os.truncate(sys.argv[1], 0)
    other[0]
"""


@pytest.mark.parametrize(
    ("handler", "how", "code"),
    [
        ("default", "access", -signal.SIGBUS),
        ("default", "sent", -signal.SIGBUS),
        ("ignored", "access", -signal.SIGBUS),
        ("ignored", "sent", 0),
        ("python", "sent", 77),
    ],
)
def test_a_bus_error_elsewhere_does_what_it_did_before(path: Path, handler: str, how: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", FOREIGN, path, handler, how], check=False, timeout=60)
    assert done.returncode == code


def test_a_handler_that_came_later_has_the_signal_and_files_are_read_instead(path: Path) -> None:
    def child() -> None:
        FileWindow(PAGE).close()
        faulthandler.disable()
        faulthandler.enable(file=open(os.devnull, "w"))  # noqa: SIM115 - stays open as long as the handler
        with pytest.raises(OSError, match="busy"):
            FileWindow(PAGE)
        with open_readonly(path) as device:
            assert used(runs_of(device), 0, MIB) == CONTENT[:MIB]

    in_child(child)


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 512, PAGE + 7])
@pytest.mark.parametrize("length", [1, 4096, 65536, 65537, LONGEST])
def test_a_run_of_a_file_is_its_bytes(path: Path, offset: int, length: int) -> None:
    with open_readonly(path, start=512) as device:
        runs = runs_of(device)
        assert used(runs, offset, length) == CONTENT[512 + offset : 512 + offset + length]
        runs.close()


@pytest.mark.parametrize("offset", [0, 512, PAGE + 7, SIZE - LONGEST])
@pytest.mark.parametrize("length", [1, 4096, 65537, LONGEST])
def test_a_run_of_a_block_device_is_read_past_the_page_cache(path: Path, offset: int, length: int) -> None:
    with open_readonly(path) as device:
        asked: list[int] = []

        def read(buffer: object, at: int) -> None:
            asked.append(at)
            device.pread_into(buffer, at)  # type: ignore[arg-type]

        runs = Runs(device.fileno(), read, is_block=True)
        assert used(runs, offset, length) == CONTENT[offset : offset + length]
        runs.close()
        try:
            direct = os.open(path, os.O_RDONLY | os.O_DIRECT)
        except OSError:  # a filesystem without it: then it is read all the same
            assert asked == [offset]
        else:
            os.close(direct)
            assert asked == []


def test_a_direct_read_that_fails_is_made_again_in_the_ordinary_way(path: Path) -> None:
    with open_readonly(path) as device:
        runs = Runs(device.fileno(), device.pread_into, is_block=True)
        os.truncate(path, PAGE + 5)
        assert used(runs, 0, PAGE + 5) == CONTENT[: PAGE + 5]
        with pytest.raises(DeviceError, match="it is shorter than it was"):
            used(runs, 0, 2 * PAGE)
        runs.close()


# --- sources that change while they are used ----------------------------------------------------------


def encrypted(path: Path) -> None:
    with open_readwrite(path) as device, Volume(device, (SEGMENT,), KEY) as volume:
        volume.write(CONTENT, 0)


def cutting(path: Path, to: int) -> Callable[[int], None]:
    """Cut the file once the first piece is done."""
    return lambda _: os.truncate(path, min(to, path.stat().st_size))


@pytest.mark.parametrize("to", [0, MIB + PAGE, SIZE - PAGE, SIZE - 1])
def test_decrypting_a_file_that_is_cut_meanwhile_is_an_error_and_leaves_nothing(
    path: Path, to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_MOST_THREADS", 1)  # so that a piece comes after the first is done
    encrypted(path)
    with open_readonly(path) as device, Volume(device, (SEGMENT,), KEY) as volume:
        if to == SIZE - 1:
            os.truncate(path, to)
        progress = _once(cutting(path, to))
        with pytest.raises(DeviceError, match=r"ends at byte \d+, it is shorter than it was"):
            decrypt_to_file(volume, path.with_name("out"), range(SIZE), progress=progress)
    assert not path.with_name("out").exists()


def _once(change: Callable[[int], None]) -> Callable[[int], None]:
    left = [change]
    return lambda count: left.pop()(count) if left else None


@pytest.mark.parametrize("mapped", [True, False])
def test_a_file_cut_while_a_piece_of_it_is_decrypted_is_an_error(
    path: Path, mapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypted(path)
    if not mapped:
        monkeypatch.setattr(Runs, "_through_window", lambda *_: False)
    with open_readonly(path) as device, Volume(device, (SEGMENT,), KEY) as volume:
        out = bytearray(MIB)
        volume.read_run_into(out, MIB)
        assert out == CONTENT[MIB : 2 * MIB]
        os.truncate(path, MIB + 5 * PAGE)
        with pytest.raises(DeviceError, match=f"ends at byte {MIB + 5 * PAGE}, it is shorter"):
            volume.read_run_into(out, MIB)


def test_a_plaintext_cut_while_it_is_encrypted_writes_nothing_of_the_failed_piece(path: Path) -> None:
    target = path.with_name("volume")
    target.write_bytes(bytes(SIZE))
    with (
        open_readwrite(target) as device,
        Volume(device, (SEGMENT,), KEY) as volume,
        path.open("rb") as source,
    ):
        real = volume.write

        def cut_then_write(*arguments: object, **named: object) -> None:
            os.truncate(path, PAGE)
            real(*arguments, **named)  # type: ignore[arg-type]

        volume.write = cut_then_write  # type: ignore[method-assign]
        with pytest.raises(DeviceError, match="became shorter while it was read"):
            encrypt_from(volume, source.fileno(), "plain")
    assert not any(target.read_bytes())


def test_what_a_run_gives_is_what_reading_gives(path: Path) -> None:
    encrypted(path)
    with open_readonly(path) as device, Volume(device, (SEGMENT,), KEY) as volume:
        for offset, length in ((0, SIZE), (5, 70000), (PAGE, MIB), (SIZE - 3, 3), (7, 0)):
            out = bytearray(length)
            volume.read_run_into(out, offset)
            assert out == CONTENT[offset : offset + length]
        with pytest.raises(ValueError, match="not in a volume"):
            volume.read_run_into(bytearray(1), SIZE)


# --- the rest -------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 4095, 4096, 4097, 3 * 4096 + 5])
@pytest.mark.parametrize("lit", [(), (0,), (4095,), (4096,), (0, 8192), (-1,)])
def test_runs_of_data_are_the_blocks_that_are_not_all_zeros(length: int, lit: tuple[int, ...]) -> None:
    buffer = bytearray(length)
    for place in lit:
        if -length <= place < length:
            buffer[place] = 1
    blocks = [(at, min(at + 4096, length)) for at in range(0, length, 4096)]
    wanted = [b"\0" if not any(buffer[a:b]) else b"x" for a, b in blocks]
    runs = data_runs(buffer, 4096)
    marked = bytearray(len(blocks))
    for start, end in runs:
        assert start % 4096 == 0
        assert start < end <= length
        for at in range(start, end, 4096):
            marked[at // 4096] = 1
    assert [bool(each) for each in marked] == [each == b"x" for each in wanted]
    assert all(one[1] < two[0] for one, two in itertools.pairwise(runs))


def test_a_file_is_allocated_but_not_on_tmpfs(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as file:
        allocate(file.fileno(), MIB)
        allocate(file.fileno(), 0)
    with memory_file() as file:
        allocate(file, MIB)
        assert os.fstat(file).st_blocks == 0


@contextmanager
def memory_file() -> Iterator[int]:
    """A file on the tmpfs that the kernel has for itself."""
    fd = os.memfd_create("tmpfs")
    yield fd
    os.close(fd)


def test_a_window_uses_no_more_address_space_than_it_was_made_for() -> None:
    assert mmap.PAGESIZE <= 65536
    with pytest.raises(OSError, match="Invalid argument"):
        FileWindow(0)


def test_the_stub_is_true_to_the_module(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy, which has stubtest, is not installed")
    # Buffers have these methods at run time since PEP 688 (3.12) only.
    allowed = tmp_path / "allowed"
    allowed.write_text("kdumpkey._native.fileio.FileWindow.__(buffer|release_buffer)__\n")
    root = Path(kdumpkey.__file__).parent.parent
    where = {} if root.name == "site-packages" else {"MYPYPATH": str(root)}
    modules = ("kdumpkey._native.fileio", "kdumpkey._native.aescbc")
    allowing = ("--ignore-unused-allowlist", "--allowlist", str(allowed))
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", *modules, *allowing],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **where},
    )
    assert done.returncode == 0, done.stdout + done.stderr
