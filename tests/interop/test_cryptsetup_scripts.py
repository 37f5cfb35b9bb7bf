"""cryptsetup's own test scripts: what cryptsetup 2.6 and 2.8 both pass on image files, kdumpkey passes.

KDUMPKEY_CRYPTSETUP_SOURCE names the source tree that the scripts are taken from; `make compat` fetches one.
"""

from __future__ import annotations

import fcntl
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cryptsetup_scripts import Check, Outcome, run_script, source_tree
from newer_release import UnavailableError, cache_folder
from tools import require_tool

DIFFERENCES = Path(__file__).resolve().parents[2] / "docs" / "differences.md"

# Each with the fewest calls that are worth the name of a test.
SCRIPTS = {
    "compat-args-test": 150,
    "compat-test": 400,
    "compat-test2": 600,
    "luks1-compat-test": 15,
    "luks2-validation-test": 80,
    "align-test": 100,
    "align-test2": 150,
    "mode-test": 80,
}


@dataclass(frozen=True)
class Expected:
    """A check that kdumpkey fails by choice: the script's line, and the row of differences.md about it."""

    script: str
    line: str
    row: str


EXPECTED: tuple[Expected, ...] = ()


@pytest.fixture(scope="module")
def tree() -> Path:
    """cryptsetup's folder of tests, and the tools that its scripts need."""
    try:
        tests = source_tree()
    except UnavailableError as error:
        pytest.skip(str(error))  # `make test` does without; `make compat` names one
    for tool in ("bash", "cc", "expect", "jq", "xxd", "keyctl"):
        require_tool(tool)
    return tests


@pytest.fixture(autouse=True)
def one_at_a_time() -> Iterator[None]:
    """The scripts share names in the user's keyring and cryptsetup's locks."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "cryptsetup-scripts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def places(outcome: Outcome) -> set[tuple[str, str]]:
    return {(check.lines, check.call) for check in outcome.failed}


def is_expected(script: str, check: Check) -> bool:
    return any(each.script == script and re.search(each.line, check.text) for each in EXPECTED)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_what_both_cryptsetups_pass_kdumpkey_passes(
    tree: Path, newer_cryptsetup: Path, tmp_path: Path, script: str
) -> None:
    kdumpkey = Path(sys.executable).with_name("kdumpkey")
    outcomes = [
        run_script(tree, script, program, tmp_path / str(number))
        for number, program in enumerate((require_tool("cryptsetup"), newer_cryptsetup, kdumpkey))
    ]
    older, newer, ours = outcomes
    for outcome in outcomes:
        assert outcome.calls >= SCRIPTS[script], outcome.output
    passed_by_none = places(older) | places(newer)
    unexpected = [
        check
        for check in sorted(ours.failed, key=str)
        if (check.lines, check.call) not in passed_by_none and not is_expected(script, check)
    ]
    assert not unexpected, f"{script}:\n" + "\n".join(map(str, unexpected))


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda each: each.line)
def test_a_check_that_is_failed_by_choice_has_its_row_in_the_documentation(expected: Expected) -> None:
    rows = [line for line in DIFFERENCES.read_text().splitlines() if line.startswith("|")]
    assert any(expected.row in row for row in rows)


def test_a_program_that_does_nothing_fails_what_cryptsetup_passes(tree: Path, tmp_path: Path) -> None:
    idle = tmp_path / "idle"
    idle.write_text("#!/bin/sh\ncat >/dev/null\n")
    idle.chmod(0o755)
    real = run_script(tree, "compat-args-test", require_tool("cryptsetup"), tmp_path / "real")
    nothing = run_script(tree, "compat-args-test", idle, tmp_path / "nothing")
    assert len(places(nothing) - places(real)) > 50
