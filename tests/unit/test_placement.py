"""Placement in the reserved memory: the C code against a naive model written from the kernel's own search."""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpkey._native.region import LoadedMapping, Plan
from kdumpkey.errors import DeviceError, KernelError, NotAKernelError, UsageError
from kdumpkey.region.memory import CrashRegion
from kdumpkey.region.model import KEYS, PAGE, ImageSizes, Part, Policy, Segment, segments_of, sizes_of_files
from kdumpkey.region.placement import FAILED, Layout
from noise import noise

MIB = 1 << 20
BASE = 0x1000_0000


def image(kernel_mib: int, initrd_mib: int, keys_bytes: int = 392) -> tuple[Segment, ...]:
    return segments_of(ImageSizes(kernel=kernel_mib * MIB, initrd=initrd_mib * MIB), keys_bytes)


# -- a naive model: page by page, as the kernel does it


Placed = dict[str, int] | str


def naive(policy: Policy, base: int, size: int, segments: tuple[Segment, ...], draw: int) -> Placed:
    """Where everything goes, or the name of what has no room."""
    end = base + size - 1
    placed: list[tuple[int, int]] = []
    found: dict[str, int] = {}

    def free(at: int, nbytes: int) -> bool:
        return all(at + nbytes <= start or stop <= at for start, stop in placed)

    order = [each for each in segments if policy is not Policy.HARDENED or each.name != KEYS]
    for each in order:
        nbytes = -(-each.nbytes // PAGE) * PAGE
        if each.top_down:
            at = (end - nbytes + 1) // each.alignment * each.alignment
            while at >= base and not free(at, nbytes):
                at = (at - PAGE) // each.alignment * each.alignment
            if at < base:
                return each.name
        else:
            at = base
            if each.name == KEYS:
                at += (end - base) // 65535 * draw
            at = -(-at // each.alignment) * each.alignment
            while at + nbytes - 1 <= end and not free(at, nbytes):
                at = -(-(at + PAGE) // each.alignment) * each.alignment
            if at + nbytes - 1 > end:
                return each.name
        placed.append((at, at + nbytes))
        found[each.name] = at
    if policy is Policy.HARDENED and any(each.name == KEYS for each in segments):
        nbytes = next(-(-each.nbytes // PAGE) * PAGE for each in segments if each.name == KEYS)
        slots = [at for at in range(base, base + size - nbytes + 1, PAGE) if free(at, nbytes)]
        if draw >= len(slots):
            return KEYS
        found[KEYS] = slots[draw]
    return found


small = st.builds(
    lambda name, pages, shift, top_down: Segment(name, pages * PAGE - 5, PAGE << shift, top_down),
    st.just("x"),
    st.integers(1, 40),
    st.integers(0, 4),
    st.booleans(),
)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int, tuple[Segment, ...]]:
    others = draw(st.lists(small, max_size=5))
    segments = [Segment(f"s{i}", each.nbytes, each.alignment, each.top_down) for i, each in enumerate(others)]
    keys = Segment(KEYS, draw(st.integers(1, 3 * PAGE)), PAGE, top_down=False)
    segments.insert(draw(st.integers(0, len(segments))), keys)
    return draw(st.integers(0, 64)) * PAGE, draw(st.integers(1, 160)) * PAGE, tuple(segments)


@given(
    layout=layouts(), policy=st.sampled_from([Policy.UPSTREAM, Policy.HARDENED]), draw=st.integers(0, 65535)
)
@settings(max_examples=300)
def test_everything_goes_where_the_naive_model_puts_it(
    layout: tuple[int, int, tuple[Segment, ...]], policy: Policy, draw: int
) -> None:
    base, size, segments = layout
    plan = Layout(policy, base, size, segments)
    draw %= max(plan.draws, 1)
    expected = naive(policy, base, size, segments, draw)
    if isinstance(expected, str):
        with pytest.raises(KernelError, match=f"no room for {expected}") as refused:
            plan.place(draw)
        assert refused.value.errno == errno.EADDRNOTAVAIL
    else:
        assert {part.name: part.start for part in plan.place(draw)} == expected


@given(layout=layouts(), policy=st.sampled_from([Policy.UPSTREAM, Policy.HARDENED]))
@settings(max_examples=15, deadline=None)
def test_the_distribution_counts_what_the_naive_model_does(
    layout: tuple[int, int, tuple[Segment, ...]], policy: Policy
) -> None:
    base, size, segments = layout
    plan = Layout(policy, base, size, segments)
    found = plan.distribution()
    counts: Counter[int] = Counter()
    failures = 0
    # Draws that start within one page come to the same: the model is asked once for each.
    answers: dict[int, Placed] = {}
    for draw in range(65536) if policy is Policy.UPSTREAM else range(plan.draws):
        key = -(-((size - 1) // 65535 * draw) // PAGE) if policy is Policy.UPSTREAM else draw
        if key not in answers:
            answers[key] = naive(policy, base, size, segments, draw)
        answer = answers[key]
        if isinstance(answer, str):
            failures += 1
        else:
            counts[(answer[KEYS] - base) // PAGE] += 1
    if plan.draws:
        assert (found.draws, found.failures) == (plan.draws, failures)
    else:
        assert found.failure_probability == 1
    assert {page: n for page, n in enumerate(found.counts) if n} == dict(counts)
    assert found.reachable_pages == len(counts)
    if total := sum(counts.values()):
        shannon = -sum(n / total * math.log2(n / total) for n in counts.values())
        assert found.shannon_bits == pytest.approx(shannon, abs=1e-9)
        assert found.min_bits == pytest.approx(-math.log2(max(counts.values()) / total), abs=1e-9)


# -- the numbers that are told of it


@pytest.mark.parametrize(
    ("mib", "reachable", "bits"),
    [(128, 32768, 15.0), (192, 49152, 15.5), (256, 65536, 16.0), (512, 65536, 16.0), (1024, 65536, 16.0)],
)
def test_an_empty_region_has_the_entropy_of_sixteen_bits_at_most(
    mib: int, reachable: int, bits: float
) -> None:
    plan = Layout(Policy.UPSTREAM, BASE, mib * MIB, (Segment(KEYS, 392, PAGE, top_down=False),))
    found = plan.distribution()
    assert found.reachable_pages == reachable
    assert found.shannon_bits == pytest.approx(bits, abs=0.005)


@pytest.mark.parametrize(
    ("mib", "initrd", "kernel", "percent"),
    [
        (256, 30, 60, 0.0),
        (192, 40, 60, 0.0015),
        (128, 30, 60, 0.0015),
        (256, 100, 70, 6.593),
        (128, 40, 60, 22.585),
        (256, 120, 70, 25.343),
        (160, 60, 70, 40.567),
        (160, 80, 70, 85.550),
        (192, 110, 70, 84.834),
    ],
)
def test_loads_fail_by_fragmentation_as_often_as_this(
    mib: int, initrd: int, kernel: int, percent: float
) -> None:
    upstream = Layout(Policy.UPSTREAM, BASE, mib * MIB, image(kernel, initrd)).distribution()
    assert 100 * upstream.failure_probability == pytest.approx(percent, abs=0.0006)
    hardened = Layout(Policy.HARDENED, BASE, mib * MIB, image(kernel, initrd)).distribution()
    assert hardened.failures == 0
    assert hardened.min_bits == hardened.shannon_bits == math.log2(hardened.reachable_pages)


def test_the_first_page_behind_elfcorehdr_is_the_best_guess() -> None:
    found = Layout(Policy.UPSTREAM, BASE, 256 * MIB, image(60, 30)).distribution()
    assert found.likeliest_page == 225
    assert found.counts[225] == 226
    assert found.min_bits == pytest.approx(8.18, abs=0.005)


def test_v1_places_as_upstream_does() -> None:
    v1, upstream = (
        Layout(policy, BASE, 256 * MIB, image(70, 100)) for policy in (Policy.V1, Policy.UPSTREAM)
    )
    assert v1.distribution() == upstream.distribution()
    assert v1.place(4711) == upstream.place(4711)


@given(layout=layouts())
def test_hardened_never_fails_where_the_rest_fits_with_a_page_to_spare(
    layout: tuple[int, int, tuple[Segment, ...]],
) -> None:
    base, size, segments = layout
    without = tuple(each for each in segments if each.name != KEYS)
    plan = Layout(Policy.HARDENED, base, size, segments)
    fits = not isinstance(naive(Policy.HARDENED, base, size, without, 0), str)
    found = plan.distribution()
    if plan.draws:
        assert fits
        assert found.failures == 0
    else:
        assert found.failure_probability == 1


# -- the sampler


def chi_square(counts: Counter[int], cells: int) -> float:
    expected = sum(counts.values()) / cells
    return sum((counts.get(cell, 0) - expected) ** 2 / expected for cell in range(cells))


@pytest.mark.parametrize("seed", [42, None], ids=["a fixed seed", "the system's randomness"])
def test_hardened_placements_are_uniform_over_the_free_pages(seed: int | None) -> None:
    plan = Layout(Policy.HARDENED, BASE, 256 * MIB, image(70, 40))
    free = [page for page, n in enumerate(plan.distribution().counts) if n]
    rank = {page: i for i, page in enumerate(free)}
    cells = 256
    seen = Counter(rank[page] * cells // len(free) for page in plan.sample(400_000, seed))
    # Cells hold a page more or less: far below what this number of samples can see.
    deviations = (chi_square(seen, cells) - (cells - 1)) / math.sqrt(2 * (cells - 1))
    assert abs(deviations) < 6


def test_upstream_placements_follow_the_exact_distribution() -> None:
    plan = Layout(Policy.UPSTREAM, BASE, 160 * MIB, image(70, 60))
    found = plan.distribution()
    n = 200_000
    seen = Counter(plan.sample(n, 7))
    failed = seen.pop(FAILED)
    p = found.failure_probability
    assert abs(failed - n * p) < 6 * math.sqrt(n * p * (1 - p))
    assert all(found.counts[page] for page in seen)
    likeliest = found.likeliest_page
    assert likeliest is not None
    p = found.counts[likeliest] / found.draws
    assert abs(seen[likeliest] - n * p) < 6 * math.sqrt(n * p * (1 - p))


def test_a_seed_repeats_and_the_system_does_not() -> None:
    plan = Layout(Policy.HARDENED, BASE, 256 * MIB, image(70, 40))
    assert plan.sample(100, 1) == plan.sample(100, 1) != plan.sample(100, 2)
    assert plan.sample(100) != plan.sample(100)


def test_a_random_placement_asks_for_one_number_below_the_draws() -> None:
    asked: list[int] = []

    def draw(below: int) -> int:
        asked.append(below)
        return 0

    for policy in Policy:
        Layout(policy, BASE, 256 * MIB, segments_of(ImageSizes(), 392)).place_at_random(draw)
    Layout(Policy.UPSTREAM, BASE, 256 * MIB, segments_of(ImageSizes(), 0)).place_at_random(draw)
    assert asked == [65536, 65536, Layout(Policy.HARDENED, BASE, 256 * MIB, image(70, 40)).draws, 1]


@pytest.mark.parametrize(
    ("base", "size", "segments"),
    [
        (1, PAGE, ()),
        (0, 100, ()),
        (0, 0, ()),
        (-PAGE, PAGE, ()),
        (1 << 70, PAGE, ()),
        (0, PAGE, (Segment("x", 0),)),
        (0, PAGE, (Segment("x", 1 << 60),)),
        (0, PAGE, (Segment("x", 1, 3 * PAGE),)),
        (0, PAGE, (Segment("x", 1, 512),)),
        (0, PAGE, (Segment(KEYS, 1), Segment(KEYS, 1))),
        (0, PAGE, (Segment("x", 1),) * 33),
    ],
)
def test_what_cannot_be_laid_out_is_refused(base: int, size: int, segments: tuple[Segment, ...]) -> None:
    with pytest.raises(UsageError, match="cannot be laid out"):
        Layout(Policy.UPSTREAM, base, size, segments)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="no placement policy"):
        Plan(0, PAGE, (), "best")  # type: ignore[arg-type]


# -- sizes from files


def bzimage(version: int = 0x20F, init_size: int = 0x4A3000, magic: bytes = b"HdrS") -> bytes:
    head = bytearray(0x268)
    head[0x202:0x206] = magic
    head[0x206:0x208] = version.to_bytes(2, "little")
    head[0x260:0x264] = init_size.to_bytes(4, "little")
    return bytes(head)


def test_sizes_are_those_of_real_files(tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(bzimage() + bytes(1000))
    (tmp_path / "initrd").write_bytes(bytes(12345))
    sizes = sizes_of_files(tmp_path / "bzImage", tmp_path / "initrd")
    assert (sizes.kernel, sizes.initrd) == (0x4A3000, 12345)
    assert sizes_of_files() == ImageSizes()


@pytest.mark.parametrize("content", [b"", bytes(5000), bzimage(magic=b"HdrX"), bzimage(version=0x209)])
def test_a_file_that_is_no_kernel_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bzImage").write_bytes(content)
    with pytest.raises(NotAKernelError):
        sizes_of_files(tmp_path / "bzImage")


def test_a_file_that_is_missing_is_said(tmp_path: Path) -> None:
    for arguments in ({"kernel": tmp_path / "none"}, {"initrd": tmp_path / "none"}):
        with pytest.raises(DeviceError, match="No such file"):
            sizes_of_files(**arguments)


# -- protection


def region_of(path: Path, pages: int) -> CrashRegion:
    path.write_bytes(noise(pages * PAGE))
    return CrashRegion(os.open(path, os.O_RDWR), BASE, pages * PAGE)


def test_a_loaded_region_is_read_only_around_the_keys(tmp_path: Path) -> None:
    keys = Part(KEYS, BASE + 2 * PAGE, 2 * PAGE)
    with region_of(tmp_path / "region", 8) as region:
        content = (tmp_path / "region").read_bytes()
        with region.map_loaded(keys) as mapping, memoryview(mapping) as view:
            assert view.readonly
            assert bytes(view[: 2 * PAGE]) == content[: 2 * PAGE]
            assert bytes(view[4 * PAGE :]) == content[4 * PAGE :]
            smaps = Path("/proc/self/smaps").read_text()
        hidden = next(part for part in smaps.split("\n\n") if str(tmp_path / "region") in part)
        assert "---s" in hidden


TOUCH = """
import os, sys
from kdumpkey.region.memory import CrashRegion
from kdumpkey.region.model import KEYS, Part
fd, at = os.open(sys.argv[1], os.O_RDWR), int(sys.argv[2])
region = CrashRegion(fd, 0x10000000, 8 * 4096)
view = memoryview(region.map_loaded(Part(KEYS, 0x10000000 + 2 * 4096, 2 * 4096)))
print(view[at])
"""


@pytest.mark.parametrize(
    ("offset", "killed"),
    [(0, False), (2 * PAGE - 1, False), (2 * PAGE, True), (4 * PAGE - 1, True), (4 * PAGE, False)],
)
def test_touching_the_keys_pages_is_a_sigsegv(tmp_path: Path, offset: int, killed: bool) -> None:
    (tmp_path / "region").write_bytes(bytes(8 * PAGE))
    done = subprocess.run(
        [sys.executable, "-c", TOUCH, tmp_path / "region", str(offset)], capture_output=True, check=False
    )
    assert done.returncode == (-signal.SIGSEGV if killed else 0)


def test_a_mapping_refuses_what_is_no_pages_and_writers(tmp_path: Path) -> None:
    (tmp_path / "region").write_bytes(bytes(8 * PAGE))
    fd = os.open(tmp_path / "region", os.O_RDONLY)
    for arguments in ((0, 0, 0), (100, 0, 0), (PAGE, 1, PAGE), (PAGE, 0, 2 * PAGE), (PAGE, -PAGE, PAGE)):
        with pytest.raises(ValueError, match="whole pages"):
            LoadedMapping(fd, *arguments)
    with pytest.raises(OSError, match="Bad file descriptor"):
        LoadedMapping(99_999, PAGE, 0, 0)
    with LoadedMapping(fd, 8 * PAGE, 0, PAGE) as mapping:
        assert len(mapping) == 8 * PAGE
        view = memoryview(mapping)
        with pytest.raises(BufferError):
            mapping.close()
        view.release()
    with pytest.raises(ValueError, match="closed"):
        memoryview(mapping)
    os.close(fd)
