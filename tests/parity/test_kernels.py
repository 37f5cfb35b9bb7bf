"""Both backends of `Kernel` answer one table of its calls alike, as the kdump commands make them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fake_linux import FakeLinux
from kdumpkey.errors import KernelError
from kdumpkey.kernel.protocol import CrashImage, HandOver, Kernel, Stage
from kdumpkey.region.model import Policy
from kdumpkey.secret import SecretBuffer
from machines import Bench

IMAGE = CrashImage(command_line="panic=10")
KEY = bytes(range(32))


@contextmanager
def _simulated(folder: Path) -> Iterator[Kernel]:
    with Bench(folder / "machine", Policy.UPSTREAM).open() as machine:
        yield machine.kernel


@contextmanager
def _linux(folder: Path) -> Iterator[Kernel]:
    yield FakeLinux(folder).kernel


@pytest.fixture(params=[_simulated, _linux], ids=["simulated", "linux"])
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kernel]:
    with request.param(tmp_path) as made:
        yield made


def _put(kernel: Kernel, description: str) -> None:
    with SecretBuffer.copy_of(KEY) as key:
        kernel.keys.put(description, key, 0)


def _named(kernel: Kernel) -> list[str | None]:
    return [key.description for key in kernel.status().named]


def _held(kernel: Kernel) -> list[str] | None:
    keys = kernel.status().keys
    return None if keys is None else [key.description for key in keys]


# Each step with what it comes to: a value, or the errno of a refusal.
Step = tuple[Callable[[Kernel], object], object]
LIFE: tuple[Step, ...] = (
    (lambda kernel: kernel.status().stage, Stage.FIRST),
    (lambda kernel: kernel.status().hand_over, HandOver.NOT_LOADED),
    (lambda kernel: kernel.crash(), errno.EINVAL),
    (lambda kernel: kernel.restore(), errno.EPERM),
    (lambda kernel: kernel.reuse(True), errno.EINVAL),
    (lambda kernel: kernel.forget("nothing"), errno.ENOENT),
    (lambda kernel: kernel.name(""), errno.EINVAL),
    (lambda kernel: kernel.name("k:" + "x" * 127), errno.EINVAL),
    # An image without keys loads, and a warning says so.
    (lambda kernel: len(kernel.load(IMAGE).warnings), 1),
    (_held, []),
    # A key that is named, and in no keyring, fails the load.
    (lambda kernel: kernel.name("k:a", "a").item, "a"),
    (lambda kernel: kernel.name("k:a", "a"), errno.EEXIST),
    (lambda kernel: kernel.keys.errno_of("k:a"), errno.ENOKEY),
    (lambda kernel: kernel.load(IMAGE), errno.ENOKEY),
    (_named, ["k:a"]),
    # Put there, it is loaded, and what is named or taken away later does not change that.
    (lambda kernel: _put(kernel, "k:a"), None),
    (lambda kernel: (kernel.keys.errno_of("k:a"), kernel.keys.stays("k:a")), (0, True)),
    (lambda kernel: kernel.keys.expire("k:a", 300), None),
    (lambda kernel: kernel.keys.stays("k:a"), False),
    (lambda kernel: [key.description for key in kernel.load(IMAGE).keys or ()], ["k:a"]),
    (lambda kernel: kernel.name("k:b", "b").description, "k:b"),
    (lambda kernel: (_named(kernel), kernel.status().count), (["k:a", "k:b"], 2)),
    (lambda kernel: kernel.forget("b"), None),
    (lambda kernel: kernel.keys.drop("k:a"), None),
    (lambda kernel: kernel.keys.drop("k:a"), None),
    (_held, ["k:a"]),
    (lambda kernel: kernel.status().hand_over, HandOver.LOADED),
    # Reuse: the keyring is not asked.
    (lambda kernel: kernel.reuse(True), None),
    (lambda kernel: kernel.status().reuse, True),
    (lambda kernel: kernel.load(IMAGE).reused, True),
    (_held, ["k:a"]),
    (lambda kernel: kernel.reuse(False), None),
    (lambda kernel: any(each.problem for each in kernel.audit().entries), True),
    (lambda kernel: kernel.unload(), None),
    (lambda kernel: kernel.status().loaded, False),
    (_held, []),
    (lambda kernel: kernel.reuse(True), errno.EINVAL),
)


def test_both_backends_answer_each_call_alike(kernel: Kernel) -> None:
    different = []
    for number, (call, expected) in enumerate(LIFE):
        try:
            got = call(kernel)
        except KernelError as error:
            got = error.errno
        if got != expected:
            different.append(f"step {number}: {got}, not {expected}")
    assert different == []


def test_while_one_has_the_kernel_alone_its_own_calls_work(kernel: Kernel) -> None:
    _put(kernel, "k:a")
    with kernel.alone() as held:
        held.name("k:a")
        assert [key.description for key in held.load(IMAGE).keys or ()] == ["k:a"]
        with held.alone(loading=False) as again:
            assert _named(again) == ["k:a"]


def test_a_failed_load_names_the_key_that_it_wanted(kernel: Kernel) -> None:
    kernel.name("k:a")
    with pytest.raises(KernelError) as caught:
        kernel.load(replace(IMAGE, command_line="quiet"))
    assert caught.value.errno == errno.ENOKEY
    assert "k:a" in str(caught.value)
