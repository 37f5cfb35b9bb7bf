"""Whether the tests run enough of each module, by what coverage.py wrote down while they ran.

    python tests/covered.py        after `coverage run -m pytest`; `make coverage` is both

Lines and branches count, of the tests' own process and of every program that they start. It prints
the modules of which least has run, and fails if one is below the threshold and not in ELSEWHERE.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
THRESHOLD = 85.0  # per cent of a module's lines and branches
SHOWN = 20

# Modules whose lines run where coverage.py cannot look: what runs them, and why not the tests.
ELSEWHERE: dict[str, str] = {}


@dataclass(frozen=True)
class Module:
    """How much of a module has run.

    Attributes:
        path: Relative to the project's folder.
        percent: Of its lines and branches.
        missing: The lines that did not run, such as "12-14, 20".
    """

    path: str
    percent: float
    missing: str

    def __str__(self) -> str:
        return f"{self.percent:5.1f} %  {self.path}" + (f": {self.missing}" if self.missing else "")


def modules(report: Mapping[str, Any]) -> list[Module]:
    """The modules of a report that `coverage json` wrote, the least covered first."""
    found = [
        Module(path, float(each["summary"]["percent_covered"]), _runs(each["missing_lines"]))
        for path, each in report["files"].items()
    ]
    return sorted(found, key=lambda module: (module.percent, module.path))


def _runs(lines: list[int]) -> str:
    """Line numbers in ascending order, where those that follow one another are one run."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def complaints(measured: list[Module], elsewhere: Mapping[str, str]) -> list[str]:
    """What is wrong: a module below the threshold, or an exception that nothing needs."""
    percents = {module.path: module.percent for module in measured}
    wrong = [
        f"below {THRESHOLD:g} %: {module}"
        for module in measured
        if module.percent < THRESHOLD and module.path not in elsewhere
    ]
    for path in sorted(elsewhere):
        if path not in percents:
            wrong.append(f"no such module, take it out of ELSEWHERE: {path}")
        elif percents[path] >= THRESHOLD:
            wrong.append(f"at {percents[path]:.1f} %, take it out of ELSEWHERE: {path}")
    return wrong


def report() -> dict[str, Any]:
    """Merge what the processes left behind, and count it by module."""
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "combine", "--quiet"], cwd=ROOT, check=True)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([*coverage, "json", "--quiet", "-o", file.name], cwd=ROOT, check=True)
        found: dict[str, Any] = json.load(file)
    return found


def main() -> int:
    """Print the result; 1 if a module is below the threshold."""
    found = report()
    measured = modules(found)
    print(f"\n-- Coverage: {found['totals']['percent_covered']:.1f} % of all. Least has run of:")
    print(*measured[:SHOWN], sep="\n")
    for path, reason in sorted(ELSEWHERE.items()):
        print(f"elsewhere  {path}: {reason}")
    wrong = complaints(measured, ELSEWHERE)
    for line in wrong:
        print(line, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
