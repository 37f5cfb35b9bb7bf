"""The costs of new keyslots, measured: what a busy or a slow machine makes of them."""

from __future__ import annotations

import pytest

from kdumpkey.crypto import calibrate, kdf, reference
from kdumpkey.crypto.kdf import Argon2, Kdf
from kdumpkey.secret import SecretBuffer

MIB = 1024


class PretendMachine:
    """A machine on which a KDF takes a time by its costs, and of which others take a share."""

    def __init__(self, patch: pytest.MonkeyPatch, *, kib_per_s: float = 1.0, busy: float = 1.0) -> None:
        self.wall = self.processor = 0.0
        self._kib_per_s, self._busy = kib_per_s, busy
        patch.setattr(kdf, "derive", lambda *arguments: self._derive(*arguments, speed=5))
        patch.setattr(reference, "derive", self._derive)
        patch.setattr(calibrate.time, "perf_counter", lambda: self.wall)
        patch.setattr(calibrate.time, "thread_time", lambda: self.processor)

    def _derive(self, function: Kdf, _: object, length: int, speed: int = 1) -> SecretBuffer:
        if isinstance(function, Argon2):
            seconds = function.time * function.memory_kib / self._kib_per_s
        else:
            seconds = function.iterations / 1_000_000
        seconds /= speed
        self.processor += seconds
        self.wall += seconds * self._busy
        return SecretBuffer(length)


@pytest.mark.parametrize("busy", [1, 4])
def test_pbkdf2_is_as_strong_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch, busy: float) -> None:
    PretendMachine(monkeypatch, busy=busy)
    assert calibrate.pbkdf2_iterations("sha256", 32, 2000) == pytest.approx(2_000_000, rel=0.01)


@pytest.mark.parametrize("time_ms", [1, 100, 500])
def test_argon2_takes_64_mib_however_short_the_time(monkeypatch: pytest.MonkeyPatch, time_ms: int) -> None:
    PretendMachine(monkeypatch, kib_per_s=4 * 64 * MIB)  # four passes over 64 MiB: a second
    assert calibrate.argon2_costs("argon2id", 64, time_ms, 1024 * MIB, 4) == (4, 64 * MIB)


def test_argon2_takes_less_where_less_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    PretendMachine(monkeypatch, kib_per_s=4 * 64 * MIB)
    assert calibrate.argon2_costs("argon2id", 64, 1, 32 * MIB, 4) == (4, 32 * MIB)


def test_argon2_takes_memory_before_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    PretendMachine(monkeypatch, kib_per_s=4 * 512 * MIB)
    passes, memory = calibrate.argon2_costs("argon2id", 64, 1000, 1024 * MIB, 4)
    assert passes == 4
    assert memory == pytest.approx(512 * MIB, rel=0.1)
    passes, memory = calibrate.argon2_costs("argon2id", 64, 2000, 128 * MIB, 4)
    assert memory == 128 * MIB
    assert passes == pytest.approx(32, rel=0.1)


def test_it_is_cryptsetups_own_implementation_that_a_time_means_unless_ours_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    PretendMachine(monkeypatch, kib_per_s=4 * 64 * MIB)
    usual, fast = (calibrate.pbkdf2_iterations("sha256", 32, 1000, fast=fast) for fast in (False, True))
    assert fast == pytest.approx(5 * usual, rel=0.01)
    assert calibrate.argon2_costs("argon2id", 64, 1000, 1024 * MIB, 4) == (4, 64 * MIB)
    passes, memory = calibrate.argon2_costs("argon2id", 64, 1000, 1024 * MIB, 4, fast=True)
    assert passes * memory == pytest.approx(5 * 4 * 64 * MIB, rel=0.1)
