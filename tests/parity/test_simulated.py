"""The simulated kernel does at each step what Linux was seen to do; the lab runs the same table on Linux."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdumpkey.kernel.simulated.configfs import SimulatedConfigfs, parse_boolean
from kdumpkey.kernel.simulated.machine import Machine
from kdumpkey.keyring import SpecialKeyring
from kdumpkey.region.model import Policy
from machines import IMAGE, Bench
from parity.run import outcomes
from parity.steps import LIVES

_NO_SEARCH = 0x01010000


class SimulatedBackend:
    """A simulated machine that is open."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        machine.kernel.checkpoint = lambda: None  # no power cut is tried here, and each takes its time
        self._files = SimulatedConfigfs(machine.kernel)

    def mkdir(self, item: str) -> None:
        self._files.mkdir(item)

    def rmdir(self, item: str) -> None:
        self._files.rmdir(item)

    def read(self, path: str) -> str:
        return self._files.read(path)

    def write(self, path: str, text: str) -> None:
        self._files.write(path, text)

    def load(self) -> None:
        self._machine.kernel.load(IMAGE)

    def unload(self) -> None:
        self._machine.kernel.unload()

    def loaded(self) -> str:
        return "1" if self._machine.kernel.status().loaded else "0"

    def add(self, kind: str, description: str, nbytes: str) -> None:
        machine = self._machine
        machine.keyrings.add(machine.process, kind, description, bytes(int(nbytes)), SpecialKeyring.USER)

    def drop(self, kind: str, description: str) -> None:
        machine = self._machine
        machine.keyrings.unlink(machine.process, self._find(kind, description), SpecialKeyring.USER)

    def revoke(self, description: str) -> None:
        self._machine.keyrings.revoke(self._machine.process, self._find("logon", description))

    def expire(self, description: str) -> None:
        machine = self._machine
        machine.keyrings.set_timeout(machine.process, self._find("logon", description), 1)
        machine.state.clock_offset_s += 2

    def forbid(self, description: str) -> None:
        machine = self._machine
        machine.keyrings.set_permissions(machine.process, self._find("logon", description), _NO_SEARCH)

    def lonely(self) -> None:
        self._machine.keyrings.new_session(self._machine.process)

    def reunite(self) -> None:
        machine = self._machine
        machine.keyrings.link(machine.process, SpecialKeyring.USER, SpecialKeyring.SESSION)

    def keys(self) -> str:
        found = []
        for serial in self._user_keyring():
            key = self._machine.keyrings.keys[serial]
            nbytes = 0 if key.payload is None else len(key.payload)
            found.append(f"{key.type}:{key.description}:{nbytes}")
        return " ".join(found) or "none"

    def _user_keyring(self) -> list[int]:
        keyrings = self._machine.keyrings
        return keyrings.keys[keyrings.user_keyring(0)].links

    def _find(self, kind: str, description: str) -> int:
        keys = self._machine.keyrings.keys
        return next(
            serial
            for serial in self._user_keyring()
            if (keys[serial].type, keys[serial].description) == (kind, description)
        )


@pytest.mark.parametrize("name", LIVES)
def test_each_step_comes_to_what_linux_was_seen_to_do(tmp_path: Path, name: str) -> None:
    life = LIVES[name]
    bench = Bench(tmp_path / "machine", Policy.UPSTREAM)
    with bench.open() as machine:
        found = outcomes(SimulatedBackend(machine), life.first)
    if life.kdump:
        bench.crash()
        with bench.open() as machine:
            found += outcomes(SimulatedBackend(machine), life.kdump)
    different = [f"{step}: {got}, not {step.expected}" for step, got in found if got != step.expected]
    assert different == []


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("yes", True), ("on", True), ("On", True), ("0\n", False), ("of", False), ("o", None)],
)
def test_booleans_are_read_by_their_first_letters(text: str, value: bool | None) -> None:
    assert parse_boolean(text) is value
    assert parse_boolean("") is None
