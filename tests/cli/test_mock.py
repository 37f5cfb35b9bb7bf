"""The shipped scenarios end as they say, and the report has every step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from both import ours
from kdumpkey.memory import available as memory
from tools import HANGS_AFTER_S, unavailable

NEEDED_KIB = 1200 << 10


def mock(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "kdumpkey", *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=dict(os.environ) | (env or {})
    )


def need_argon2() -> None:
    if memory.available().kib < NEEDED_KIB:
        unavailable("less than 1200 MiB of memory are available, for Argon2 at 1 GiB")


def steps(stages: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(step["command"], step["exit_code"]) for stage in stages for step in stage["steps"]]


@pytest.mark.parametrize(
    ("name", "code", "stages"),
    [
        ("key-reuse", 0, ["first-kernel", "crash", "kdump-kernel"]),
        ("passphrase-in-kdump", 3, ["first-kernel", "crash", "kdump-kernel"]),
        ("expired-key", 1, ["first-kernel", "crash"]),
        ("wrong-keyring", 0, ["first-kernel", "crash", "kdump-kernel"]),
        ("fragmented-region", 0, ["first-kernel"]),
        ("two-devices", 0, ["first-kernel", "crash", "kdump-kernel"]),
        ("129-keys", 2, ["first-kernel", "crash", "kdump-kernel"]),
        ("reload-leaves-copies", 0, ["first-kernel"]),
    ],
)
def test_a_scenario_ends_as_it_says(name: str, code: int, stages: list[str]) -> None:
    need_argon2()
    done = mock("mock", "run", name, "--json")
    assert done.returncode == code, done.stderr
    report = json.loads(done.stdout)
    assert [stage["stage"] for stage in report["stages"]] == stages
    assert report["stages"][-1]["exit_code"] == code
    assert all(step["peak_kib"] > 0 for stage in report["stages"] for step in stage["steps"])
    assert (
        f"Fails with exit code {code}" in report["about"]
        or f"Exit code {code}" in report["about"]
        or not code
    )
    if name == "passphrase-in-kdump":
        assert "keyslot 0 needs 1048576 KiB for argon2id" in done.stderr
    if name == "wrong-keyring":
        assert ("kdumpkey kdump load", 1) in steps(report["stages"])
    if name == "key-reuse":
        by_passphrase = report["stages"][0]["steps"][0]
        handed_over = report["stages"][2]["steps"][0]
        assert handed_over["peak_kib"] * 20 <= by_passphrase["peak_kib"]
        assert handed_over["seconds"] * 5 <= by_passphrase["seconds"]


def test_the_demo_tells_the_story() -> None:
    need_argon2()
    done = mock("demo")
    assert done.returncode == 0, done.stderr
    for text in (
        "keyslot 0 needs 1048576 KiB",
        "The dump is the one that was written",
        "less, by a factor of",
    ):
        assert text in done.stdout + done.stderr


def test_a_script_of_ones_own_runs_and_fails_with_its_code(tmp_path: Path) -> None:
    script = tmp_path / "mine.sh"
    script.write_text("#@first-kernel\nkdumpkey kdump load\nexit 5\n")
    done = mock("mock", "run", str(script))
    assert done.returncode == 5
    assert "first-kernel: kdumpkey kdump load" in done.stdout


def test_a_limit_too_small_for_a_shell_is_said_beforehand(tmp_path: Path) -> None:
    script = tmp_path / "small.sh"
    script.write_text(
        "#@machine --crashkernel 96M --kernel-size 20M --initrd-size 20M\n"
        "#@first-kernel\nkdumpkey kdump load\n#@crash\n#@kdump-kernel\n"
    )
    done = mock("mock", "run", str(script))
    assert (done.returncode, "too little for a shell" in done.stderr) == (1, True)
    assert mock("mock", "run", str(script), "--unpacked-size", "20M").returncode == 0


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    script = tmp_path / "short.sh"
    script.write_text('#@first-kernel\ntest -d "$KDUMPKEY_MACHINE"\necho "machine $KDUMPKEY_MACHINE"\n')
    done = mock("mock", "run", str(script), env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0
    (machine,) = [line.removeprefix("machine ") for line in done.stdout.splitlines() if "machine /" in line]
    assert not os.path.lexists(machine)
    assert os.listdir(tmp_path) == ["short.sh"]


def test_an_unknown_scenario_names_those_that_there_are() -> None:
    done = mock("mock", "run", "nothing")
    assert (done.returncode, "key-reuse" in done.stderr) == (4, True)
    assert "key-reuse" in mock("mock", "scenarios").stdout


def test_a_shell_crashes_into_the_other_kernel() -> None:
    need_argon2()
    environment = dict(os.environ) | {"SHELL": "/bin/sh", "PS1": "$ "}
    command = ["-P", "-m", "kdumpkey", "mock", "shell"]
    shell = pexpect.spawn(sys.executable, command, timeout=HANGS_AFTER_S, encoding="utf-8", env=environment)
    shell.expect("--- first-kernel")
    shell.sendline(
        "kdumpkey kdump name root.img --key-file passphrase && kdumpkey kdump load && kdumpkey kdump crash"
    )
    shell.expect("The kdump kernel runs in 256 MiB")
    shell.sendline("exit")
    shell.expect("--- kdump-kernel")
    shell.sendline("kdumpkey unlock root.img --from-kdump --json && exit")
    shell.expect('"keyslot": null')
    shell.expect("kdump-kernel: kdumpkey unlock root.img --from-kdump")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0


@pytest.mark.parametrize(
    "line", ["mock scenarios", "kdump estimate --arch x86_64 --ram 4G --crashkernel 256M", "region compare"]
)
def test_a_table_fits_80_columns(line: str) -> None:
    result = ours(line.split())
    assert result.code == 0
    rows = result.out.splitlines()[1:]  # the first line of some is a sentence
    assert [row for row in rows if len(row) > 80] == []
