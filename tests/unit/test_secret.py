"""SecretBuffer: where its memory lies, what it shows, and when it is gone."""

from __future__ import annotations

import copy
import ctypes
import gc
import hashlib
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kdumpkey
from forked import in_child
from kdumpkey._native.secret import move_out
from kdumpkey.secret import SecretBuffer, take, wipe
from tools import HANGS_AFTER_S

pytestmark = pytest.mark.every_python

PAGE = resource.getpagesize()


def address(buffer: SecretBuffer | memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def vm_flags(of_address: int) -> set[str]:
    """The VmFlags of the mapping that holds an address, from /proc/self/smaps."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split(maxsplit=1)[0]
        if "-" in first and not first.endswith(":"):
            low, high = (int(bound, 16) for bound in first.split("-"))
            inside = low <= of_address < high
        elif inside and first == "VmFlags:":
            return set(line.split()[1:])
    raise AssertionError(f"no mapping holds {of_address:#x}")


def mapped(at: int) -> bool:
    """Whether a page is mapped here: msync of unmapped memory is ENOMEM."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.msync(ctypes.c_void_p(at // PAGE * PAGE), ctypes.c_size_t(PAGE), 1) == 0)


# --- the memory -----------------------------------------------------------------------------------


def test_a_new_buffer_holds_zeros_of_the_length_asked_for() -> None:
    with SecretBuffer(PAGE + 1) as buffer:
        assert len(buffer) == PAGE + 1
        assert not any(memoryview(buffer))


@pytest.mark.parametrize("nbytes", [0, 1, PAGE - 1, PAGE, PAGE + 1])
def test_every_length_around_a_page_can_be_filled_to_its_last_byte(nbytes: int) -> None:
    content = os.urandom(nbytes)
    with SecretBuffer(nbytes) as buffer:
        memoryview(buffer)[:] = content
        assert memoryview(buffer) == content
        assert not buffer.closed


def test_a_negative_length_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="-1 bytes"):
        SecretBuffer(-1)


def test_a_length_that_no_mapping_can_have_is_a_memory_error() -> None:
    with pytest.raises(MemoryError):
        SecretBuffer(sys.maxsize)
    with pytest.raises(MemoryError):
        SecretBuffer(1 << 60)


def test_the_mapping_is_locked_left_out_of_dumps_and_wiped_on_fork() -> None:
    with SecretBuffer(64) as buffer:
        assert buffer.locked
        assert {"lo", "dd", "wf"} <= vm_flags(address(buffer))


def test_two_small_buffers_share_no_page() -> None:
    with SecretBuffer(16) as one, SecretBuffer(16) as other:
        assert address(one) // PAGE != address(other) // PAGE
        assert address(one) % PAGE == address(other) % PAGE == 0


def test_where_locking_is_refused_the_buffer_works_unlocked_and_says_so() -> None:
    child = """
import resource
from kdumpkey.secret import SecretBuffer
buffer = SecretBuffer(64)
memoryview(buffer)[:4] = b"abcd"
print(buffer, buffer.locked, buffer.closed, memoryview(buffer)[:4] == b"abcd")
"""

    def unprivileged_without_locked_memory() -> None:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        if os.geteuid() == 0:
            drop_lock_capability()

    done = subprocess.run(
        [sys.executable, "-c", child],
        preexec_fn=unprivileged_without_locked_memory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "<SecretBuffer 64 bytes, not locked> False False True\n", done.stderr


def drop_lock_capability() -> None:
    """CAP_IPC_LOCK (14) out of the bounding set and, through an exec as root, out of the rest."""
    assert ctypes.CDLL(None).prctl(24, 14, 0, 0, 0) == 0  # PR_CAPBSET_DROP


# --- closing --------------------------------------------------------------------------------------


def test_close_wipes_at_once_under_an_exported_view_and_unmaps_with_the_last() -> None:
    buffer = SecretBuffer.copy_of(b"k" * 64)
    first, second = memoryview(buffer), memoryview(buffer)
    at = address(second)
    gc.collect()  # from_buffer's own export
    assert bytes(first) == b"k" * 64
    buffer.close()
    assert bytes(first) == bytes(second) == bytes(64)
    assert mapped(at)
    first.release()
    assert bytes(second) == bytes(64)
    second.release()
    assert not mapped(at)


def test_what_a_view_writes_after_close_is_not_readable_through_a_new_view() -> None:
    buffer = SecretBuffer(8)
    with memoryview(buffer) as view:
        buffer.close()
        view[:] = b"too late"
        with pytest.raises(ValueError, match="closed"):
            memoryview(buffer)


def test_after_close_everything_that_touches_content_raises_value_error() -> None:
    buffer = SecretBuffer(8)
    buffer.close()
    assert buffer.closed
    assert not buffer.locked
    assert len(buffer) == 8
    for use in (
        lambda: memoryview(buffer),
        lambda: buffer.xor(b"a"),
        lambda: buffer.equals(b"a" * 8),
        lambda: SecretBuffer.copy_of(buffer),
        buffer.__enter__,
    ):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_closing_twice_is_harmless_and_leaving_the_block_closes() -> None:
    with SecretBuffer(8) as buffer:
        buffer.close()
    buffer.close()
    assert buffer.closed


def test_many_threads_may_use_a_buffer_that_another_closes() -> None:
    content = bytes(range(256)) * 64
    buffer = SecretBuffer.copy_of(content)
    started = threading.Barrier(4)
    seen: list[bool] = []

    def compare() -> None:
        started.wait()
        while True:
            try:
                seen.append(buffer.equals(content))
            except ValueError:
                return

    threads = [threading.Thread(target=compare) for _ in range(3)]
    for thread in threads:
        thread.start()
    started.wait()
    buffer.close()
    for thread in threads:
        thread.join(timeout=HANGS_AFTER_S)
    assert not any(thread.is_alive() for thread in threads)
    assert all(seen)


# --- what is left, seen from outside --------------------------------------------------------------

SCANNED_CHILD = """
import sys, os
from kdumpkey.secret import SecretBuffer, take
def say(word):
    print(word, flush=True)
    sys.stdin.readline()
def make(nbytes):
    # XOR of two halves that are each random: the wanted bytes are nowhere but in the buffer.
    buffer = SecretBuffer(nbytes)
    with open(sys.argv[1], "rb", buffering=0) as one, open(sys.argv[2], "rb", buffering=0) as other:
        one.readinto(buffer)
        with SecretBuffer(nbytes) as mask:
            other.readinto(mask)
            buffer.xor(mask)
    return buffer
buffer = make(48)
view = memoryview(buffer)
say("made")
if sys.argv[3] == "close":
    buffer.close()
elif sys.argv[3] == "collect":
    del view, buffer
say("gone")
"""


def occurrences(pid: int, wanted: bytes) -> int:
    """How often some bytes stand in the readable memory of a process."""
    found = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            bounds, mode, *_, name = line.split(maxsplit=5) if line.count(" ") > 4 else [*line.split(), ""]
            if not mode.startswith("r") or name.startswith(("[vvar", "[vsyscall")):
                continue
            low, high = (int(bound, 16) for bound in bounds.split("-"))
            memory.seek(low)
            found += memory.read(high - low).count(wanted)
    return found


@pytest.mark.parametrize("how", ["close", "collect"])
def test_a_parent_finds_the_content_in_a_child_before_and_not_after(tmp_path: Path, how: str) -> None:
    wanted, mask = os.urandom(48), os.urandom(48)
    (tmp_path / "one").write_bytes(bytes(a ^ b for a, b in zip(wanted, mask, strict=True)))
    (tmp_path / "other").write_bytes(mask)
    with subprocess.Popen(
        [sys.executable, "-c", SCANNED_CHILD, tmp_path / "one", tmp_path / "other", how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "made\n"
        before = occurrences(child.pid, wanted)
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "gone\n"
        after = occurrences(child.pid, wanted)
        child.stdin.write("\n")
    assert (before, after) == (1, 0)


def test_a_forked_child_cannot_use_the_content_and_the_parent_still_can() -> None:
    buffer = SecretBuffer.copy_of(b"k" * 64)
    view = memoryview(buffer)

    def child() -> None:
        with pytest.raises(ValueError, match="forked child"):
            memoryview(buffer)
        assert buffer.closed
        assert not buffer.locked
        assert bytes(view) == bytes(64)

    in_child(child)
    assert buffer.equals(b"k" * 64)
    assert bytes(view) == b"k" * 64


def test_a_forked_child_may_close_and_collect_what_its_parent_goes_on_using() -> None:
    buffer = SecretBuffer.copy_of(b"k" * 64)

    def child() -> None:
        nonlocal buffer
        buffer.close()
        del buffer
        gc.collect()

    in_child(child)
    assert buffer.equals(b"k" * 64)


# --- what it shows --------------------------------------------------------------------------------


def test_the_repr_tells_length_and_state_and_no_content() -> None:
    buffer = SecretBuffer.copy_of(b"hunter2!")
    assert repr(buffer) == str(buffer) == f"{buffer}" == "<SecretBuffer 8 bytes, locked>"
    buffer.close()
    assert repr(buffer) == "<SecretBuffer 8 bytes, closed>"


@pytest.mark.parametrize("copying", [copy.copy, copy.deepcopy, pickle.dumps, bytes])
def test_copying_pickling_and_bytes_are_refused(copying: Callable[[SecretBuffer], object]) -> None:
    with SecretBuffer.copy_of(b"hunter2!") as buffer, pytest.raises(TypeError, match="not copied") as caught:
        copying(buffer)
    assert "hunter2" not in str(caught.value)


def test_equality_and_hash_go_by_identity() -> None:
    one, other = SecretBuffer.copy_of(b"same"), SecretBuffer.copy_of(b"same")
    assert one != other
    assert one == one  # noqa: PLR0124
    assert len({one, other, one}) == 2


def test_a_view_is_writable_flat_bytes() -> None:
    with SecretBuffer(24) as buffer, memoryview(buffer) as view:
        assert (view.format, view.itemsize, view.ndim, view.shape, view.strides, view.readonly) == (
            "B",
            1,
            1,
            (24,),
            (1,),
            False,
        )
        assert view.cast("Q").shape == (3,)
        view[3:5] = b"xy"
        assert buffer.equals(b"\0\0\0xy" + bytes(19))


def test_the_kernel_and_hashlib_read_and_write_it_directly() -> None:
    with SecretBuffer(32) as buffer, open("/dev/zero", "rb", buffering=0) as source:
        memoryview(buffer)[:] = b"k" * 32
        assert hashlib.sha256(buffer).digest() == hashlib.sha256(b"k" * 32).digest()
        assert source.readinto(buffer) == 32
        assert buffer.equals(bytes(32))


# --- operations -----------------------------------------------------------------------------------


@given(content=st.binary(max_size=300))
def test_a_copy_has_the_content_of_any_buffer(content: bytes) -> None:
    for source in (content, bytearray(content), memoryview(content)):
        with SecretBuffer.copy_of(source) as buffer:
            assert buffer.equals(content)
            with SecretBuffer.copy_of(buffer) as again:
                assert again.equals(content)


def test_a_copy_of_wider_items_takes_their_bytes() -> None:
    with SecretBuffer.copy_of(memoryview(b"12345678").cast("I")) as buffer:
        assert buffer.equals(b"12345678")


@given(
    data=st.data(),
    content=st.binary(max_size=200),
)
def test_xor_is_the_bytewise_xor_at_an_offset(data: st.DataObject, content: bytes) -> None:
    offset = data.draw(st.integers(0, len(content)))
    other = data.draw(st.binary(max_size=len(content) - offset))
    expected = bytearray(content)
    for i, byte in enumerate(other):
        expected[offset + i] ^= byte
    with SecretBuffer.copy_of(content) as buffer:
        buffer.xor(other, offset=offset)
        assert buffer.equals(expected)
        buffer.xor(other, offset)
        assert buffer.equals(content)


def test_a_buffer_xored_with_itself_is_zero() -> None:
    with SecretBuffer.random(100) as buffer:
        buffer.xor(buffer)
        assert buffer.equals(bytes(100))


@pytest.mark.parametrize(("nbytes", "offset"), [(9, 0), (8, 1), (0, 9), (1, 8), (1, -1), (1, sys.maxsize)])
def test_xor_that_does_not_fit_is_refused_and_changes_nothing(nbytes: int, offset: int) -> None:
    with SecretBuffer.copy_of(b"12345678") as buffer:
        with pytest.raises(ValueError, match="do not fit"):
            buffer.xor(b"x" * nbytes, offset)
        assert buffer.equals(b"12345678")


@given(content=st.binary(min_size=1, max_size=100), data=st.data())
def test_one_changed_bit_anywhere_is_unequal(content: bytes, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    with SecretBuffer.copy_of(content) as buffer:
        assert buffer.equals(content)
        assert not buffer.equals(changed)


def test_another_length_is_unequal() -> None:
    with SecretBuffer.copy_of(b"abc") as buffer, SecretBuffer(0) as empty:
        assert not buffer.equals(b"abcd")
        assert not buffer.equals(b"ab")
        assert empty.equals(b"")


def test_random_buffers_differ_and_are_filled_to_the_end() -> None:
    with SecretBuffer.random(70_000) as one, SecretBuffer.random(70_000) as other:
        assert not one.equals(other)
        assert any(memoryview(one)[-32:])


def test_wipe_zeroes_any_writable_buffer_and_refuses_others() -> None:
    content = bytearray(b"secret")
    wipe(content)
    assert content == bytes(6)
    with SecretBuffer.copy_of(b"secret") as buffer:
        wipe(memoryview(buffer)[:3])
        assert buffer.equals(b"\0\0\0ret")
    with pytest.raises(BufferError):
        wipe(b"secret")
    with pytest.raises(BufferError):
        wipe(memoryview(bytearray(8))[::2])


# --- take -----------------------------------------------------------------------------------------


def test_take_moves_a_fresh_result() -> None:
    with take(hashlib.sha256(b"x").digest()) as buffer:
        assert buffer.equals(hashlib.sha256(b"x").digest())


def test_take_keeps_only_as_many_bytes_as_asked() -> None:
    with take(hashlib.sha256(b"x").digest(), 20) as buffer:
        assert buffer.equals(hashlib.sha256(b"x").digest()[:20])


def test_take_zeroes_the_storage_of_the_bytes_object() -> None:
    holder = [
        os.urandom(1000)
    ]  # as take holds it: the list keeps the object, so that its storage can be looked at
    content = bytearray(holder[0])
    at = id(holder[0]) + bytes.__basicsize__ - 1
    assert ctypes.string_at(at, 1000) == content
    with move_out(holder, 64) as buffer:
        assert buffer.equals(content[:64])
        assert ctypes.string_at(at, 1000) == bytes(1000)


def test_take_refuses_a_bytes_object_that_has_a_name_and_leaves_it_alone() -> None:
    named = os.urandom(32)
    before = bytearray(named)
    with pytest.raises(ValueError, match="another reference"):
        take(named)
    assert named == before


def test_take_refuses_constants_and_the_interpreters_own_objects() -> None:
    with pytest.raises(ValueError, match="another reference"):
        take(b"a constant")
    with pytest.raises(ValueError, match="another reference"):
        take(b"")
    with pytest.raises(ValueError, match="another reference"):
        take(bytes([7]))
    assert bytes([7]) == b"\x07"


def test_take_refuses_more_bytes_than_there_are_and_other_types() -> None:
    for nbytes in (33, -1):
        with pytest.raises(ValueError, match=f"{nbytes} of 32"):
            take(hashlib.sha256(b"").digest(), nbytes)
    with pytest.raises(TypeError):
        take(bytearray(3))  # type: ignore[arg-type]


# --- the process ----------------------------------------------------------------------------------


def test_a_hardened_process_leaves_no_core_and_is_undumpable() -> None:
    child = """
import os, resource
from kdumpkey.hardening import harden_process
harden_process()
print(resource.getrlimit(resource.RLIMIT_CORE), os.stat("/proc/self").st_uid)
import ctypes
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
os.abort()
"""
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
    assert done.stdout == "(0, 0) 0\n0\n", done.stderr
    assert done.returncode == -signal.SIGABRT


def test_the_stub_says_what_the_module_has(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy, which has stubtest, is not installed")
    # Buffers have these methods at run time since PEP 688 (3.12) only.
    allowed = tmp_path / "allowed"
    allowed.write_text("kdumpkey._native.secret.SecretBuffer.__(buffer|release_buffer)__\n")
    root = Path(kdumpkey.__file__).parent.parent
    where = {} if root.name == "site-packages" else {"MYPYPATH": str(root)}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy.stubtest", "kdumpkey._native.secret"),
            *("--ignore-unused-allowlist", "--allowlist", str(allowed)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **where},
    )
    assert done.returncode == 0, done.stdout + done.stderr
