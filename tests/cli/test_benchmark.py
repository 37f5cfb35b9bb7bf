"""benchmark: cryptsetup's lines, with figures that can be right."""

from __future__ import annotations

import re

import pytest

from both import Result, ours, run
from kdumpkey._native.aesxts import usable_tiers
from tools import require_tool

FIRST = "# Tests are approximate using memory only (no storage IO)."
TABLE = "#     Algorithm |       Key |      Encryption |      Decryption"
ROW = r" +aes-(cbc|xts) +(128|256|512)b +([\d.]+) MiB/s +([\d.]+) MiB/s"


def benchmark(*words: str) -> Result:
    return ours(["benchmark", *words])


@pytest.mark.parametrize("words", [["-h", "sha256"], ["--pbkdf", "pbkdf2", "-h", "sha512"]])
def test_pbkdf2_lines_are_cryptsetups(words: list[str]) -> None:
    theirs = run([require_tool("cryptsetup"), "benchmark", *words]).out
    mine = benchmark(*words).out
    figure = r"\d+(?= iterations)"
    assert re.sub(rf" +{figure}", " N", mine) == re.sub(rf" +{figure}", " N", theirs)
    speeds = [int(match[0]) for text in (mine, theirs) if (match := re.search(figure, text))]
    assert 0.3 < speeds[0] / speeds[1] < 3


def test_argon2_lines_are_cryptsetups() -> None:
    words = ["--pbkdf", "argon2id", "-i", "200", "--pbkdf-memory", "32768"]
    theirs = run([require_tool("cryptsetup"), "benchmark", *words]).out
    mine = benchmark(*words).out
    figures = r" *\d+ iterations, +\d+ memory, \d"
    assert len(re.findall(figures, mine)) == 1
    assert re.sub(figures, "", mine) == re.sub(figures, "", theirs)


def test_whose_key_derivation_was_measured_is_said_on_standard_error() -> None:
    said = benchmark("-h", "sha256").err
    assert "with the implementations that cryptsetup uses: OpenSSL's PBKDF2 and the reference Argon2" in said
    assert re.search(r"kdumpkey's own is up to [\d.]+ times as fast here; count on an attacker", said)
    assert benchmark("-c", "aes-xts", "-s", "512").err == ""


def test_a_cipher_has_a_row_of_the_table() -> None:
    lines = benchmark("-c", "aes-xts", "-s", "512").out.splitlines()
    assert lines[:2] == [FIRST, TABLE]
    row = re.fullmatch(ROW, lines[2])
    assert row is not None
    assert row[2] == "512"
    assert float(row[3]) > 50
    assert len(lines[2]) == len("        aes-xts        512b      1234.5 MiB/s      1234.5 MiB/s")


def test_each_tier_has_a_row() -> None:
    lines = benchmark("-c", "aes-xts", "-s", "256", "--tiers").out.splitlines()
    assert lines[1] == f"{TABLE} | Tier"
    assert [line.split()[-1] for line in lines[2:]] == list(usable_tiers())
    speeds = [float(line.split()[2]) for line in lines[2:]]
    assert speeds[0] == min(speeds)


def test_what_is_not_implemented_is_said() -> None:
    result = benchmark("-c", "serpent-xts", "-s", "256")
    assert result.code == 1
    assert result.err == "Cipher serpent-xts (with 256 bits key) is not available.\n"
    assert benchmark("-h", "nonsense").out.splitlines()[1].split() == ["PBKDF2-nonsense", "N/A"]
