"""--calibrate: whose speed --iter-time means, and both times."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from both import ours
from kdumpkey.crypto import calibrate
from kdumpkey.errors import ResourceError
from kdumpkey.luks.device import open_luks

TIMES = (
    r"The keyslot opens in [\d.]+ s with kdumpkey's own implementation here, "
    r"and in [\d.]+ s with cryptsetup's.\n"
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    device, key_file = tmp_path / "device", tmp_path / "key"
    device.touch()
    os.truncate(device, 20 << 20)
    key_file.write_bytes(b"correct horse")
    return device, key_file


@pytest.mark.parametrize(("word", "iterations"), [("fast", 5000), ("cryptsetup", 1000)])
def test_it_chooses_whose_speed_counts_and_prints_both_times(
    word: str, iterations: int, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    device, key_file = files
    monkeypatch.setattr(
        calibrate,
        "pbkdf2_iterations",
        lambda _name, _size, _ms, *, fast=False: 5000 if fast else 1000,
    )
    for action in (["luksFormat", "-q", device, key_file], ["luksAddKey", "-d", key_file, device, key_file]):
        result = ours([*action, "--pbkdf", "pbkdf2", "--calibrate", word])
        assert result.code == 0, result.err
        assert re.fullmatch(TIMES, result.err)
    with open_luks(device) as luks:
        costs = [slot.kdf.iterations for slot in luks.header.keyslots.values()]  # type: ignore[union-attr]
    assert costs == [iterations, iterations]


def test_without_it_nothing_more_is_measured_or_said(files: tuple[Path, Path]) -> None:
    device, key_file = files
    result = ours(["luksFormat", "-q", "--type", "luks1", "-i", "1", device, key_file])
    assert (result.code, result.err) == (0, "")


def test_it_measures_nothing_where_costs_are_forced(files: tuple[Path, Path]) -> None:
    device, key_file = files
    words = ["luksFormat", "-q", device, key_file, "--calibrate", "fast", "--pbkdf-force-iterations", "4"]
    result = ours(words)
    assert result.code == 1
    assert "Option --calibrate measures costs; --pbkdf-force-iterations sets them." in result.err


@pytest.mark.parametrize("action", ["luksFormat", "luksAddKey", "luksChangeKey"])
def test_a_measurement_that_fails_afterwards_does_not_fail_what_was_done(
    action: str, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    device, key_file = files
    assert (
        ours(["luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "-i", "1", device, key_file]).code
        == 0
    )

    def short_of_memory(*_: object) -> None:
        raise ResourceError("not enough memory")

    monkeypatch.setattr(calibrate, "pbkdf2_iterations", lambda *_args, **_options: 1000)
    monkeypatch.setattr(calibrate, "both_seconds", short_of_memory)
    words = [action, "-q", *([] if action == "luksFormat" else ["-d", key_file]), device, key_file]
    result = ours([*words, "--pbkdf", "pbkdf2", "--calibrate", "fast"])
    assert (result.code, result.err.count("cannot be measured: not enough memory")) == (0, 1)
    with open_luks(device) as luks:
        assert len(luks.header.keyslots) == (2 if action == "luksAddKey" else 1)
