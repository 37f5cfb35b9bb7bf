"""cryptsetup's own test scripts: what cryptsetup 2.6 and 2.8 both pass on image files, kdumpkey passes.

KDUMPKEY_CRYPTSETUP_SOURCE names the source tree that the scripts are taken from; `make compat` fetches one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from cryptsetup_scripts import Check, ScriptOutcome, run_script, source_tree
from newer_release import UnavailableError
from tools import require_tool

KDUMPKEY = Path(sys.executable).with_name("kdumpkey")
DIFFERENCES = Path(__file__).resolve().parents[2] / "docs" / "differences.md"

# The longest first, each with the fewest calls that are worth the name of a test.
SCRIPTS = {
    "compat-test2": 600,
    "compat-test": 400,
    "align-test2": 150,
    "luks2-reencryption-mangle-test": 200,
    "align-test": 100,
    "luks2-validation-test": 80,
    "compat-args-test": 150,
    "mode-test": 80,
    "luks1-compat-test": 15,
}

# Scripts with no check that image files alone can answer, or of actions that kdumpkey does not have.
LEFT_OUT = {
    "00modules-test": "prints the system's versions",
    "bitlk-compat-test": "BitLocker: a row of differences.md",
    "blockwise-compat-test": "a program of cryptsetup's build",
    "compat-test-opal": "self-encrypting drives",
    "device-test": "device-mapper",
    "discards-test": "device-mapper",
    "fvault2-compat-test": "FileVault2: a row of differences.md",
    "integrity-compat-test": "integritysetup",
    "keyring-compat-test": "device-mapper",
    "keyring-test": "device-mapper",
    "keyring-trusted-test": "device-mapper",
    "loopaes-test": "device-mapper",
    "luks2-integrity-test": "integrity protection: a row of differences.md",
    "luks2-reencryption-test": "reencryption, which is cryptsetup's",
    "password-hash-test": "device-mapper",
    "reencryption-compat-test": "reencryption, which is cryptsetup's",
    "tcrypt-compat-test": "TrueCrypt: a row of differences.md",
    "unit-wipe-test": "a program of cryptsetup's build",
    "verity-compat-test": "veritysetup",
}


@dataclass(frozen=True)
class Expected:
    """A check that kdumpkey fails by choice: the script's line, and the row of differences.md about it."""

    script: str
    line: str
    call: str
    row: str


_MANGLED = "luks2-reencryption-mangle-test"
_REPAIR = "`repair` in the middle of a reencryption"
_TEST = "`open --test-passphrase` in the middle of a reencryption"
_LINKS = "`--link-vk-to-keyring`, `--volume-key-keyring` in the middle of a reencryption"
_KEPT = "`luksFormat --header` where the data device does not exist"
EXPECTED = (
    Expected("compat-test2", "--link-vk-to-keyring", "--link-vk-to-keyring", _LINKS),
    Expected("compat-test2", "test_reencrypt_vk_link", "--volume-key-keyring .*--volume-key-keyring", _LINKS),
    # The data device would be one of device-mapper's.
    Expected("align-test2", "^auto_sector ", "^luksDump test_luks2_hdr", _KEPT),
    Expected("compat-test2", "--debug luksFormat", "--debug luksFormat", "`--debug luksFormat`"),
    Expected(_MANGLED, "img_check_(dump_ok|fail)", "^repair ", _REPAIR),
    Expected(_MANGLED, "img_check_fail$", "^open .*--test-passphrase", _TEST),
    # What a repair would have made possible.
    Expected(_MANGLED, "img_check_fail_repair_ok", "^(open|reencrypt) ", _REPAIR),
)


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


class Three(NamedTuple):
    """What came of a script with each program."""

    older: ScriptOutcome
    newer: ScriptOutcome
    ours: ScriptOutcome


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest,
    tree: Path,
    newer_cryptsetup: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[Three]]]:
    """The scripts of the chosen tests: one at a time on each processor, one program after the other.

    A script's programs share its names in the user's keyring, so they do not run at once.
    """
    older = require_tool("cryptsetup")

    def three(script: str) -> Three:
        folder = tmp_path_factory.mktemp(script)
        return Three(
            run_script(tree, script, older, folder / "older"),
            run_script(tree, script, newer_cryptsetup, folder / "newer"),
            run_script(tree, script, KDUMPKEY, folder / "ours", reencrypts=newer_cryptsetup),
        )

    chosen = {
        item.callspec.params.get("script")
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    }
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {script: pool.submit(three, script) for script in SCRIPTS if script in chosen}


def places(outcome: ScriptOutcome) -> set[tuple[str, str]]:
    return {(check.lines, check.call) for check in outcome.failed}


def is_expected(script: str, check: Check) -> bool:
    return any(
        each.script == script and re.search(each.line, check.text) and re.search(each.call, check.call)
        for each in EXPECTED
    )


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_what_both_cryptsetups_pass_kdumpkey_passes(running: dict[str, Future[Three]], script: str) -> None:
    older, newer, ours = running[script].result()
    for outcome in (older, newer, ours):
        assert outcome.calls >= SCRIPTS[script], outcome.output
    passed_by_none = places(older) | places(newer)
    unexpected = [
        check
        for check in sorted(ours.failed, key=str)
        if (check.lines, check.call) not in passed_by_none and not is_expected(script, check)
    ]
    assert not unexpected, f"{script}:\n" + "\n".join(map(str, unexpected))


def test_every_script_of_the_release_is_run_or_left_out_with_a_reason(tree: Path) -> None:
    scripts = {
        path.name for path in tree.glob("*-test*") if os.access(path, os.X_OK) and "plugin" not in path.name
    }
    assert scripts - SCRIPTS.keys() - LEFT_OUT.keys() == set(), "scripts that a newer release added"


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
