"""Running a scenario on a simulated machine, each stage under the memory that it would have."""

from __future__ import annotations

import lzma
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from kdumpkey.errors import DeviceError, KdumpkeyError, UsageError
from kdumpkey.kernel.protocol import Stage
from kdumpkey.kernel.simulated.machine import destroy, opened
from kdumpkey.memory.kdump_kernel import KERNEL_BYTES, UNPACKED_BYTES, left_bytes
from kdumpkey.memory.limits import memory_limit
from kdumpkey.mock.scenario import CRASH, FIRST, KDUMP, REBOOT, Scenario
from kdumpkey.mock.tools import KDUMPKEY, Step, install_tools, read_steps

_MIB: Final = 1 << 20
_LEAST: Final = 8 * _MIB  # a shell, and what it starts
_PASSPHRASE: Final = b"correct horse battery staple"  # of the disks that are shipped: no secret
_SHM: Final = Path("/dev/shm")  # noqa: S108 (a folder of mode 0700 is made in it)


@dataclass(frozen=True)
class StageReport:
    """What a section did: `error` is why a crash or reboot was refused."""

    kind: str
    steps: tuple[Step, ...] = ()
    exit_code: int = 0
    seconds: float = 0.0
    limit_bytes: int | None = None
    limit_kind: str = ""
    weaker: bool = False
    killed: int = 0
    error: KdumpkeyError | None = None


@dataclass(frozen=True)
class Memory:
    """What the stages get; None: what the machine's memory and its reservation leave."""

    first_bytes: int | None = None
    kdump_bytes: int | None = None
    unpacked_bytes: int = UNPACKED_BYTES


def _started_silently(_kind: str, _limit: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Surroundings:
    """What the programs of a scenario are run in.

    Attributes:
        environment: For its programs; PATH and the machine are added to it.
        stdout: Where their output goes.
        stderr: Where their errors go.
        clock: Seconds, by which each section is timed.
        started: Told of each section, and its limit in words.
    """

    environment: Mapping[str, str]
    stdout: int
    stderr: int
    clock: Callable[[], float]
    started: Callable[[str, str], None] = _started_silently


def shipped_scenarios() -> dict[str, str]:
    """The scenarios that come with kdumpkey, by name."""
    folder = resources.files("kdumpkey.mock") / "scenarios"
    found = {entry.name: entry for entry in folder.iterdir() if entry.name.endswith(".sh")}
    return {name.removesuffix(".sh"): found[name].read_text(encoding="utf-8") for name in sorted(found)}


def run_scenario(scenario: Scenario, surroundings: Surroundings, memory: Memory) -> list[StageReport]:
    """Run a scenario to its end, or to the first section that fails.

    Args:
        scenario: What to run.
        surroundings: Where.
        memory: What each stage gets.

    Raises:
        UsageError: A limit too small for a shell, an unknown disk, or a machine that cannot be made.
        DeviceError: The machine cannot be made.
    """
    with (
        tempfile.TemporaryDirectory(prefix="kdumpkey-mock-") as work,
        Bench(Path(work), scenario, surroundings) as bench,
    ):
        for kind in {section.kind for section in scenario.sections} - {CRASH, REBOOT}:
            bench.limit_bytes(kind, memory)  # refuse what cannot work before anything runs
        reports = []
        for section in scenario.sections:
            if section.kind in (CRASH, REBOOT):
                reports.append(bench.event(section.kind))
            else:
                reports.append(bench.run(section.kind, ["sh", "-e", "-c", section.text], memory))
            if reports[-1].exit_code:
                break
        return reports


class Bench:
    """A machine, its disks and its programs in directories of their own; use it in a `with` statement.

    Args:
        folder: A directory, which stays the caller's.
        scenario: What is to be run.
        surroundings: Where.
    """

    def __init__(self, folder: Path, scenario: Scenario, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._log = folder / "steps"
        self._tools = folder / "bin"
        self._work = folder / "work"
        base = _SHM if _SHM.is_dir() and os.access(_SHM, os.W_OK) else folder
        self._machine = Path(tempfile.mkdtemp(prefix="kdumpkey-mock-", dir=base))
        for made in (self._tools, self._work):
            made.mkdir()
        environment = dict(surroundings.environment)
        self._environment = environment | {
            "PATH": f"{self._tools}:{environment.get('PATH', os.defpath)}",
            "KDUMPKEY_MACHINE": str(self._machine),
            "PASSPHRASE_FILE": str(self._work / "passphrase"),
        }
        self._scenario = scenario

    def __enter__(self) -> Bench:
        try:
            (self._work / "passphrase").write_bytes(_PASSPHRASE)
            for disk in self._scenario.disks:
                self._make_disk(disk.name, disk.image, disk.size_bytes)
            boot = [*KDUMPKEY, "kdump", "boot", "--throwaway", *self._scenario.machine]
            done = subprocess.run(
                boot,
                env=self._environment,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            if done.returncode:
                raise UsageError(f"The scenario's machine cannot be made: {done.stderr.strip()}")
            install_tools(self._tools, self._log)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Wipe the machine; the folder is the caller's."""
        with suppress(DeviceError):
            destroy(self._machine)
            return
        with suppress(OSError):
            self._machine.rmdir()

    @property
    def stage(self) -> Stage:
        """Which kernel runs."""
        with opened(self._machine) as machine:
            return machine.state.stage

    def limit_bytes(self, kind: str, memory: Memory) -> int:
        """How much memory a section's programs get.

        Raises:
            UsageError: Too little for a shell.
        """
        with opened(self._machine) as machine:
            state = machine.state
        if kind == FIRST:
            found = memory.first_bytes or state.ram_bytes - state.reserved_bytes
            how = "the machine's memory less the reserved"
        else:
            found = memory.kdump_bytes or left_bytes(state.reserved_bytes, memory.unpacked_bytes)
            how = (
                f"{state.reserved_bytes >> 20} MiB reserved, less {memory.unpacked_bytes >> 20} MiB of "
                f"unpacked initramfs and {KERNEL_BYTES >> 20} MiB of kernel"
            )
        if found < _LEAST:
            raise UsageError(
                f"{max(found, 0) >> 20} MiB are too little for a shell in the {kind}: {how}. "
                f"It needs {_LEAST >> 20} MiB."
            )
        return found

    def event(self, kind: str) -> StageReport:
        """Crash, or reboot."""
        clock = self._surroundings.clock
        self._surroundings.started(kind, "")
        began = clock()
        try:
            with opened(self._machine) as machine:
                if kind == CRASH:
                    machine.kernel.crash()
                else:
                    machine.reboot()
        except KdumpkeyError as error:
            return StageReport(kind, exit_code=error.exit_code, seconds=clock() - began, error=error)
        return StageReport(kind, seconds=clock() - began)

    def run(
        self, kind: str, command: list[str], memory: Memory, stdin: int = subprocess.DEVNULL
    ) -> StageReport:
        """Run a stage's program under its limit."""
        nbytes = self.limit_bytes(kind, memory)
        before = len(read_steps(self._log))
        outside = self._surroundings
        with memory_limit(nbytes) as limit:
            outside.started(kind, f"{nbytes >> 20} MiB, {limit.kind}")
            began = outside.clock()
            done = subprocess.run(
                command,
                env=self._environment | {"KDUMPKEY_STAGE": kind},
                cwd=self._work,
                stdin=stdin,
                stdout=outside.stdout,
                stderr=outside.stderr,
                preexec_fn=limit.enter,
                check=False,
            )
            return StageReport(
                kind,
                tuple(read_steps(self._log)[before:]),
                done.returncode if done.returncode >= 0 else 128 - done.returncode,
                outside.clock() - began,
                nbytes,
                limit.kind,
                limit.weaker,
                limit.killed(),
            )

    def _make_disk(self, name: str, image: str, size_bytes: int) -> None:
        packed = resources.files("kdumpkey.mock") / "disks" / f"{image}.img.xz"
        if "/" in image or not packed.is_file():
            raise UsageError(f"There is no image {image} for the scenario's disk {name}.")
        content = lzma.decompress(packed.read_bytes())
        if size_bytes < len(content):
            raise UsageError(f"The scenario's disk {name} is smaller than its image.")
        (self._work / name).write_bytes(content)
        os.truncate(self._work / name, size_bytes)


def stage_kind(stage: Stage) -> str:
    """The kind of section that runs in a stage."""
    return FIRST if stage is Stage.FIRST else KDUMP
