"""kdump arm killed at every line of it: what is left is never told wrongly, and the next run arms.

A forked process really gets the SIGKILL; the tree that stands for the kernel keeps what a kernel would.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from fake_linux import IMAGE, FakeLinux
from kdumpkey.kdump import arm as arm_module
from kdumpkey.kdump.arm import KeyToArm, arm
from kdumpkey.kernel.linux import files as linux_files
from kdumpkey.kernel.linux import kernel as linux
from kdumpkey.kernel.linux import loading
from kdumpkey.secret import SecretBuffer

_OLD, _NEW = ("k:old", "k:both"), ("k:both", "k:new")
_WATCHED = {str(module.__file__) for module in (arm_module, loading, linux, linux_files)}
_EVERY = 31  # lines between two kills; each run begins elsewhere


def _arm(fake: FakeLinux, names: tuple[str, ...]) -> None:
    with SecretBuffer(64) as key:
        arm(fake.kernel, [KeyToArm(name, key) for name in names], IMAGE)


def _killed_after(lines: int, body: Callable[[], None]) -> bool:
    """Run `body` in a child that is killed at its line of this number; False: it came to its end before."""
    child = os.fork()
    if child == 0:
        left = [lines]

        def at_line(frame: FrameType, event: str, _argument: object) -> object:
            if frame.f_code.co_filename not in _WATCHED:
                return None
            if event == "line":
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return at_line

        sys.settrace(at_line)
        status = 1
        try:
            body()
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def _check_truth(fake: FakeLinux) -> None:
    status = fake.kernel.status()
    held = fake.held
    assert status.loaded == (held is not None)
    if held is None:
        assert status.keys == ()
    elif status.keys is not None:  # not known is true, too
        assert sorted(key.description for key in status.keys) == sorted(held)
    else:
        assert any("no record" in warning for warning in status.warnings)


@pytest.mark.parametrize("refuse", [(), (12,)], ids=["the load works", "the load fails"])
@pytest.mark.parametrize("start", [0, 10, 20])
def test_whatever_a_killed_arm_leaves_is_told_truly_and_mended_by_the_next(
    tmp_path: Path, start: int, refuse: tuple[int, ...]
) -> None:
    armed = FakeLinux(tmp_path / "armed") if (tmp_path / "armed").mkdir() is None else None
    assert armed is not None
    _arm(armed, _OLD)
    images, kills = set(), 0
    for at in range(start + 1, 100_000, _EVERY):
        root = tmp_path / "run"
        shutil.copytree(armed.root, root)
        fake = FakeLinux(root, list(refuse))
        survived = not _killed_after(at, lambda fake=fake: _body(fake, bool(refuse)))  # type: ignore[misc]
        _check_truth(fake)
        images.add(None if fake.held is None else tuple(sorted(fake.held)))
        again = FakeLinux(root)
        _arm(again, _NEW)
        assert (sorted(again.held or ()), again.kernel.status().named) == (sorted(_NEW), ())
        assert [key.description for key in again.kernel.status().keys or ()] == sorted(_NEW)
        _check_truth(again)
        shutil.rmtree(root)
        if survived:
            break
        kills += 1
    assert kills > 5
    assert images <= {None, tuple(sorted(_OLD)), tuple(sorted(_NEW))}  # never half


def _body(fake: FakeLinux, fails: bool) -> None:
    try:
        _arm(fake, _NEW)
    except linux.KernelError:
        if not fails:
            raise
