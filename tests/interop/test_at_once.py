"""Several processes edit one header at once: each succeeds in its turn or fails clean, nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from both import ENVIRONMENT, ours, run
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.model import CopyState
from power_cuts import CutDevice, images, opens_by_ours, opens_by_theirs
from tools import HANGS_AFTER_S, require_tool

__all__ = ["images"]
pytestmark = pytest.mark.usefixtures("each_cryptsetup")
KDUMPKEY = (sys.executable, "-m", "kdumpkey")
ROUNDS = 2


def started(program: tuple[str, ...], bench: CutDevice, line: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*program, *bench.words(line)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )


def ended(children: dict[str, subprocess.Popen[bytes]]) -> dict[str, int]:
    return {name: child.wait(timeout=HANGS_AFTER_S) for name, child in children.items()}


def assert_whole(bench: CutDevice, opening: set[str], closed: set[str]) -> None:
    """Both programs open the device with just these, and there is nothing to mend."""
    for opens in (opens_by_ours, opens_by_theirs):
        assert {each for each in opening | closed if opens(bench.device, each)} == opening
    with open_luks(bench.device) as luks:
        assert {copy.state for copy in luks.header.copies} == {CopyState.CURRENT}
        assert len({copy.seqid for copy in luks.header.copies}) == 1


@pytest.mark.parametrize("layout", ["luks1", "luks2"])
def test_kdumpkeys_that_add_keys_at_once_all_succeed(
    tmp_path: Path, images: dict[str, bytes], layout: str
) -> None:
    bench = CutDevice(tmp_path, layout)
    bench.device.write_bytes(images[layout])
    names = [f"new{number}" for number in range(3)]
    line = "luksAddKey COST -d KEY:one DEV KEY:{}"
    codes = ended({name: started(KDUMPKEY, bench, line.format(name)) for name in names})
    assert set(codes.values()) == {0}
    assert_whole(bench, {"one", "two", *names}, set())


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_kdumpkey_and_cryptsetup_add_keys_at_once_and_each_that_succeeds_is_there(
    tmp_path: Path, images: dict[str, bytes], round_number: int
) -> None:
    # Of LUKS1 cryptsetup locks nothing, and its own processes lose each other's edits.
    bench, theirs = CutDevice(tmp_path, "luks2"), (require_tool("cryptsetup"),)
    bench.device.write_bytes(images["luks2"])
    line = "luksAddKey COST -d KEY:one DEV KEY:{}"
    children = {}
    for number in range(2):
        order = (KDUMPKEY, theirs) if (number + round_number) % 2 else (theirs, KDUMPKEY)
        for program in order:
            name = f"{'ours' if program is KDUMPKEY else 'theirs'}{number}"
            children[name] = started(program, bench, line.format(name))
    codes = ended(children)
    added = {name for name, code in codes.items() if code == 0}
    assert {"ours0", "ours1"} <= added
    assert_whole(bench, {"one", "two", *added}, set())


def test_a_key_that_is_changed_twice_at_once_opens_by_the_one_that_succeeded(
    tmp_path: Path, images: dict[str, bytes]
) -> None:
    bench, theirs = CutDevice(tmp_path, "luks2"), (require_tool("cryptsetup"),)
    bench.device.write_bytes(images["luks2"])
    line = "luksChangeKey COST -S 0 -d KEY:one DEV KEY:{}"
    children = {
        name: started(program, bench, line.format(name))
        for name, program in (("ours", KDUMPKEY), ("theirs", theirs), ("ours2", KDUMPKEY))
    }
    changed = {name for name, code in ended(children).items() if code == 0}
    assert len(changed) == 1
    # It changes a key in several steps, and what a refused one has added may stay.
    assert_whole(bench, {"two", *changed}, {"one", "ours", "ours2"} - changed)


def test_an_edit_and_another_of_cryptsetups_are_both_there(tmp_path: Path, images: dict[str, bytes]) -> None:
    bench, tool = CutDevice(tmp_path, "luks2"), require_tool("cryptsetup")
    bench.device.write_bytes(images["luks2"])
    children = {
        "ours": started(KDUMPKEY, bench, "token add DEV --key-description a:b --token-id 1"),
        "theirs": started((tool,), bench, "config DEV --label theirs --subsystem theirs"),
        "removed": started(KDUMPKEY, bench, "luksKillSlot -q -d KEY:two DEV 0"),
    }
    codes = ended(children)
    assert (codes["ours"], codes["removed"]) == (0, 0)
    dump = run([tool, "luksDump", bench.device]).out
    assert ours(["token", "export", bench.device, "--token-id", "1"]).code == 0
    assert ("theirs" in dump) == (codes["theirs"] == 0)
    assert_whole(bench, {"two"}, {"one"})
