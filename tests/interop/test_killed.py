"""The process itself, killed before any of its writes and fsyncs: it leaves what the recorder says."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from both import ENVIRONMENT, ours
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.model import CopyState
from power_cuts import CutDevice, assert_mended, images, opened_by_both, recorded, tally
from tools import HANGS_AFTER_S

__all__ = ["images"]
PASSPHRASES = ("one", "two", "three")
LINES = {
    "luksAddKey": "luksAddKey COST -d KEY:one DEV KEY:three",
    "luksChangeKey": "luksChangeKey COST -d KEY:one DEV KEY:three",
    "luksKillSlot": "luksKillSlot -q DEV 0",
    "erase": "erase -q DEV",
}

# Python imports this on its own before it runs `-m kdumpkey`.
KILLER = """
import os, signal

left = int(os.environ["WRITES_LEFT"])

def counted(really):
    def call(*arguments):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return really(*arguments)
    return call

os.pwrite, os.fsync = counted(os.pwrite), counted(os.fsync)
"""


def killed(bench: CutDevice, line: str, writes: int) -> int:
    """Run kdumpkey until it has done so many writes and fsyncs, and return the exit code."""
    (bench.folder / "sitecustomize.py").write_text(KILLER)
    environment = {**ENVIRONMENT, "WRITES_LEFT": str(writes), "PYTHONPATH": str(bench.folder)}
    command = [sys.executable, "-m", "kdumpkey", *bench.words(line)]
    return subprocess.run(
        command, input=b"two", env=environment, capture_output=True, check=False, timeout=HANGS_AFTER_S
    ).returncode


def state(device: Path, image: bytes, what: str) -> tuple[object, ...]:
    """What a cut left: who opens it, the keyslots, and the header's copies."""
    opened = opened_by_both(device, image, what, PASSPHRASES)
    device.write_bytes(image)
    with open_luks(device) as luks:
        copies = [(copy.state, copy.seqid) for copy in luks.header.copies]
        return opened, sorted(luks.header.keyslots), copies


def whole_writes(bench: CutDevice, line: str, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The image before each write and fsync, as the recorder has them, and at the end."""
    image = bytearray(bench.device.read_bytes())
    found = []
    recorder = recorded(bench, line, b"two", monkeypatch, 1 << 20)
    for number, epoch in enumerate(recorder.epochs):
        for offset, content in epoch:
            found.append(bytes(image))
            image[offset : offset + len(content)] = content
        if number < len(recorder.epochs) - 1:  # each but the last ends with an fsync
            found.append(bytes(image))
    return [*found, bytes(image)]


@pytest.mark.parametrize("layout", ["luks2", "luks1"])
@pytest.mark.parametrize("name", LINES)
def test_a_killed_process_leaves_what_the_recorder_says(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str, layout: str
) -> None:
    bench, line = CutDevice(tmp_path, layout), LINES[name]
    bench.device.write_bytes(images[layout])
    expected = whole_writes(bench, line, monkeypatch)
    counted, last, known = tally(f"{layout}: {name}, killed"), (b"", b""), ()
    for writes, model in enumerate(expected):
        what = f"{writes} writes and fsyncs done"
        bench.device.write_bytes(images[layout])
        code = killed(bench, line, writes)
        assert code == (0 if writes == len(expected) - 1 else -signal.SIGKILL), what
        left = bench.device.read_bytes()
        if last[0] != model:  # it was no fsync
            known = state(tmp_path / "cut", model, what)
        assert state(tmp_path / "cut", left, what) == known, what
        if layout == "luks2":
            assert_mended(tmp_path / "cut", left, what)
        last = (model, left)
        counted.count(True, what)
    assert counted.survived > 3


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path, images: dict[str, bytes]) -> None:
    bench = CutDevice(tmp_path, "luks2")
    bench.device.write_bytes(images["luks2"])
    assert killed(bench, LINES["luksAddKey"], 2) == -signal.SIGKILL
    assert ours(bench.words(LINES["luksAddKey"])).code == 0
    with open_luks(bench.device) as luks:
        assert sorted(luks.header.keyslots) == [0, 1, 2]
        assert {copy.state for copy in luks.header.copies} == {CopyState.CURRENT}
