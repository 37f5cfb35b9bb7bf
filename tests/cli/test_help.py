"""--help names what an action understands."""

from __future__ import annotations

import pytest

from both import ours

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
    shown = ours(["--help"]).out
    assert "Other names of erase: luksErase\n" in shown
    assert "Other names of config: luksConfig\n" in shown
    [line] = [line for line in shown.splitlines() if line.startswith("Other names of open: ")]
    assert "luksOpen" in line
    assert "luksClose" not in line
