"""What is said of costs, proofs and advice, from values that no machine has to be measured for."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import Final

import pytest

from kdumpkey.cli.argon2_text import advice_lines, csv_text, proof_lines, table
from kdumpkey.kdump.cost.advice import Advice
from kdumpkey.kdump.cost.measure import UNPACKED_BYTES, Cell, Cost, Fit, Proof, RunOutcome

MIB: Final = 1 << 20
RESERVED: Final = (256 * MIB, 160 * MIB)
SMALL: Final = Cell("argon2id", 32 * 1024, 4, 1)
LARGE: Final = Cell("argon2id", 1024 * 1024, 4, 4, label="disk.img keyslot 0")
PBKDF2: Final = Cell("pbkdf2", 0, 1000, 1, "sha256")
MEASURED: Final = Cost(SMALL, 0.25, 50 * 1024, reference_seconds=0.5)
REFUSED: Final = Cost(LARGE, refused="there is not so much memory here")


def _row(cost: Cost, name: str) -> str:
    lines = table([cost], RESERVED, UNPACKED_BYTES)
    return next(line for line in lines if line.strip().startswith(name) and line.split()[1] != "the")


def test_a_cell_shows_its_parameters_both_times_its_peak_and_where_it_opens() -> None:
    row = _row(MEASURED, "argon2id").split()
    assert row == ["argon2id", "32", "MiB", "4", "1", "0.250", "0.500", "50", "MiB", "160M", "-"]


def test_memory_of_less_than_a_mebibyte_is_shown_in_kib_and_none_as_a_dash() -> None:
    tiny = _row(replace(MEASURED, cell=replace(SMALL, memory_kib=512)), "argon2id").split()
    assert tiny[1:3] == ["512", "KiB"]
    assert _row(Cost(PBKDF2, 0.1, 9 * 1024), "pbkdf2").split()[1] == "-"


def test_what_was_not_measured_has_no_figures_and_opens_nowhere() -> None:
    row = _row(REFUSED, "argon2id").split()
    assert row == ["argon2id", "1024", "MiB", "4", "4", "-", "-", "-", "-", "-"]
    assert "disk.img keyslot 0" in table([REFUSED], RESERVED, UNPACKED_BYTES)


def test_what_gets_its_memory_and_no_more_is_killed_there() -> None:
    assert _row(replace(MEASURED, peak_kib=100 * 1024), "argon2id").split()[-2:] == ["256M", "160M"]
    assert _row(replace(MEASURED, peak_kib=500 * 1024), "argon2id").split()[-2:] == ["-", "160M-256M"]


def test_csv_has_a_heading_and_a_row_for_each_cell() -> None:
    rows = list(csv.DictReader(csv_text([MEASURED, REFUSED], RESERVED, UNPACKED_BYTES).splitlines()))
    assert [(row["kdf"], row["memory_kib"]) for row in rows] == [
        ("argon2id", "32768"),
        ("argon2id", "1048576"),
    ]


def test_a_prediction_that_was_wrong_is_named_beside_what_happened() -> None:
    right = Proof(SMALL, 256 * MIB, Fit.FITS, RunOutcome.OPENED, "a control group", weaker=False)
    wrong = replace(right, verdict=Fit.KILLED)
    lines = " ".join(" ".join(proof_lines([right, wrong])).split())
    assert "Proven by a control group:" in lines
    assert lines.count("PREDICTED: would be killed") == 1
    assert lines.endswith("1 of 2 predictions were right.")
    assert proof_lines([]) == []


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (250.0, "A guess becomes 250 times cheaper than with"),
        (1.0, "A guess is no cheaper than with"),
    ],
)
def test_advice_says_what_a_guess_costs_and_what_to_run(ratio: float, said: str) -> None:
    advice = Advice(MEASURED, LARGE, ratio, 256 * MIB, 2.0)
    lines = advice_lines(advice, "/dev/sda2", 160 * 1024)
    text = " ".join(" ".join(lines).replace("\\", "").split())  # a command goes on behind a backslash
    assert said in text
    assert "disk.img keyslot 0" in text
    assert "32 MiB, 4 passes, 1 lanes: 0.25 s, peak 50 MiB" in text
    assert "--pbkdf argon2id --pbkdf-memory 32768 --pbkdf-force-iterations 4 --pbkdf-parallel 1" in text
    assert lines[-1] == "  kdumpkey kdump arm /dev/sda2"
    assert "DEVICE" in " ".join(advice_lines(replace(advice, default=PBKDF2), None, 1))
