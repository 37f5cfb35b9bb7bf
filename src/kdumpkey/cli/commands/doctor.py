"""kdump doctor: whether a crash now would leave a dump, finding by finding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Devices
from kdumpkey.cli.columns import folded, folded_fix
from kdumpkey.cli.options import Json, Root
from kdumpkey.cli.session import Reported, Run
from kdumpkey.errors import CannotTellError, NoDumpError
from kdumpkey.kdump.doctor import CANNOT_TELL, FAILS, Verdict, exit_code, is_loaded
from kdumpkey.kdump.doctor.examine import examine
from kdumpkey.printable import printable

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor import Finding

app = typer.Typer()
_SHOWN: Final = {
    Verdict.GOOD: "ok",
    Verdict.WARNING: "warning",
    Verdict.BROKEN: "BROKEN",
    Verdict.UNKNOWN: "cannot tell",
}
_WORKS: Final = "A crash now would leave a dump."
_WORKS_ONCE_LOADED: Final = "Once the image is loaded, a crash would leave a dump."
_CLOSING: Final = {
    FAILS: "A crash now would leave no dump that could be read.",
    CANNOT_TELL: "Whether a crash now would leave a dump cannot be told.",
}


@action(app, "doctor", "[<device> ...]", example="kdumpkey kdump doctor")
def doctor(run: Run, devices: Devices = None, root: Root = None, as_json: Json = False) -> None:
    """Examine this machine, or another's files."""
    session = run.begin()
    found = examine(Path(root or "/"), tuple(devices or ()))
    code = exit_code(found)
    if as_json:
        session.say(json.dumps({"exit_code": code, "findings": [_json(finding) for finding in found]}))
    else:
        for finding in found:
            for line in _lines(finding, verbose=session.verbose):
                session.say(line)
        session.say(_CLOSING.get(code, _WORKS if is_loaded(found) else _WORKS_ONCE_LOADED))
    if code == FAILS:
        raise Reported(NoDumpError("A crash now would leave no dump."))
    if code == CANNOT_TELL:
        raise Reported(CannotTellError("Whether a crash now would leave a dump cannot be told."))


def _lines(finding: Finding, *, verbose: bool) -> list[str]:
    about = f"{finding.device}: " if finding.device else ""
    what, fix = printable(finding.what), printable(finding.fix)
    lines = folded(f"{_SHOWN[finding.verdict]:12}{finding.check:12}", f"{printable(about)}{what}")
    if finding.verdict is not Verdict.GOOD or verbose:
        lines += folded(f"{'':24}", finding.why)
    if fix:
        lines += folded_fix(f"{'':12}Fix: ", fix)
    return lines


def _json(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "verdict": finding.verdict.value,
        "device": finding.device,
        "what": finding.what,
        "why": finding.why,
        "fix": finding.fix,
    }
