"""A simulated machine for tests, with a clock and randomness of the test's own."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from pathlib import Path

from kdumpkey.kernel.protocol import CrashImage, Loaded
from kdumpkey.kernel.simulated.machine import LOGIN, Machine, MachineConfig, boot, opened
from kdumpkey.keyring.service import SpecialKeyring
from kdumpkey.region.model import ImageSizes, Policy

MIB = 1 << 20
SMALL = ImageSizes(elfcorehdr=8 << 10, purgatory=4096, boot_params=4096, kernel=2 * MIB, initrd=MIB)
IMAGE = CrashImage(command_line="panic=10")


class Bench:
    """A machine in a directory, a seeded source of randomness, and a clock that is moved by hand."""

    def __init__(
        self, path: Path, policy: Policy, *, reserved: int = 8 * MIB, sizes: ImageSizes = SMALL, seed: int = 1
    ) -> None:
        self.path = path
        self.now = 1_000_000.0
        self.random = random.Random(seed)
        boot(path, MachineConfig(policy, reserved_bytes=reserved, sizes=sizes))

    def open(self, session: str = LOGIN) -> AbstractContextManager[Machine]:
        """The machine, for one call."""
        return opened(self.path, session=session, draw=self.random.randrange, now=lambda: self.now)

    def add(self, name: str, key: bytes, key_type: str = "logon") -> int:
        """Put a key into @u."""
        with self.open() as machine:
            return machine.keyrings.add(machine.process, key_type, name, key, SpecialKeyring.USER)

    def name(self, name: str) -> None:
        """Name a key."""
        with self.open() as machine:
            machine.kernel.name(name)

    def load(self, session: str = LOGIN) -> Loaded:
        """Load the crash image."""
        with self.open(session) as machine:
            return machine.kernel.load(IMAGE)

    def crash(self) -> None:
        """Crash the first kernel."""
        with self.open() as machine:
            machine.kernel.crash()

    def files(self) -> dict[str, bytes]:
        """All that the machine has on tmpfs."""
        return {path.name: path.read_bytes() for path in self.path.iterdir()}
