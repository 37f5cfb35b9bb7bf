"""The simulated keyrings answer what keyrings(7) and the lab's kernel say, errno for errno."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from kdumpkey.errors import (
    KeyAccessError,
    KeyExpiredError,
    KeyNotFoundError,
    KeyQuotaError,
    KeyRevokedError,
    KeyringError,
)
from kdumpkey.kernel.simulated.keyring import SimulatedKeyrings
from kdumpkey.kernel.simulated.keys import POSSESSOR, USER, Process
from kdumpkey.keyring.service import Permission, SpecialKeyring

NAME = "kdump-cryptsetup:vk-1"
KEY = bytes(range(64))
U, S, T = SpecialKeyring.USER, SpecialKeyring.SESSION, SpecialKeyring.THREAD


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rings(clock: Clock) -> Iterator[SimulatedKeyrings]:
    keyrings = SimulatedKeyrings(clock)
    yield keyrings
    keyrings.close()


@pytest.fixture
def login(rings: SimulatedKeyrings) -> Process:
    process = Process()
    rings.new_session(process, linked=True)
    return process


def test_a_logon_key_is_found_and_used_by_the_kernel_and_not_read(
    rings: SimulatedKeyrings, login: Process
) -> None:
    serial = rings.add(login, "logon", NAME, KEY, U)
    assert rings.request(login, "logon", NAME) == serial
    assert rings.payload(serial).equals(KEY)
    with pytest.raises(KeyringError) as raised:
        rings.read(login, serial)
    assert raised.value.errno == errno.EOPNOTSUPP


def test_a_user_key_is_read_by_who_possesses_it(rings: SimulatedKeyrings, login: Process) -> None:
    serial = rings.add(login, "user", NAME, KEY, U)
    with rings.read(login, serial) as payload:
        assert payload.equals(KEY)
    stranger = Process()
    rings.new_session(stranger)
    with pytest.raises(KeyAccessError):
        rings.read(stranger, serial)


def test_the_type_is_part_of_the_name(rings: SimulatedKeyrings, login: Process) -> None:
    rings.add(login, "user", NAME, KEY, U)
    with pytest.raises(KeyNotFoundError):
        rings.request(login, "logon", NAME)


def test_a_fresh_session_does_not_see_the_user_keyring_until_it_is_linked(
    rings: SimulatedKeyrings, login: Process
) -> None:
    serial = rings.add(login, "logon", NAME, KEY, U)
    fresh = Process()
    rings.new_session(fresh)
    with pytest.raises(KeyNotFoundError):
        rings.request(fresh, "logon", NAME)
    rings.link(fresh, U, S)
    assert rings.request(fresh, "logon", NAME) == serial


def test_without_a_session_the_user_session_keyring_serves(rings: SimulatedKeyrings) -> None:
    process = Process()
    serial = rings.add(process, "logon", NAME, KEY, U)
    assert rings.request(process, "logon", NAME) == serial


def test_an_expired_key_is_passed_over_by_request_and_named_by_search(
    rings: SimulatedKeyrings, login: Process, clock: Clock
) -> None:
    serial = rings.add(login, "logon", NAME, KEY, U)
    rings.set_timeout(login, serial, 300)
    clock.now += 299.9
    assert rings.request(login, "logon", NAME) == serial
    clock.now += 0.1
    with pytest.raises(KeyNotFoundError):
        rings.request(login, "logon", NAME)
    with pytest.raises(KeyExpiredError):
        rings.search(login, U, "logon", NAME)
    with pytest.raises(KeyExpiredError):
        rings.payload(serial)


def test_adding_it_again_takes_the_expiry_away(
    rings: SimulatedKeyrings, login: Process, clock: Clock
) -> None:
    serial = rings.add(login, "logon", NAME, KEY, U)
    rings.set_timeout(login, serial, 300)
    clock.now += 400
    assert rings.add(login, "logon", NAME, KEY[::-1], U) == serial
    assert rings.payload(rings.request(login, "logon", NAME)).equals(KEY[::-1])


def test_a_revoked_key_says_so_and_keeps_no_payload(rings: SimulatedKeyrings, login: Process) -> None:
    serial = rings.add(login, "logon", NAME, KEY, U)
    kept = rings.payload(serial)
    rings.revoke(login, serial)
    assert kept.closed
    with pytest.raises(KeyRevokedError):
        rings.request(login, "logon", NAME)


def test_adding_it_again_replaces_a_revoked_key(rings: SimulatedKeyrings, login: Process) -> None:
    serial = rings.add(login, "logon", NAME, KEY, U)
    rings.revoke(login, serial)
    assert rings.add(login, "logon", NAME, KEY, U) != serial
    assert rings.request(login, "logon", NAME)


def test_without_search_permission_it_is_eacces(rings: SimulatedKeyrings, login: Process) -> None:
    serial = rings.add(login, "logon", NAME, KEY, U)
    rings.set_permissions(login, serial, (Permission.VIEW | Permission.SETATTR) << POSSESSOR)
    with pytest.raises(KeyAccessError):
        rings.request(login, "logon", NAME)


def test_permissions_of_the_owner_serve_without_possession(rings: SimulatedKeyrings) -> None:
    owner, other = Process(uid=7), Process(uid=8)
    serial = rings.add(owner, "user", NAME, KEY, U, permissions=0x3F << USER)
    stranger = Process(uid=7)
    rings.new_session(stranger)
    with rings.read(stranger, serial) as payload:
        assert payload.equals(KEY)
    with pytest.raises(KeyAccessError):
        rings.read(other, serial)


def test_a_thread_keyring_ends_with_its_process(rings: SimulatedKeyrings) -> None:
    process = Process()
    serial = rings.add(process, "logon", NAME, KEY, T)
    assert rings.request(process, "logon", NAME) == serial
    payload = rings.payload(serial)
    rings.end_process(process)
    assert payload.closed
    with pytest.raises(KeyNotFoundError):
        rings.request(Process(), "logon", NAME)


def test_an_unlinked_key_is_wiped(rings: SimulatedKeyrings, login: Process) -> None:
    serial = rings.add(login, "logon", NAME, KEY, U)
    payload = rings.payload(serial)
    rings.unlink(login, serial, U)
    assert payload.closed


@pytest.mark.parametrize(
    ("key_type", "name", "payload", "number"),
    [
        ("logon", "noprefix", KEY, errno.EINVAL),
        ("logon", ":empty", KEY, errno.EINVAL),
        ("user", "", KEY, errno.EINVAL),
        ("user", "x", b"", errno.EINVAL),
        ("user", "x", bytes(32768), errno.EINVAL),
        ("asymmetric", "x", KEY, errno.ENODEV),
    ],
)
def test_what_cannot_be_a_key_is_refused(
    rings: SimulatedKeyrings, login: Process, key_type: str, name: str, payload: bytes, number: int
) -> None:
    with pytest.raises(KeyringError) as raised:
        rings.add(login, key_type, name, payload, U)
    assert raised.value.errno == number


def test_the_quota_counts_keys_and_bytes(rings: SimulatedKeyrings) -> None:
    process = Process(uid=1000)
    rings.add(process, "user", "large", bytes(19_000), U)
    with pytest.raises(KeyQuotaError):
        rings.add(process, "user", "more", bytes(2000), U)
    rings.add(process, "user", "large", bytes(10), U)
    made = len(rings.keys)
    for number in range(200 - made):
        rings.add(process, "user", f"k{number}", b"x", U)
    with pytest.raises(KeyQuotaError):
        rings.add(process, "user", "one more", b"x", U)
    root = Process()
    assert rings.add(root, "user", "more", bytes(20_000), U)


def test_a_keyring_cannot_contain_itself(rings: SimulatedKeyrings, login: Process) -> None:
    with pytest.raises(KeyringError) as raised:
        rings.link(login, S, U)
    assert raised.value.errno == errno.EDEADLK
