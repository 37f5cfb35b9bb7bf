"""What the doctor found: a verdict, what was seen, why it matters when the machine crashes, and the fix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(Enum):
    """What a finding means for the dump."""

    GOOD = "good"
    WARNING = "warning"  # it would work, but not well, or not for long
    BROKEN = "broken"  # no dump would be written
    UNKNOWN = "unknown"  # this caller, or anybody, cannot tell


WORKS: Final = 0
FAILS: Final = 1
CANNOT_TELL: Final = 10


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: The name of the check, the same in every run.
        verdict: What it means for the dump.
        what: What was seen.
        why: Why it matters when the machine crashes.
        fix: What to do, as a command where possible; empty: nothing.
        device: The encrypted device that it is about; empty: the machine.
    """

    check: str
    verdict: Verdict
    what: str
    why: str
    fix: str = ""
    device: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """0: a dump would be written; 1: it would not; 10: nobody can tell."""
    verdicts = {finding.verdict for finding in findings}
    if Verdict.BROKEN in verdicts:
        return FAILS
    return CANNOT_TELL if Verdict.UNKNOWN in verdicts else WORKS


def is_loaded(findings: Iterable[Finding]) -> bool:
    """Whether a crash image is loaded, and does not wait for the next load."""
    return not any(each.check == "image" and each.verdict is not Verdict.GOOD for each in findings)
