"""A simulated machine in a directory: its state outlives the process, its first kernel's secrets no crash.

Only the caller can use the directory (mode 0700), which should lie in a tmpfs: the reserved memory and the
keys are files in it. Nothing else protects them: a simulator is no security boundary.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kdumpkey.errors import BusyError, DeviceError, PermissionDeniedError, UsageError
from kdumpkey.kernel.protocol import Stage
from kdumpkey.kernel.simulated.kernel import SimulatedKernel
from kdumpkey.kernel.simulated.keyring import SimulatedKeyrings
from kdumpkey.kernel.simulated.keyring_file import discard, load_keyrings, save_keyrings
from kdumpkey.kernel.simulated.keys import Process
from kdumpkey.kernel.simulated.state import MachineState
from kdumpkey.region.memory import CrashRegion
from kdumpkey.region.model import PAGE, USUAL_BASE, ImageSizes, Policy
from kdumpkey.storage.publish import write_file

LOGIN: Final = "login"  # the session whose keyring has a link to @u
_STATE, _REGION, _LOCK, _KEYS = "state.json", "region", "lock", "keys-"
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class MachineConfig:
    """What a machine is made of: see `MachineState`."""

    policy: Policy = Policy.UPSTREAM
    ram_bytes: int = 4096 * _MIB
    reserved_bytes: int = 256 * _MIB
    base: int = USUAL_BASE
    throwaway: bool = False
    sizes: ImageSizes = field(default_factory=ImageSizes)


class Machine:
    """An open machine, locked for this process; make it by `boot` or `opened`.

    Attributes:
        path: Its directory.
        state: Where it stands.
        kernel: The kernel that runs.
    """

    def __init__(
        self,
        path: Path,
        state: MachineState,
        draw: Callable[[int], int] = secrets.randbelow,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.state = state
        self._now = now
        fd = os.open(path / _REGION, os.O_RDWR | os.O_CLOEXEC)
        keyrings = SimulatedKeyrings(self.clock)
        region = CrashRegion(fd, state.base, state.reserved_bytes)
        self.kernel = SimulatedKernel(path, state, region, keyrings, Process(), self.clock, draw, self.save)
        load_keyrings(keyrings, self._keys_path)
        self._discard_other_keys()

    def clock(self) -> float:
        """The machine's time, in seconds since the epoch."""
        return self._now() + self.state.clock_offset_s

    @property
    def keyrings(self) -> SimulatedKeyrings:
        """The running kernel's keys."""
        return self.kernel.keyrings

    @property
    def process(self) -> Process:
        """Who calls."""
        return self.kernel.process

    def enter_session(self, name: str) -> None:
        """Call from the session of this name; one that is new has a keyring without a link to @u.

        The kdump kernel's initramfs has no session: there, every name is the same.
        """
        if self.state.stage is Stage.KDUMP:
            return
        serial = self.state.sessions.get(name)
        if serial is None or serial not in self.keyrings.keys:
            serial = self.keyrings.new_session(self.process, linked=name == LOGIN)
            self.state.sessions[name] = serial
        self.process.session = serial

    def reboot(self) -> None:
        """Switch it off and on: all memory is cleared, the first kernel runs."""
        old = self.state
        booted = MachineState(
            old.policy, old.ram_bytes, old.base, old.reserved_bytes, boot=old.boot + 1, sizes=old.sizes
        )
        booted.clock_offset_s, booted.throwaway = old.clock_offset_s, old.throwaway
        # If it is cut off in between, the region still belongs to an interrupted load.
        old.image, old.interrupted = None, True
        self.save()
        self.kernel.region.clear(old.base, old.reserved_bytes)
        self.keyrings.close()
        self.process.session = self.process.thread = None
        self.state = self.kernel.state = booted
        self.save()

    def save(self) -> None:
        """Make state and keys last; the state's file is replaced in one step."""
        write_file(self.path / _STATE, self.state.to_json().encode("ascii"), replace=True)
        save_keyrings(self.keyrings, self._keys_path)
        self._discard_other_keys()

    def close(self) -> None:
        """End the calling process in it, and wipe what this one has of its keys; `save` comes first."""
        self.keyrings.close()
        self.kernel.region.close()

    @property
    def _keys_path(self) -> Path:
        return self.path / f"{_KEYS}{self.state.boot}-{self.state.stage.value}"

    def _discard_other_keys(self) -> None:
        for path in self.path.glob(f"{_KEYS}*"):
            if path != self._keys_path:
                discard(path)


def boot(path: Path, config: MachineConfig) -> None:
    """Make a machine, running its first kernel.

    Args:
        path: A directory that does not exist, or that is empty.
        config: What it is made of.

    Raises:
        UsageError: The reserved memory is larger than all memory, or not a whole number of pages.
        BusyError: The directory is not empty.
        DeviceError: The directory cannot be made.
    """
    if config.reserved_bytes % PAGE or not PAGE <= config.reserved_bytes <= config.ram_bytes:
        raise UsageError("The reserved memory must be whole pages, and less than the machine's memory.")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_own(path)
        if any(path.iterdir()):
            raise BusyError(
                f"{path} is not empty: kdump reboot restarts a machine, kdump destroy removes it."
            )
        fd = os.open(path / _REGION, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, config.reserved_bytes)
        finally:
            os.close(fd)
        (path / _LOCK).touch(mode=0o600)
        state = MachineState(
            config.policy, config.ram_bytes, config.base, config.reserved_bytes, sizes=config.sizes
        )
        state.throwaway = config.throwaway
        write_file(path / _STATE, state.to_json().encode("ascii"), replace=True)
    except OSError as error:
        raise DeviceError(f"Machine {path} cannot be made: {error.strerror}.") from error


@contextmanager
def opened(
    path: Path,
    *,
    session: str = LOGIN,
    draw: Callable[[int], int] = secrets.randbelow,
    now: Callable[[], float] = time.time,
) -> Iterator[Machine]:
    """Open a machine for one call, while others wait; first repairs what an interrupted load left behind.

    Args:
        path: Its directory.
        session: Whose session keyring the call has.
        draw: A uniform random number below its argument.
        now: Seconds since the epoch.

    Raises:
        DeviceError: There is no machine, or it is damaged.
        PermissionDeniedError: The directory is not this user's alone.
    """
    try:
        _check_own(path)
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise DeviceError(f"There is no machine in {path}: kdump boot makes one.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            state = MachineState.from_json((path / _STATE).read_text(encoding="ascii"))
            machine = Machine(path, state, draw, now)
        except OSError as error:
            raise DeviceError(f"Machine {path} cannot be opened: {error.strerror}.") from error
        try:
            machine.kernel.recover()
            machine.enter_session(session)
            try:
                yield machine
            finally:
                machine.keyrings.end_process(machine.process)
                machine.save()
        finally:
            machine.close()
    finally:
        os.close(lock)


def destroy(path: Path) -> None:
    """Zero a machine's memory and keys, and remove it.

    Raises:
        DeviceError: There is no machine.
        PermissionDeniedError: The directory is not this user's alone.
    """
    try:
        _check_own(path)
        if not (path / _LOCK).exists():
            raise DeviceError(f"There is no machine in {path}.")
        if (path / _REGION).exists():
            size = (path / _REGION).stat().st_size
            with CrashRegion(os.open(path / _REGION, os.O_RDWR | os.O_CLOEXEC), 0, size) as region:
                region.clear(0, size)
        for file in [*path.glob(f"{_KEYS}*"), *path.glob(f"{_STATE}*"), path / _REGION, path / _LOCK]:
            if file.name.startswith(_KEYS):
                discard(file)
            file.unlink(missing_ok=True)
        path.rmdir()
    except OSError as error:
        raise DeviceError(f"Machine {path} cannot be removed: {error.strerror}.") from error


def _check_own(path: Path) -> None:
    found = path.stat(follow_symlinks=False)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionDeniedError(f"{path} must be this user's own, with mode 0700: keys lie in it.")
