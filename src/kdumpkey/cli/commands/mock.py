"""mock run and mock shell: scenarios under the memory of each kernel, and what each step took."""

from __future__ import annotations

import json
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.columns import folded
from kdumpkey.cli.kernel_memory import KernelMemory
from kdumpkey.cli.options import Json
from kdumpkey.cli.session import Run, Session
from kdumpkey.errors import BusyError, DeviceError, KdumpkeyError, ResourceError, UsageError, WrongKeyError
from kdumpkey.memory.kdump_kernel import UNPACKED_BYTES
from kdumpkey.mock.run import (
    Bench,
    Memory,
    StageReport,
    Surroundings,
    run_scenario,
    shipped_scenarios,
    stage_kind,
)
from kdumpkey.mock.scenario import CRASH, REBOOT, Scenario, parse_scenario

if TYPE_CHECKING:
    from kdumpkey.mock.tools import Step

app = typer.Typer()
_KINDS: Final[dict[int, type[KdumpkeyError]]] = {
    2: WrongKeyError,
    3: ResourceError,
    4: DeviceError,
    5: BusyError,
}


def _scenario_names(incomplete: str) -> list[str]:
    return [name for name in shipped_scenarios() if name.startswith(incomplete)]


@action(app, "run", "<script or scenario>", example="kdumpkey mock run demo")
def run_script(
    run: Run,
    script: Annotated[
        str,
        typer.Argument(
            metavar="SCRIPT", help="A script, or the name of a scenario", autocompletion=_scenario_names
        ),
    ],
    memory: KernelMemory,
    as_json: Json = False,
) -> None:
    """Run a script or scenario; exit with the code of the section that failed."""
    session = run.begin()
    reports = _run(session, _scenario(script), memory, as_json=as_json)
    _raise_failure(reports[-1])


def _run(
    session: Session, scenario: Scenario, memory: KernelMemory, *, as_json: bool, with_table: bool = True
) -> list[StageReport]:
    sections = count(1)

    def started(kind: str, limit: str) -> None:
        number = f"[{next(sections)}/{len(scenario.sections)}]"
        session.complain(f"--- {number} {kind}{f' ({limit})' if limit else ''}")

    stderr = session.streams.stderr
    reports = run_scenario(
        scenario,
        Surroundings(
            session.streams.environment,
            stderr if as_json else session.streams.stdout,
            stderr,
            time.monotonic,
            started,
        ),
        _memory(memory),
    )
    if as_json:
        session.say(json.dumps({"about": scenario.about, "stages": [_plain(report) for report in reports]}))
    elif with_table or reports[-1].exit_code:
        for line in report_lines(reports):
            session.say(line)
    return reports


@action(app, "shell", example="kdumpkey mock shell")
def shell(run: Run, memory: KernelMemory) -> None:
    """Open a shell in the first kernel; after `kdumpkey kdump crash` and exit, one in the kdump kernel."""
    session = run.begin()
    environment = session.streams.environment
    scenario = parse_scenario("#@disk root.img root 64M\n#@first-kernel\n")
    program = environment.get("SHELL") or "/bin/sh"
    session.complain(
        "root.img is a LUKS2 disk, and $PASSPHRASE_FILE has its passphrase. To get to the kdump kernel, run "
        "kdumpkey kdump crash, then exit."
    )
    surroundings = Surroundings(
        environment,
        session.streams.stdout,
        session.streams.stderr,
        time.monotonic,
        lambda name, limit: session.complain(f"--- {name} ({limit})"),
    )
    with (
        tempfile.TemporaryDirectory(prefix="kdumpkey-mock-") as folder,
        Bench(Path(folder), scenario, surroundings) as bench,
    ):
        reports = []
        while True:
            before = bench.stage
            kind = stage_kind(before)
            reports.append(bench.run(kind, [program], _memory(memory), session.streams.stdin))
            if bench.stage is before:
                break
    for line in report_lines(reports):
        session.say(line)


@action(app, "scenarios", example="kdumpkey mock scenarios")
def scenarios(run: Run, as_json: Json = False) -> None:
    """List the scenarios that are shipped."""
    session = run.begin()
    found = {name: parse_scenario(text).about for name, text in shipped_scenarios().items()}
    if as_json:
        session.say(json.dumps(found))
        return
    for name, about in found.items():
        for line in folded(f"{name:22}", about):
            session.say(line)


@action(app, "demo", example="kdumpkey demo")
def demo(run: Run, memory: KernelMemory, as_json: Json = False) -> None:
    """Run the scenario that tells the whole story, and show what handing the key over saves."""
    session = run.begin()
    scenario = _scenario("demo")
    if not as_json:
        for line in (*folded("", scenario.about), ""):
            session.say(line)
    reports = _run(session, scenario, memory, as_json=as_json, with_table=False)
    _raise_failure(reports[-1])
    first, second = (_step(reports, words) for words in ("kdump name", "unlock root.img --from-kdump"))
    if first is None or second is None or as_json:
        return
    session.say("\nWhat opening the disk took:")
    for name, step in (("with the passphrase", first), ("with the key handed over", second)):
        session.say(f"  {name:26}{step.seconds:7.2f} s {step.peak_kib / 1024:8.0f} MiB")
    less_memory, less_time = first.peak_kib / second.peak_kib, first.seconds / second.seconds
    session.say(f"  {'which is less, by a factor of':26}{less_time:4.0f}   {less_memory:8.0f}")


def _step(reports: list[StageReport], words: str) -> Step | None:
    steps = (step for report in reports for step in report.steps)
    return next((step for step in steps if words in step.command), None)


def report_lines(reports: list[StageReport]) -> list[str]:
    """Each step with its exit code, seconds and peak memory."""
    lines = ["", f"{'exit':>4}  {'seconds':>8}  {'peak':>9}  step"]
    for report in reports:
        for step in report.steps:
            lines.append(
                f"{step.exit_code:4}  {step.seconds:8.3f}  {step.peak_kib / 1024:5.0f} MiB  "
                f"{report.kind}: {step.command}"
            )
        limit = f", {report.limit_bytes >> 20} MiB by {report.limit_kind}" if report.limit_bytes else ""
        killed = f", {report.killed} killed for memory" if report.killed else ""
        lines.append(f"{report.exit_code:4}  {report.seconds:8.3f}  {'':9}  {report.kind}{limit}{killed}")
    return lines


def _scenario(word: str) -> Scenario:
    shipped = shipped_scenarios()
    if word in shipped:
        return parse_scenario(shipped[word])
    try:
        return parse_scenario(Path(word).read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError) as error:
        names = ", ".join(shipped)
        raise DeviceError(
            f"There is no script {word} and no scenario of that name. The scenarios are: {names}."
        ) from error


def _memory(wanted: KernelMemory) -> Memory:
    unpacked = UNPACKED_BYTES if wanted.unpacked_bytes is None else wanted.unpacked_bytes
    return Memory(wanted.first_bytes, wanted.kdump_bytes, unpacked)


def _plain(report: StageReport) -> dict[str, object]:
    return {
        "stage": report.kind,
        "exit_code": report.exit_code,
        "seconds": round(report.seconds, 3),
        "limit_bytes": report.limit_bytes,
        "limit": report.limit_kind or None,
        "weaker": report.weaker,
        "killed": report.killed,
        "steps": [vars(step) for step in report.steps],
    }


def _raise_failure(last: StageReport) -> None:
    if not last.exit_code:
        return
    if last.error is not None:
        raise last.error
    event = last.kind in (CRASH, REBOOT)
    what = f"The {last.kind} {'was refused' if event else f'ended with {last.exit_code}'}."
    raise _KINDS.get(last.exit_code, UsageError)(what)
