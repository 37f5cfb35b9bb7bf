"""A process that is killed at any point leaves a machine that opens, says what happened, and loads again."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from kdumpkey.kernel.protocol import Stage
from kdumpkey.kernel.simulated.machine import Machine, destroy
from kdumpkey.region.model import Policy
from machines import IMAGE, Bench

NAME = "kdump-cryptsetup:vk-1"
KEY = bytes(range(1, 65))
WRITES = ("pwrite", "writev", "write", "replace", "rename", "unlink", "open")


def load(machine: Machine) -> None:
    machine.kernel.load(IMAGE)


def unload(machine: Machine) -> None:
    machine.kernel.unload()


def crash(machine: Machine) -> None:
    machine.kernel.crash()


def reboot(machine: Machine) -> None:
    machine.reboot()


def cut_at(bench: Bench, action: Callable[[Machine], None], number: int) -> bool:
    """Run the action in a child that dies at its n-th call that writes; whether it lived to the end."""
    child = os.fork()
    if child == 0:
        left = number

        def cutting(real: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object, **options: object) -> object:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **options)

            return call

        with bench.open() as machine:
            for name in WRITES:
                setattr(os, name, cutting(getattr(os, name)))
            action(machine)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("policy", [Policy.UPSTREAM, Policy.HARDENED], ids=lambda policy: policy.value)
@pytest.mark.parametrize("action", [load, unload, crash, reboot], ids=lambda action: action.__name__)
def test_cut_anywhere_the_machine_still_works(
    tmp_path: Path, policy: Policy, action: Callable[[Machine], None]
) -> None:
    bench = Bench(tmp_path / "machine", policy)
    bench.add(NAME, KEY)
    bench.name(NAME)
    bench.load()
    number, told = 0, 0
    while True:
        number += 1
        assert number < 500
        lived = cut_at(bench, action, number)
        with bench.open() as machine:
            state = machine.state
            told += any("cut off" in note for note in state.notes)
            if state.image is None and policy is Policy.HARDENED and state.stage is Stage.FIRST:
                assert KEY not in bench.files()["region"]
            if state.stage is Stage.KDUMP:
                assert not any(KEY in content for name, content in bench.files().items() if name != "region")
                names = machine.kernel.restore().keys if state.image else ()
                assert names == ((NAME,) if state.image else ())
                machine.reboot()
            state = machine.state
            if not state.items:  # it was rebooted
                assert KEY not in bench.files()["region"]
                machine.keyrings.add(machine.process, "logon", NAME, KEY, -4)
                machine.kernel.name(NAME)
            state.notes.clear()
        assert bench.load().keys
        if lived:
            break
    assert number > 5
    one_step = action is crash or (action is unload and policy is Policy.UPSTREAM)
    assert told or one_step


def test_another_process_waits_for_the_lock(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "machine", Policy.UPSTREAM)
    with bench.open(), (bench.path / "lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_destroy_leaves_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "machine", Policy.UPSTREAM)
    bench.add(NAME, KEY)
    bench.name(NAME)
    bench.load()
    files = [(bench.path / name).open("rb") for name in ("region", "keys-1-first-kernel")]
    destroy(bench.path)
    assert not bench.path.exists()
    for file in files:
        with file:
            assert KEY not in file.read()
