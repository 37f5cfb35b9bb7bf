"""Any order of calls: the key is in the region iff status says so, and nowhere else that it should not be."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from examples import examples
from kdumpkey.errors import KernelDeniedError, KernelError
from kdumpkey.kernel.protocol import Stage
from kdumpkey.region.model import Policy
from machines import IMAGE, Bench

NUMBERS = st.integers(0, 3)


def description(number: int) -> str:
    return f"kdump-cryptsetup:vk-{number}"


class MachineRules(RuleBasedStateMachine):
    """One machine, of either policy; keys are never the same twice."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="kdumpkey-rules-", dir="/dev/shm"))
        self.made = 0
        self.current: dict[str, bytes] = {}  # in the first kernel's keyring
        self.loaded: dict[str, bytes] = {}  # in the image, by this model
        self.first_kernels: set[bytes] = set()  # every key the running or crashed first kernel had

    @initialize(policy=st.sampled_from([Policy.UPSTREAM, Policy.HARDENED]), seed=st.integers(0, 1 << 30))
    def boot(self, policy: Policy, seed: int) -> None:
        self.policy = policy
        self.bench = Bench(self.folder / "machine", policy, seed=seed)
        self.stage = Stage.FIRST
        self.named: list[str] = []
        self.reusing = False

    @precondition(lambda self: self.stage is Stage.FIRST)
    @rule(number=NUMBERS)
    def add_key(self, number: int) -> None:
        self.made += 1
        key = self.made.to_bytes(4, "big") + b"kdumpkey's key" * 4
        self.bench.add(description(number), key)
        self.current[description(number)] = key
        self.first_kernels.add(key)

    @precondition(lambda self: self.stage is Stage.FIRST)
    @rule(number=NUMBERS)
    def name(self, number: int) -> None:
        if description(number) not in self.named:
            self.bench.name(description(number))
            self.named.append(description(number))

    @precondition(lambda self: self.stage is Stage.FIRST and self.named)
    @rule()
    def forget(self) -> None:
        with self.bench.open() as machine:
            machine.kernel.forget(machine.state.items[0].item)
        del self.named[0]

    @precondition(lambda self: self.stage is Stage.FIRST)
    @rule()
    def load(self) -> None:
        expected = None if not self.named else self.loaded if self.reusing else None
        if expected is None and all(name in self.current for name in self.named):
            expected = {name: self.current[name] for name in self.named}
        if expected is None:
            with pytest.raises(KernelError):
                self.bench.load()
            self.loaded, self.reusing = {}, False
            return
        loaded = self.bench.load()
        assert {key.description for key in loaded.keys or ()} == set(expected)
        self.loaded = dict(expected)
        if not expected:
            self.stop_reusing()

    def stop_reusing(self) -> None:
        """What Linux reuses after an image without keys is another matter: have it begin anew."""
        if self.reusing:
            with self.bench.open() as machine:
                machine.state.reuse = False
            self.reusing = False

    @precondition(lambda self: self.stage is Stage.FIRST)
    @rule()
    def unload(self) -> None:
        with self.bench.open() as machine:
            machine.kernel.unload()
            machine.state.reuse = False
        self.loaded, self.reusing = {}, False

    @precondition(
        lambda self: self.stage is Stage.FIRST and self.loaded and set(self.named) == set(self.loaded)
    )
    @rule()
    def reuse(self) -> None:
        with self.bench.open() as machine:
            machine.kernel.reuse(True)
        self.reusing = True

    @precondition(lambda self: self.stage is Stage.FIRST)
    @rule()
    def crash(self) -> None:
        with self.bench.open() as machine:
            if machine.state.image is None:
                return
            machine.kernel.crash()
        self.stage, self.current, self.named, self.reusing = Stage.KDUMP, {}, [], False

    @precondition(lambda self: self.stage is Stage.KDUMP)
    @rule()
    def restore(self) -> None:
        with self.bench.open() as machine:
            try:
                names = machine.kernel.restore().keys
            except KernelError:
                assert self.policy is Policy.HARDENED
                assert not self.loaded
                return
            assert set(names or ()) == set(self.loaded)
            for name, key in self.loaded.items():
                serial = machine.keyrings.request(machine.process, "user", name)
                with machine.keyrings.read(machine.process, serial) as payload:
                    assert payload.equals(key)

    @rule()
    def reboot(self) -> None:
        with self.bench.open() as machine:
            machine.reboot()
        self.stage, self.current, self.named, self.loaded = Stage.FIRST, {}, [], {}
        self.first_kernels, self.reusing = set(), False

    @rule(call=st.sampled_from(["name", "crash", "restore", "load", "unload"]))
    def call_of_the_other_stage(self, call: str) -> None:
        if (call == "restore") is (self.stage is Stage.KDUMP):
            return
        arguments = {"name": ("a:b",), "load": (IMAGE,)}.get(call, ())
        with self.bench.open() as machine, pytest.raises(KernelDeniedError):
            getattr(machine.kernel, call)(*arguments)

    @invariant()
    def keys_are_where_status_says(self) -> None:
        if not hasattr(self, "bench"):
            return
        with self.bench.open() as machine:
            status = machine.kernel.status()
            assert {key.description for key in status.keys or ()} == set(self.loaded)
            address = status.address
        files = self.bench.files()
        region = files.pop("region")
        keys_file = files.pop(f"keys-{machine.state.boot}-{self.stage.value}")
        for key in self.loaded.values():
            assert address is not None
            at = address - machine.state.base
            assert key in region[at : at + 4 + 388 * 4 + 32]
        if self.policy is Policy.HARDENED:
            for key in self.first_kernels - set(self.loaded.values()):
                assert key not in region
        for key in self.first_kernels:
            assert not any(key in content for content in files.values())
            if self.stage is Stage.KDUMP and key not in self.loaded.values():
                assert key not in keys_file

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


TestMachineRules = MachineRules.TestCase
TestMachineRules.settings = settings(
    max_examples=examples("KDUMPKEY_MACHINE_COUNT", 10, 40),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
