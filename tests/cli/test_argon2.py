"""argon2 compare, argon2 advise and kdump estimate from the command line."""

from __future__ import annotations

import csv
import io
import json
import struct
from pathlib import Path

import pytest

from both import Result, ours

MIB = 1 << 20
QUICK = ["--memory", "16M,64M", "--passes", "1", "--parallel", "1", "--runs", "1"]


@pytest.fixture(autouse=True)
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def compare(*words: str | Path) -> Result:
    return ours(["argon2", "compare", *words])


def test_compare_measures_grid_and_keyslots_and_says_the_time_beforehand() -> None:
    result = compare(*QUICK, "argon.img", "luks1.img", "--reserved", "128M,160M,1G")
    assert result.code == 0
    assert result.err.startswith("5 measurements of 1 runs each: about ")
    lines = result.out.splitlines()
    headings = ["memory", "passes", "lanes", "seconds", "reference", "peak", "from", "in"]
    assert lines[1].split() == headings
    assert lines[2] == "argon.img keyslot 0"
    assert lines[4] == "luks1.img keyslot 0"
    in_grid = [line.split() for line in lines if line.startswith("argon2id")]
    assert in_grid[0][:3] == ["argon2id", "16", "MiB"]
    assert in_grid[1][-2:] == ["1024M", "160M"]


def test_json_and_csv_say_the_same(tmp_path: Path) -> None:
    result = compare(*QUICK, "--json", "--csv", tmp_path / "out.csv", "--reserved", "128M,160M,192M")
    costs = json.loads(result.out)["costs"]
    text = (tmp_path / "out.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [list(row) for row in rows] == [list(cost) for cost in costs]
    assert [list(row.values()) for row in rows] == [[str(v) for v in cost.values()] for cost in costs]
    again = io.StringIO()
    writer = csv.DictWriter(again, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    assert again.getvalue().splitlines() == text.splitlines()
    assert [costs[1][size] for size in ("128M", "160M", "192M")] == [
        "does not fit",
        "would be killed",
        "fits",
    ]


def test_prove_runs_every_verdict() -> None:
    result = compare(*QUICK, "--prove", "--json", "--reserved", "128M,160M,192M")
    assert result.code == 0
    proofs = json.loads(result.out)["proofs"]
    assert len(proofs) == 6
    assert all(proof["agrees"] for proof in proofs)
    assert {proof["outcome"] for proof in proofs} >= {"opened", "refused"}


def test_a_picture_of_it_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra [plot], is not installed")
    for name in ("a.png", "a.svg"):
        assert compare(*QUICK, "argon.img", "--plot", tmp_path / name).code == 0
    png = (tmp_path / "a.png").read_bytes()
    assert struct.unpack(">II", png[16:24]) == (1350, 900)
    assert len(png) > 20_000
    assert (tmp_path / "a.svg").read_text().count("<path") > 10


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--memory", ""], 1, "nothing to measure"),
        (["--memory", "x"], 1, "Invalid size"),
        (["--passes", "0"], 1, "--passes takes numbers"),
        (["--parallel", "a,b"], 1, "--parallel takes numbers"),
        (["--runs", "0"], 1, "--runs can be"),
        (["--pbkdf", "pbkdf2"], 1, "argon2id or argon2i"),
        (["--reserved", "0"], 1, "1M or more"),
        (["missing"], 4, "missing"),
        (["zeros"], 1, "zeros"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], code: int, message: str) -> None:
    result = compare(*words)
    assert result.code == code
    assert message in result.err


def test_advise_names_parameters_their_price_and_what_costs_nothing() -> None:
    words = ["--crashkernel", "160M", "--time", "300ms", "--runs", "1", "--device", "argon.img"]
    result = ours(["argon2", "advise", *words])
    assert result.code == 0
    assert "With 160M reserved, a kdump kernel has 68 MiB for programs." in " ".join(result.out.split())
    assert "cryptsetup luksConvertKey --pbkdf argon2id --pbkdf-memory " in result.out
    assert "kdumpkey kdump arm argon.img" in result.out
    assert "argon.img keyslot 0" in result.out
    found = json.loads(ours(["argon2", "advise", *words[:-2], "--json"]).out)
    assert found["seconds"] <= 0.3
    assert found["peak_kib"] <= 68 * 1024
    assert found["memory_time_ratio"] > 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--crashkernel", "64M"], 3, "In 64 MiB nothing is left"),
        (["--crashkernel", "x"], 1, "Invalid size"),
        (["--time", "soon"], 1, "--time takes seconds"),
        (["--time", "0"], 1, "--time takes more than nothing"),
        (["--device", "missing"], 4, "missing"),
        (["argon.img"], 1, "name a device with --device"),
    ],
)
def test_advice_that_cannot_be_given_is_refused(words: list[str], code: int, message: str) -> None:
    result = ours(["argon2", "advise", "--runs", "1", *words])
    assert result.code == code
    assert message in result.err


NUMBERS = ["--kernel-size", "60M", "--modules-size", "20M", "--initrd-size", "40M", "--ram", "16G"]


def estimate(*words: str | Path) -> Result:
    return ours(["kdump", "estimate", *NUMBERS, "--arch", "x86_64", *words])


def test_estimate_is_itemised_twice() -> None:
    result = estimate("argon.img", "--crashkernel", "237M")
    assert result.code == 0
    assert result.out.splitlines()[2:17] == [
        "                          passphrase   key reuse",
        "kernel                      60.0 MiB    60.0 MiB   as given",
        "modules                     20.0 MiB    20.0 MiB   as given",
        "3 × initramfs              120.0 MiB   120.0 MiB   as given",
        "running                     16.0 MiB    16.0 MiB   the programs of the kdump",
        "                                                   initramfs",
        "unlocking                   21.0 MiB    20.0 MiB   argon.img keyslot 0, the",
        "                                                   largest, + 20 MiB to open a",
        "                                                   device",
        "needed                     237.0 MiB   236.0 MiB",
        "crashkernel=237M              enough      enough",
        "",
        "kdumpctl recommends 256M, with a key handed over or without: the larger of",
        "  256M, its default for this machine (2G-64G:256M,64G-:512M), and",
        "  237M, its sum, of which LUKS 21M",
    ]


def test_estimate_counts_keyslots_rightly() -> None:
    """argon.img has 1 MiB; PBKDF2 none; unbound and ignored ones are not tried; a detached header is one."""

    def passphrase(*devices: str) -> int:
        found = json.loads(estimate(*devices, "--json").out)
        return int(found["unlocking"]["passphrase"]["bytes"])

    assert passphrase() == 0
    assert passphrase("luks1.img") == 20 * MIB
    assert passphrase("argon.img") == 21 * MIB
    assert passphrase("argon.img", "luks1.img", "luks2.img") == 21 * MIB
    assert passphrase("tokens.img") == 20 * MIB
    assert passphrase("detached.hdr") == 20 * MIB


def test_what_kdumpctl_recommends_stands_beside_what_is_needed() -> None:
    found = json.loads(estimate("argon.img", "--ram", "64G", "--json").out)
    assert found["kdumpctl"] == {
        "recommended_bytes": 512 * MIB,
        "recommended": "512M",
        "default": "2G-64G:256M,64G-:512M",
        "default_bytes": 512 * MIB,
        "sum_bytes": 237 * MIB,
        "luks_bytes": 21 * MIB,
    }
    assert found["needed_bytes"] == {"passphrase": 237 * MIB, "key_reuse": 236 * MIB}
    assert json.loads(estimate("--crashkernel", "256M,cma", "--json").out)["crashkernel_bytes"] == 256 * MIB


def test_estimate_says_how_often_a_load_fails() -> None:
    found = json.loads(
        estimate("--initrd-size", "60M", "--kernel-size", "70M", "--crashkernel", "160M", "--json").out
    )
    failing = found["load_failure_probability"][str(160 * MIB)]
    assert failing["upstream"] == pytest.approx(0.40567, abs=1e-5)
    assert failing["v1"] == failing["upstream"]  # one key takes one page in both
    assert failing["hardened"] == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--arch", "vax"], 1, "Nothing is known of vax"),
        (["--root", "/nonexistent"], 1, "is not a directory"),
        (["--crashkernel", "x"], 1, "cannot be understood"),
        (["--kernel", "/nonexistent"], 0, ""),  # a size was given: the file is not looked at
        (["missing"], 4, "missing"),
        (["zeros"], 1, "zeros"),
    ],
)
def test_an_estimate_that_cannot_be_made_is_refused(words: list[str], code: int, message: str) -> None:
    result = estimate(*words)
    assert result.code == code
    assert message in result.err
