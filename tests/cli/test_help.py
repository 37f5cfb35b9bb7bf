"""--help names what an action understands."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys

import pytest

from both import ours
from kdumpkey.cli.reference import DescribedAction, actions, shared_options

DONE = list(actions())

pytestmark = pytest.mark.every_python

COSTS = "hash iter-time pbkdf pbkdf-force-iterations pbkdf-memory pbkdf-parallel"
AREA = "keyslot-cipher keyslot-key-size"
UNDERSTOOD = {
    "luksFormat": f"{COSTS} {AREA} type cipher key-size uuid label subsystem sector-size offset "
    "align-payload header luks2-metadata-size luks2-keyslots-size volume-key-file key-slot batch-mode",
    "luksAddKey": f"{COSTS} {AREA} new-keyfile new-keyfile-offset new-keyfile-size new-key-slot key-slot "
    "volume-key-file unbound key-file",
    "luksChangeKey": f"{COSTS} {AREA} new-keyfile-offset new-keyfile-size key-slot",
    "luksConvertKey": f"{COSTS} {AREA} key-slot",
    "config": "priority label subsystem key-slot",
    "token": "token-id json-file token-replace key-description key-slot",
    "benchmark": "cipher hash key-size pbkdf iter-time pbkdf-memory pbkdf-parallel tiers",
    "open": "token-id token-only token-type",
}


@pytest.mark.parametrize("action", UNDERSTOOD)
def test_every_option_that_counts_is_in_an_actions_help(action: str) -> None:
    shown = ours([action, "--help"]).out
    missing = [name for name in UNDERSTOOD[action].split() if f"--{name}" not in shown]
    assert missing == []


def test_each_action_has_its_own_other_names() -> None:
    assert "Other names: luksErase" in ours(["erase", "--help"]).out
    assert "Other names: luksConfig" in ours(["config", "--help"]).out
    shown = ours(["open", "--help"]).out
    assert "luksOpen" in shown
    assert "luksClose" not in shown


@pytest.mark.parametrize("action", DONE, ids=lambda action: action.name)
def test_an_actions_help_is_its_own_options_whole_within_80_columns(
    action: DescribedAction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = ours([*action.name.split(), "--help"])
    assert (result.code, result.err) == (0, "")
    assert "\x1b" not in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    shown = set(re.findall(r"(?:^|[│ ])(--[\w-]+)", result.out))
    own = {each.spelling.rpartition(" ")[2] for each in action.options}
    every = {
        each.spelling.rpartition(" ")[2] for each in shared_options() if "completion" not in each.spelling
    }
    assert own | every <= shown
    assert "…" not in result.out
    assert f"Example: {action.example}".split()[:3] == result.out[result.out.index("Example: ") :].split()[:3]


@pytest.mark.parametrize(
    "word", ["luks2", "cryptsetup's actions", "kdump", "Simulator", "Measuring", "isLuks"]
)
def test_the_programs_help_has_panels(word: str) -> None:
    assert word in ours(["--help"]).out + ours(["isLuks", "--help"]).out


def test_help_is_wrapped_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (60, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert max(map(len, ours(["luksFormat", "--help"]).out.splitlines())) == columns


@pytest.mark.parametrize("group", ["kdump", "region", "argon2", "mock"])
def test_a_group_alone_shows_its_help_and_does_nothing(group: str) -> None:
    alone, asked = ours([group]), ours([group, "--help"])
    assert (alone.code, asked.code) == (1, 0)
    assert alone.out == asked.out
    assert f"Usage: kdumpkey {group}" in alone.out


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("", True), ("1", False)])
def test_help_has_colour_on_a_terminal_unless_no_color_is_set(no_color: str | None, coloured: bool) -> None:
    leader, follower = pty.openpty()
    environment = {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "PATH": os.environ["PATH"]}
    if no_color is not None:
        environment["NO_COLOR"] = no_color
    command = [sys.executable, "-m", "kdumpkey", "isLuks", "--help"]
    with subprocess.Popen(command, stdout=follower, stdin=subprocess.DEVNULL, env=environment) as child:
        os.close(follower)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal is gone when the child is
            while got := os.read(leader, 65536):
                shown += got
        assert child.wait() == 0
    os.close(leader)
    assert b"isLuks" in shown
    assert (b"\x1b[" in shown) == coloured
