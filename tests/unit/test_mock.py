"""Scenarios are parsed strictly, and a memory limit is one: what is too much is refused or killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdumpkey.errors import UsageError
from kdumpkey.memory import limits
from kdumpkey.memory.limits import Limit, memory_limit
from kdumpkey.mock.run import shipped_scenarios
from kdumpkey.mock.scenario import CRASH, FIRST, KDUMP, REBOOT, parse_scenario

MIB = 1 << 20
SCRIPT = """\
#!/bin/sh
# What it is about.
#@machine --crashkernel 256M --command-line "a b"
#@disk disk.img root 64M
#@first-kernel
echo one
# a comment
#@crash
#@kdump-kernel
echo two
#@reboot
#@first-kernel
"""


def test_a_script_is_taken_apart() -> None:
    scenario = parse_scenario(SCRIPT)
    assert scenario.about == "What it is about."
    assert scenario.machine == ("--crashkernel", "256M", "--command-line", "a b")
    assert [(disk.name, disk.image, disk.size_bytes) for disk in scenario.disks] == [
        ("disk.img", "root", 64 * MIB)
    ]
    assert [section.kind for section in scenario.sections] == [FIRST, CRASH, KDUMP, REBOOT, FIRST]


def test_a_shell_names_the_scripts_own_lines() -> None:
    text = SCRIPT.replace("echo two", "if")
    section = parse_scenario(text).sections[2]
    said = subprocess.run(["sh", "-c", section.text], capture_output=True, text=True, check=False).stderr
    assert "12" in said or "11" in said
    assert section.text.splitlines()[9] == "if"


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo hello\n", "Line 1: there can be no command before"),
        ("# nothing\n", "no #@first-kernel"),
        ("#@kdump-kernel\n", "Line 1: kdump-kernel cannot come here"),
        ("#@first-kernel\n#@kdump-kernel\n", "Line 2: kdump-kernel cannot"),
        ("#@first-kernel\n#@crash\necho no\n", "Line 3: there can be no command in crash"),
        ("#@first-kernel\n#@disk a root 1M\n", "Line 2: #@disk is not known here"),
        ("#@teleport\n#@first-kernel\n", "Line 1: #@teleport"),
        ("#@disk ../a root 1M\n#@first-kernel\n", "Line 1: #@disk takes"),
        ("#@disk a root\n#@first-kernel\n", "Line 1: #@disk takes"),
        ("#@machine 'open\n#@first-kernel\n", "Line 1: No closing quotation"),
        ("#" * (1 << 20) + "\n#@first-kernel\n", "too long"),
    ],
)
def test_what_is_no_scenario_is_refused(script: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_scenario(script)


def test_the_shipped_scenarios_parse() -> None:
    shipped = shipped_scenarios()
    assert set(shipped) >= {
        "passphrase-in-kdump",
        "key-reuse",
        "expired-key",
        "wrong-keyring",
        "fragmented-region",
        "two-devices",
        "129-keys",
        "reload-leaves-copies",
    }
    assert all(parse_scenario(text).about for text in shipped.values())


def touch(limit: Limit, nbytes: int) -> int:
    program = f"x = bytearray({nbytes})\nfor i in range(0, len(x), 4096): x[i] = 1"
    command = [sys.executable, "-I", "-S", "-c", program]
    return subprocess.run(command, preexec_fn=limit.enter, capture_output=True, check=False).returncode


def test_more_memory_than_the_limit_is_not_to_be_had() -> None:
    with memory_limit(96 * MIB) as limit:
        assert touch(limit, 32 * MIB) == 0
        assert touch(limit, 160 * MIB) == (1 if limit.weaker else -9)
        assert limit.weaker or limit.killed() == 1


def test_the_group_is_removed() -> None:
    with memory_limit(96 * MIB) as limit:
        assert touch(limit, MIB) == 0
    left = [path for _, parent in limits._parents() for path in parent.glob(f"kdumpkey-mock-{os.getpid()}-*")]
    assert left == []


def test_without_control_groups_the_process_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_parents", lambda: iter([(2, Path("/proc/none")), (1, Path("/proc/none"))]))
    with memory_limit(96 * MIB) as limit:
        assert (limit.weaker, limit.kind.startswith("RLIMIT_DATA (weaker")) == (True, True)
        assert touch(limit, 32 * MIB) == 0
        assert touch(limit, 160 * MIB) == 1


def test_a_folder_without_the_controller_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "_parents", lambda: iter([(2, tmp_path), (1, tmp_path)]))
    with memory_limit(96 * MIB) as limit:
        assert limit.weaker
    assert list(tmp_path.iterdir()) == []
