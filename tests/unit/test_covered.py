"""The check of `make coverage`: what it complains of, and that it sees what programs of the tests run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import covered
from covered import Module, complaints, modules
from tools import unmeasured

PROGRAM = """
import subprocess, sys
subprocess.run([sys.executable, "-P", "-m", "kdumpkey", "kdump", "name", "--help"], check=True)
"""


def report(**percents: float) -> dict[str, Any]:
    return {
        "files": {
            path: {"summary": {"percent_covered": percent}, "missing_lines": [1, 2, 3, 7, 9, 10]}
            for path, percent in percents.items()
        }
    }


def test_the_least_covered_come_first_with_the_runs_of_lines_that_they_miss() -> None:
    assert modules(report(b=90, c=12.5, a=90)) == [
        Module("c", 12.5, "1-3, 7, 9-10"),
        Module("a", 90, "1-3, 7, 9-10"),
        Module("b", 90, "1-3, 7, 9-10"),
    ]
    assert str(Module("c", 12.5, "1-3")) == " 12.5 %  c: 1-3"
    assert str(Module("d", 100, "")) == "100.0 %  d"


def test_a_module_below_the_threshold_is_a_failure_unless_it_runs_elsewhere() -> None:
    measured = [Module("a", 84.9, "3"), Module("b", 0, "1-9"), Module("c", 85, "")]
    assert complaints(measured, {"b": "in the lab"}) == ["below 85 %:  84.9 %  a: 3"]


def test_an_exception_that_nothing_needs_is_a_failure() -> None:
    measured = [Module("a", 85, "3")]
    assert complaints(measured, {"a": "in the lab", "gone": "in the lab"}) == [
        "at 85.0 %, take it out of ELSEWHERE: a",
        "no such module, take it out of ELSEWHERE: gone",
    ]
    assert complaints(measured, {}) == []


def test_what_a_program_of_the_tests_runs_is_counted_wherever_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "pyproject.toml"
    text = (covered.ROOT / "pyproject.toml").read_text()
    assert 'source = ["src/kdumpkey"]' in text
    settings.write_text(text.replace("src/kdumpkey", str(covered.ROOT / "src/kdumpkey")))
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = unmeasured()
    command = [sys.executable, "-m", "coverage", "run", "program.py"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    monkeypatch.setattr(covered, "ROOT", tmp_path)
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    percents = {Path(module.path).name: module.percent for module in modules(covered.report())}
    assert percents["__main__.py"] > 50
    assert percents["keyslots.py"] == 0
