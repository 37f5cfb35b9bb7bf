"""What a key derivation costs: measured in a process of its own, judged, and proven under real limits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kdumpkey.cli.argon2_plot import frontier
from kdumpkey.crypto.kdf import Argon2, Pbkdf2
from kdumpkey.errors import ResourceError
from kdumpkey.kdump.cost.advice import Advice, Bounds, advise, memory_time_product
from kdumpkey.kdump.cost.measure import (
    DEFAULT_MEMORY_MIB,
    DEFAULT_RESERVED,
    Cell,
    Cost,
    Fit,
    Proof,
    RunOutcome,
    available_kib,
    expected_seconds,
    grid,
    measure,
    prove,
)
from kdumpkey.memory.limits import memory_limit

MIB = 1 << 20
SMALL = Cell("argon2id", 32 * 1024, 1, 1)


def test_a_cost_is_time_and_peak_of_its_own_process() -> None:
    small, large = measure(SMALL, 1), measure(Cell("argon2id", 96 * 1024, 1, 1), 1)
    assert 0 < small.seconds < large.seconds
    # The memory asked for, and what an interpreter takes: no more, and the same for both.
    assert 2 * 1024 < small.peak_kib - 32 * 1024 < 24 * 1024
    assert abs((large.peak_kib - 96 * 1024) - (small.peak_kib - 32 * 1024)) < 2048


def test_a_large_parent_does_not_add_to_the_peak() -> None:
    ballast = bytearray(b"x") * (200 * MIB)
    assert measure(SMALL, 1).peak_kib < 64 * 1024
    assert len(ballast) == 200 * MIB


def test_pbkdf2_costs_time_and_no_memory() -> None:
    cost = measure(Cell("pbkdf2", 0, 50_000, 1, "sha256"), 1, reference=True)
    assert cost.reference_seconds > 0
    assert cost.seconds > 0
    assert cost.peak_kib < 24 * 1024
    assert cost.verdict(128 * MIB) is Fit.FITS


@pytest.mark.parametrize("mib", [64, 256])
def test_the_peak_is_what_a_control_group_counts(mib: int) -> None:
    request = Cell("argon2id", mib * 1024, 1, 2).request(check=False)
    with memory_limit((mib + 200) * MIB) as limit:
        if limit.weaker:
            pytest.skip("no control group can be made here")
        reading = _peak_file(limit.kind)
        child = subprocess.run(
            [sys.executable, "-m", "kdumpkey.kdump.cost.run"],
            input=request,
            stdout=subprocess.PIPE,
            check=True,
            preexec_fn=limit.enter,
        )
        import json

        own_kib = json.loads(child.stdout)["peak_kib"]
        independent_kib = int(_group_folder(reading).joinpath(reading).read_text()) // 1024
    assert own_kib == pytest.approx(independent_kib, rel=0.03)


def _peak_file(kind: str) -> str:
    return "memory.peak" if "v2" in kind else "memory.max_usage_in_bytes"


def _group_folder(reading: str) -> Path:
    """The one group that this process made."""
    found = [path.parent for path in Path("/sys/fs/cgroup").rglob(f"kdumpkey-{os.getpid()}-*/{reading}")]
    if len(found) != 1:
        pytest.skip(f"the control groups here have no {reading}")
    return found[0]


# -- verdicts

PEAK = 8 * 1024  # what the process takes beside Argon2's memory


def cost(mib: int, peak_kib: int | None = None) -> Cost:
    return Cost(Cell("argon2id", mib * 1024, 4, 1), 1.0, mib * 1024 + PEAK if peak_kib is None else peak_kib)


def test_a_kdump_kernel_leaves_what_the_kernel_and_its_initramfs_do_not_take() -> None:
    # 256 MiB less 52 of unpacked initramfs and 40 of kernel: real ones left 154 to 162 MiB of them.
    assert available_kib(256 * MIB) == (256 - 52 - 40) * 1024
    assert available_kib(64 * MIB) == 0
    assert available_kib(256 * MIB, unpacked_bytes=0) == 216 * 1024


@pytest.mark.parametrize(
    ("mib", "reserved", "verdict"),
    [
        (64, 128, Fit.DOES_NOT_FIT),  # 64 > 128 - 92 = 36
        (64, 160, Fit.KILLED),  # 64 <= 68 < 72
        (64, 192, Fit.FITS),  # 72 <= 100
        (1024, 1024, Fit.DOES_NOT_FIT),
        (1024, 1116, Fit.KILLED),  # 1024 <= 1024 < 1032
        (1024, 1124, Fit.FITS),  # 1032 <= 1032
    ],
)
def test_a_verdict_follows_from_memory_and_peak(mib: int, reserved: int, verdict: Fit) -> None:
    assert cost(mib).verdict(reserved * MIB) is verdict


def test_what_could_not_be_measured_is_judged_by_its_memory_alone() -> None:
    unknown = Cost(Cell("argon2id", 4 * 1024 * 1024, 4, 4), refused="no memory here")
    assert unknown.verdict(1024 * MIB) is Fit.DOES_NOT_FIT


def test_every_verdict_over_a_grid_is_proven() -> None:
    measured = [measure(cell, 1) for cell in grid((64, 96), (1,), (1, 2), "argon2id")]
    proofs = [prove(each, mib * MIB) for each in measured for mib in (128, 160, 192, 256)]
    assert [proof for proof in proofs if not proof.agrees] == []
    assert {proof.verdict for proof in proofs} == set(Fit)


def test_a_proof_that_comes_out_otherwise_does_not_agree() -> None:
    for weaker in (False, True):
        right = {
            Fit.FITS: RunOutcome.OPENED,
            Fit.DOES_NOT_FIT: RunOutcome.REFUSED,
            Fit.KILLED: RunOutcome.REFUSED if weaker else RunOutcome.KILLED,
        }
        for verdict, due in right.items():
            for outcome in RunOutcome:
                assert Proof(SMALL, 0, verdict, outcome, "", weaker).agrees is (outcome is due)


def test_the_grid_has_every_combination_and_the_default_fits_the_time() -> None:
    cells = grid(DEFAULT_MEMORY_MIB, (4,), (1, 2), "argon2id")
    assert len(cells) == 10
    assert cells[0] == Cell("argon2id", 64 * 1024, 4, 1)
    assert [cell.memory_kib for cell in cells] == sorted(cell.memory_kib for cell in cells)
    assert grid((1,), (1,), (1, 128, 1000), "argon2i") == [
        Cell("argon2i", 1024, 1, 1),
        Cell("argon2i", 1024, 1, 128),
    ]
    assert 0 < expected_seconds(cells, 3) < 300
    assert len(DEFAULT_RESERVED) == 7


def test_the_time_told_counts_the_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    # The probe: 64 MiB, 4 passes, 1 lane in 0.4 s. The cell has twice its memory: 0.8 s, and 0.25 s to start.
    monkeypatch.setattr("kdumpkey.kdump.cost.measure._run", lambda *_, **__: ({"seconds": 0.4}, 0))
    cells = [Cell("argon2id", 128 * 1024, 4, 1)]
    assert expected_seconds(cells, 3) == pytest.approx(3 * (0.8 + 0.25))
    assert expected_seconds(cells, 3, reference=True) == pytest.approx(4 * (0.8 + 0.25))
    # 192M leave 100 MiB and 256M leave 164: refused at once in one, run in the other.
    proven = expected_seconds(cells, 3, (192 * MIB, 256 * MIB))
    assert proven == pytest.approx(3 * (0.8 + 0.25) + 0.8 + 2 * 0.25)


def test_the_frontier_is_what_fits_with_the_most_memory_and_of_those_the_quickest() -> None:
    slow, quick, large = cost(64), replace(cost(64), seconds=0.5), cost(128)
    # 128M leave 36 MiB, 192M and 224M 100 and 132, 256M 164: of 72, 72 and 136 MiB.
    assert frontier([slow, quick, large], [mib * MIB for mib in (256, 128, 192, 224)]) == [quick, large]
    assert frontier([slow], [128 * MIB]) == []


def test_a_keyslots_function_is_a_cell() -> None:
    assert Cell.of(Argon2("argon2i", 5, 4096, 2, b""), "x") == Cell("argon2i", 4096, 5, 2, "", "x")
    assert Cell.of(Pbkdf2("sha1", 1000, b""), "x") == Cell("pbkdf2", 0, 1000, 1, "sha1", "x")


def test_what_cannot_be_run_here_is_said_and_not_run() -> None:
    refused = measure(Cell("argon2id", 5 * 1024 * 1024, 1, 1), 1)
    assert refused.refused
    assert (refused.seconds, refused.peak_kib) == (0, 0)
    assert refused.verdict(1024 * MIB) is Fit.DOES_NOT_FIT


# -- advice


def test_advice_fits_when_it_is_measured_again() -> None:
    default = Cell("argon2id", 1024 * 1024, 4, 2)
    found: Advice = advise(Bounds(160 * MIB, 0.4), default=default, parallel=1, runs=1)
    assert measure(found.cost.cell, 1).verdict(160 * MIB) is Fit.FITS
    assert found.ratio == memory_time_product(default) / memory_time_product(found.cost.cell)


@pytest.mark.parametrize("pass_seconds", [0.001, 0.05, 0.2, 1.0], ids=lambda each: f"{each} s for 64 MiB")
def test_advice_uses_all_of_the_memory_or_all_of_the_time(
    pass_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def linear(cell: Cell) -> Cost:
        return Cost(cell, pass_seconds * cell.passes * cell.memory_kib / 65536, cell.memory_kib + PEAK)

    _costing(monkeypatch, linear)
    found = advise(Bounds(160 * MIB, 1.0), default=SMALL, parallel=1, runs=1).cost
    assert found.seconds <= 1.0
    assert found.verdict(160 * MIB) is Fit.FITS
    assert found.peak_kib > 0.9 * available_kib(160 * MIB) or found.seconds > 0.8


def test_the_product_counts_memory_twice_and_passes_once() -> None:
    base = memory_time_product(Cell("argon2id", 1000, 4, 1))
    assert memory_time_product(Cell("argon2id", 2000, 4, 1)) == 4 * base
    assert memory_time_product(Cell("argon2id", 1000, 8, 1)) == 2 * base
    assert memory_time_product(Cell("argon2id", 1000, 4, 4)) == base


def _costing(monkeypatch: pytest.MonkeyPatch, cost_of: Callable[[Cell], Cost]) -> None:
    monkeypatch.setattr("kdumpkey.kdump.cost.advice.measure", lambda cell, _runs: cost_of(cell))
    monkeypatch.setattr("kdumpkey.kdump.cost.advice.measure_reference", lambda _cell: 3.0)


def test_advice_never_has_fewer_passes_than_cryptsetup_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that becomes slower while it is measured: memory gives way, the four passes do not."""
    asked: list[Cell] = []

    def slower_each_time(cell: Cell) -> Cost:
        asked.append(cell)
        each = 0.2 if len(asked) < 4 else 0.4  # seconds for a pass over 64 MiB
        return Cost(cell, each * cell.passes * cell.memory_kib / 65536, cell.memory_kib + PEAK)

    _costing(monkeypatch, slower_each_time)
    found = advise(Bounds(192 * MIB, 1.0), default=SMALL, parallel=1, runs=1)
    assert found.cost.cell.passes == 4
    # 1 s / 4 passes / 0.4 s × 64 MiB = 40 MiB at the most.
    assert 36 * 1024 <= found.cost.cell.memory_kib <= 40 * 1024
    assert found.cost.seconds <= 1.0
    assert found.cost.reference_seconds == 3.0


def test_advice_is_not_made_of_what_could_not_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Cell] = []

    def memory_runs_out(cell: Cell) -> Cost:
        asked.append(cell)
        if len(asked) == 4:
            return Cost(cell, refused="no memory here")
        return Cost(cell, 0.01 * cell.passes, cell.memory_kib + PEAK)

    _costing(monkeypatch, memory_runs_out)
    with pytest.raises(ResourceError, match="too little memory to measure that: no memory here"):
        advise(Bounds(192 * MIB, 1.0), default=SMALL, parallel=1, runs=1)
    assert len(asked) == 4


def test_where_nothing_fits_it_is_said() -> None:
    with pytest.raises(ResourceError, match="In 96 MiB nothing is left for Argon2"):
        advise(Bounds(96 * MIB, 2), default=SMALL, parallel=1, runs=1)
    with pytest.raises(ResourceError, match="too short"):
        advise(Bounds(160 * MIB, 0.0005), default=SMALL, parallel=1, runs=1)
