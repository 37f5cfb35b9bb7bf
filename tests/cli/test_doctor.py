"""kdump doctor from the command line: exit codes, lines and JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import roots
from doctor_field_trees import LINKED


def _doctor(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "kdumpkey", "kdump", "doctor", "--root", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _tree(root: Path, **changes: str | None) -> Path:
    named = {"record": "run/kdumpkey/loaded.json", "size": "sys/kernel/kexec_crash_size"}
    return roots.build(
        root,
        roots.fedora() | {named[name]: value for name, value in changes.items()},
    )


def test_a_sound_machine_gives_0(tmp_path: Path) -> None:
    done = _doctor(_tree(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("A crash now would leave a dump.\n")


def test_a_broken_one_gives_1_and_the_fix(tmp_path: Path) -> None:
    done = _doctor(_tree(tmp_path, size="0\n"))
    assert (done.returncode, done.stderr) == (1, "")
    assert "Fix: grubby --update-kernel=ALL --args=crashkernel=256M" in done.stdout


def test_what_cannot_be_told_gives_10_also_with_v(tmp_path: Path) -> None:
    done = _doctor(_tree(tmp_path, record=None), "-v")
    assert (done.returncode, done.stderr) == (10, "")
    assert done.stdout.endswith("Command failed with code -10 (cannot tell).\n")


def test_json_has_the_exit_code_and_every_finding_whole(tmp_path: Path) -> None:
    done = _doctor(_tree(tmp_path, size="0\n"), "--json")
    found = json.loads(done.stdout)
    assert found["exit_code"] == done.returncode == 1
    assert all(
        set(finding) == {"check", "verdict", "device", "what", "why", "fix"} for finding in found["findings"]
    )
    assert [each["check"] for each in found["findings"] if each["verdict"] == "broken"] == ["crashkernel"]


def test_a_machine_that_waits_for_its_first_load_is_not_said_to_leave_a_dump_now(tmp_path: Path) -> None:
    tree, code = LINKED["names of the kernel's documentation, not loaded yet"]
    done = _doctor(roots.build(tmp_path, tree))
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.endswith("Once the image is loaded, a crash would leave a dump.\n")
