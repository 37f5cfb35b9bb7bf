"""The Argon2 engine: the RFC's vectors, the reference implementation, its bounds, and how it ends early."""

from __future__ import annotations

import os
import random
import signal
import threading
from typing import Any

import pytest

import argon2_reference as reference
from argon2_reference import Case
from forked import in_child
from kdumpkey._native import argon2
from kdumpkey.secret import SecretBuffer

pytestmark = pytest.mark.every_python

SETS = int(os.environ.get("KDUMPKEY_ARGON2_SETS", "200"))  # 2000: the full range of memory sizes
SMALL: dict[str, Any] = {"variant": "argon2id", "passes": 2, "memory_kib": 64, "lanes": 2}


def tag(case: Case, tier: str | None = None, threads: int = 0) -> bytes:
    out = bytearray(case.tag_size)
    argon2.derive_into(
        out,
        case.password,
        case.salt,
        variant=case.variant,
        passes=case.passes,
        memory_kib=case.memory_kib,
        lanes=case.lanes,
        version=case.version,
        secret=case.secret,
        associated=case.associated,
        threads=threads,
        tier=tier,
    )
    return bytes(out)


@pytest.mark.parametrize("variant", reference.RFC9106)
@pytest.mark.parametrize("tier", argon2.usable_tiers())
def test_every_tier_gives_the_tags_of_rfc_9106(variant: str, tier: str) -> None:
    assert tag(reference.inputs_of_rfc9106(variant), tier) == reference.RFC9106[variant]


@pytest.mark.parametrize("part", range(8))
def test_random_parameters_give_the_same_tag_on_every_tier_and_by_the_reference(part: int) -> None:
    source = random.Random(part)
    for _ in range(SETS // 8):
        # By default a third of them may be large: most of what can go wrong, small ones show, too.
        largest = 65536 if SETS > 200 or source.random() < 0.3 else 4096
        case = reference.random_case(source, largest)
        expected = reference.tag(case)
        for tier in argon2.usable_tiers():
            assert tag(case, tier, threads=source.randint(0, 4)) == expected, f"{tier}: {case}"


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_that_is_large_enough_to_choose_its_pages_gives_the_same_tag(threads: int) -> None:
    case = Case("argon2id", 0x13, 1, 40 * 1024 + 24, 3, b"password", b"saltsalt", b"", b"", 64)
    assert tag(case, threads=threads) == reference.tag(case)


def test_the_number_of_threads_changes_nothing() -> None:
    case = Case("argon2id", 0x13, 3, 1000, 9, b"password", b"saltsalt", b"", b"", 64)
    assert len({tag(case, threads=threads) for threads in (0, 1, 2, 5, 9, 100)}) == 1


def test_memory_is_what_the_rfc_rounds_it_down_to_and_still_counts_as_asked() -> None:
    tags = set()
    for memory_kib in range(64, 73):  # two lanes: a multiple of 8 blocks
        case = Case("argon2i", 0x13, 1, memory_kib, 2, b"password", b"saltsalt", b"", b"", 16)
        assert tag(case) == reference.tag(case)
        tags.add(tag(case))
    assert len(tags) == 9


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"variant": "argon2d"}, "argon2i or argon2id"),
        ({"version": 0x11}, "version"),
        ({"passes": 0}, "pass"),
        ({"lanes": 0}, "lanes"),
        ({"lanes": 1 << 24, "memory_kib": 1 << 27}, "lanes"),
        ({"memory_kib": 15}, "8 KiB for each lane"),
        ({"memory_kib": 1 << 32}, "memory in KiB of 4294967296"),
        ({"passes": -1}, "passes of -1"),
        ({"tier": "sse9"}, "no tier"),
        ({"salt": b"1234567"}, "salt"),
        ({"size": 3}, "output"),
    ],
)
def test_what_is_out_of_bounds_is_refused_and_the_output_stays(
    changed: dict[str, object], message: str
) -> None:
    arguments: dict[str, Any] = {**SMALL, **changed}
    salt, out = arguments.pop("salt", b"saltsalt"), bytearray(b"*" * arguments.pop("size", 16))
    before = bytes(out)
    with pytest.raises(ValueError, match=message):
        argon2.derive_into(out, b"password", salt, **arguments)
    assert out == before
    out.append(0)  # a BufferError if a view were left


def test_a_tier_of_another_architecture_is_refused_by_name() -> None:
    missing = [name for name in argon2.tiers() if argon2.tier_status(name) == "not built"]
    assert missing
    for name in missing:
        with pytest.raises(ValueError, match="another architecture"):
            argon2.derive_into(bytearray(16), b"", b"saltsalt", tier=name, **SMALL)


def test_the_default_is_the_last_of_the_usable_tiers() -> None:
    assert argon2.default_tier() == argon2.usable_tiers()[-1]
    assert argon2.usable_tiers()[0] == "portable"
    assert argon2.tier_status("no such") == "unknown"


def test_progress_is_told_of_each_slice() -> None:
    seen: list[tuple[int, int]] = []
    argon2.derive_into(
        bytearray(16), b"", b"saltsalt", progress=lambda done, total: seen.append((done, total)), **SMALL
    )
    assert seen == [(done, 8) for done in range(1, 9)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("at", range(1, 9))
def test_an_exception_from_progress_ends_it_at_that_slice_and_leaves_the_output(
    at: int, threads: int
) -> None:
    seen = []

    def progress(done: int, _: int) -> None:
        seen.append(done)
        if done == at:
            raise LookupError("enough")

    out = bytearray(b"*" * 16)
    with pytest.raises(LookupError, match="enough"):
        argon2.derive_into(out, b"", b"saltsalt", progress=progress, threads=threads, **SMALL)
    assert (seen, out) == (list(range(1, at + 1)), b"*" * 16)
    out.append(0)


def test_ctrl_c_ends_it_within_a_slice() -> None:
    def body() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        seen = []

        def progress(done: int, _: int) -> None:
            seen.append(done)
            if done == 2:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            argon2.derive_into(bytearray(16), b"", b"saltsalt", progress=progress, **SMALL)
        assert seen[-1] in {2, 3}  # at once, or where signals are looked at next

    in_child(body)


def test_ctrl_c_is_seen_without_anybody_who_asks_for_progress() -> None:
    def body() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        started = threading.Event()

        def interrupt() -> None:
            started.wait()
            os.kill(os.getpid(), signal.SIGINT)

        other = threading.Thread(target=interrupt)
        other.start()
        started.set()
        with pytest.raises(KeyboardInterrupt):
            # Some hours of work: it ends because of the signal or not at all.
            argon2.derive_into(
                bytearray(16), b"", b"saltsalt", variant="argon2i", passes=2**31, memory_kib=1024, lanes=1
            )
        other.join()

    in_child(body)


def test_other_threads_run_meanwhile() -> None:
    ended = threading.Event()

    def progress(_done: int, _total: int) -> None:
        if ended.is_set():
            raise InterruptedError

    other = threading.Thread(target=ended.set)
    other.start()
    with pytest.raises(InterruptedError):
        argon2.derive_into(
            bytearray(16),
            b"",
            b"saltsalt",
            variant="argon2i",
            passes=2**31,
            memory_kib=1024,
            lanes=1,
            progress=progress,
        )
    other.join()


def test_a_secret_buffer_is_filled_in_place_and_no_view_of_it_is_left() -> None:
    case = Case("argon2id", 0x13, 2, 64, 2, b"password", b"saltsalt", b"", b"", 64)
    with SecretBuffer(64) as out, SecretBuffer.copy_of(b"password") as password:
        argon2.derive_into(out, password, b"saltsalt", **SMALL)
        assert out.equals(reference.tag(case))
    assert out.closed


def test_memory_that_cannot_be_had_is_a_memory_error() -> None:
    import resource

    def body() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        with pytest.raises(MemoryError, match="cannot be allocated"):
            argon2.derive_into(
                bytearray(16), b"", b"saltsalt", variant="argon2id", passes=1, memory_kib=2**32 - 1, lanes=1
            )

    in_child(body)
