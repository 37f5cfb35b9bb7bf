"""The kernel's own keyrings, asked by system calls; every test has a keyring of its own."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from forked import in_child
from kdumpkey import keyring
from kdumpkey.errors import (
    KeyAccessError,
    KeyExpiredError,
    KeyNotFoundError,
    KeyQuotaError,
    KeyRevokedError,
    KeyringError,
)
from kdumpkey.kernel.linux import kexec
from kdumpkey.keyring import Permission, SpecialKeyring, _calls
from kdumpkey.keyring.find import find_key, link_volume_key, read_volume_key, resolve_keyring
from kdumpkey.keyring.names import parse_keyring, parse_link_target, parse_volume_key_source
from kdumpkey.secret import SecretBuffer
from tools import HANGS_AFTER_S, unavailable

pytestmark = pytest.mark.every_python

SESSION = SpecialKeyring.SESSION
NOBODY = 65534


@pytest.fixture
def ring() -> Iterator[int]:
    """A keyring of this test's own, in the process keyring, where the kernel looks for keys."""
    try:
        made = keyring.add_keyring(unique(), SpecialKeyring.PROCESS)
    except KeyringError as error:
        unavailable(f"the kernel's keyrings cannot be used here: {error}")
    yield made
    keyring.unlink_key(made, SpecialKeyring.PROCESS)


def unique() -> str:
    return f"kdumpkey-test:{uuid4()}"


def content(key: int) -> bytes:
    with keyring.read_key(key) as payload:
        return memoryview(payload).tobytes()


# --- adding and reading -----------------------------------------------------------------------------


@pytest.mark.parametrize("nbytes", [1, 64, 32767])
def test_a_user_key_reads_back_into_secret_memory(ring: int, nbytes: int) -> None:
    payload = os.urandom(nbytes)
    with keyring.read_key(keyring.add_key("user", unique(), payload, ring)) as read:
        assert isinstance(read, SecretBuffer)
        assert read.equals(payload)


def test_any_buffer_is_a_payload(ring: int) -> None:
    with SecretBuffer.copy_of(b"payload") as secret:
        read_only = memoryview(b"xpayloadx")[1:-1]
        for payload in (b"payload", bytearray(b"payload"), read_only, secret, memoryview(secret)):
            assert content(keyring.add_key("user", unique(), payload, ring)) == b"payload"
    with pytest.raises(BufferError):
        keyring.add_key("user", unique(), memoryview(b"abcd")[::2], ring)


def test_a_key_of_the_same_name_is_replaced_in_place(ring: int) -> None:
    name = unique()
    first = keyring.add_key("user", name, b"old", ring)
    second = keyring.add_key("user", name, b"newer", ring)
    assert first == second
    assert content(second) == b"newer"
    assert keyring.keys_of(ring) == (second,)


def test_a_revoked_key_of_the_same_name_is_replaced_by_a_new_one(ring: int) -> None:
    name = unique()
    keyring.revoke_key(keyring.add_key("user", name, b"old", ring))
    fresh = keyring.add_key("user", name, b"new", ring)
    assert find_key("user", name) == fresh
    assert content(fresh) == b"new"


def test_a_logon_key_is_found_and_described_and_never_read(ring: int) -> None:
    name = unique()
    key = keyring.add_key("logon", name, b"secret", ring)
    assert keyring.request_key("logon", name) == key
    assert keyring.describe_key(key).type == "logon"
    with pytest.raises(KeyringError, match="does not let user space read") as refused:
        keyring.read_key(key)
    assert refused.value.errno == errno.EOPNOTSUPP


def test_a_logon_key_without_a_prefix_is_refused_and_the_error_says_why(ring: int) -> None:
    with pytest.raises(KeyringError, match="needs a prefix and a colon") as refused:
        keyring.add_key("logon", "noprefix", b"secret", ring)
    assert refused.value.errno == errno.EINVAL


def test_the_description_may_hold_semicolons_and_any_length(ring: int) -> None:
    name = f"{unique()};a;b;" + "x" * 1000
    key = keyring.add_key("user", name, b"payload", ring)
    described = keyring.describe_key(key)
    assert (described.type, described.description) == ("user", name)
    assert (described.uid, described.permissions >> 24) == (os.getuid(), 0x3F)


def test_a_name_with_a_zero_byte_never_reaches_the_kernel(ring: int) -> None:
    with pytest.raises(KeyringError, match="zero byte"):
        keyring.add_key("user", "a\0b", b"payload", ring)
    assert keyring.keys_of(ring) == ()


def test_no_error_tells_the_payload(ring: int) -> None:
    with pytest.raises(KeyringError) as refused:
        keyring.add_key("no such type", "name", b"hunter2", ring)
    assert "hunter2" not in str(refused.value)
    assert refused.value.errno == errno.ENODEV


# --- finding ----------------------------------------------------------------------------------------


def test_search_goes_into_nested_keyrings_and_only_there(ring: int) -> None:
    name = unique()
    inner = keyring.add_keyring(unique(), ring)
    sibling = keyring.add_keyring(unique(), ring)
    key = keyring.add_key("user", name, b"payload", inner)
    assert keyring.search_keyring(ring, "user", name) == key
    with pytest.raises(KeyNotFoundError) as missing:
        keyring.search_keyring(sibling, "user", name)
    assert missing.value.errno == errno.ENOKEY


def test_a_found_key_can_be_linked_to_a_destination(ring: int) -> None:
    name = unique()
    one, other = (keyring.add_keyring(unique(), ring) for _ in range(2))
    key = keyring.add_key("user", name, b"payload", one)
    keyring.search_keyring(one, "user", name, destination=other)
    assert keyring.keys_of(other) == (key,)
    keyring.unlink_key(key, other)
    assert keyring.keys_of(other) == ()
    keyring.link_key(key, other)
    assert keyring.keys_of(other) == (key,)


@pytest.mark.usefixtures("ring")
def test_an_absent_key_is_not_found_whoever_asks() -> None:
    for ask in (keyring.request_key, find_key):
        with pytest.raises(KeyNotFoundError, match="was not found"):
            ask("user", unique())
    with pytest.raises(KeyNotFoundError, match="Could not find keyring described by"):
        resolve_keyring(parse_keyring(unique()))


def test_a_keyring_resolves_by_its_name_its_number_and_its_shorthand(ring: int) -> None:
    name = unique()
    inner = keyring.add_keyring(name, ring)
    keyring.add_keyring(f"{name}-and-more", ring)
    for text in (name, f"%:{name}", f"%keyring:{name}", str(inner), hex(inner)):
        assert resolve_keyring(parse_keyring(text)) == inner
    assert resolve_keyring(parse_keyring("@u")) == SpecialKeyring.USER


def test_a_keyring_that_no_link_leads_to_is_found_in_proc_keys(ring: int) -> None:
    name = unique()
    keyring.add_keyring(f"{name}-longer", ring)
    hidden = keyring.add_keyring(name, ring)

    def elsewhere() -> None:
        keyring.join_session()  # the child has no process keyring of its parent's either
        with pytest.raises(KeyNotFoundError):
            keyring.request_key("keyring", name)
        assert find_key("keyring", name) == hidden

    in_child(elsewhere)


def test_the_numbers_of_special_keyrings_are_the_kernels(ring: int) -> None:
    assert keyring.keyring_id(SpecialKeyring.USER) == find_key("keyring", f"_uid.{os.getuid()}")
    assert ring in keyring.keys_of(keyring.keyring_id(SpecialKeyring.PROCESS))


def test_a_missing_thread_keyring_is_made_on_demand() -> None:
    def fresh_process() -> None:
        with pytest.raises(KeyNotFoundError):
            keyring.keyring_id(SpecialKeyring.THREAD)
        assert keyring.keyring_id(SpecialKeyring.THREAD, create=True) > 0

    in_child(fresh_process)


def test_a_joined_session_is_empty_and_a_named_one_is_shared() -> None:
    def joining() -> None:
        first = keyring.join_session()
        assert keyring.keyring_id(SESSION) == first
        assert keyring.keys_of(SESSION) == ()
        second = keyring.join_session(unique())
        assert second not in (0, first)
        assert keyring.keyring_id(SESSION) == second

    in_child(joining)


# --- refusals ---------------------------------------------------------------------------------------


def test_a_revoked_key_says_so() -> None:
    def in_a_session_of_its_own() -> None:  # request_key tells it of keys in the session keyring alone
        session, name = keyring.join_session(), unique()
        key = keyring.add_key("user", name, b"payload", SESSION)
        keyring.revoke_key(key)
        for use in (
            lambda: keyring.read_key(key),
            lambda: keyring.describe_key(key),
            lambda: keyring.request_key("user", name),
            lambda: find_key("user", name),
            lambda: keyring.search_keyring(session, "user", name),
        ):
            with pytest.raises(KeyRevokedError) as refused:
                use()
            assert refused.value.errno == errno.EKEYREVOKED

    in_child(in_a_session_of_its_own)


def test_an_expired_key_says_so_by_number_and_in_a_search(ring: int) -> None:
    name = unique()
    key = keyring.add_key("user", name, b"payload", ring)
    keyring.set_timeout(key, 1)
    deadline = time.monotonic() + HANGS_AFTER_S
    expired: list[KeyExpiredError] = []
    while not expired and time.monotonic() < deadline:
        try:
            keyring.read_key(key).close()
        except KeyExpiredError as error:
            expired.append(error)
        os.sched_yield()
    assert [error.errno for error in expired] == [errno.EKEYEXPIRED]
    with pytest.raises(KeyExpiredError):
        keyring.search_keyring(ring, "user", name)


def test_a_timeout_of_zero_takes_the_expiry_away(ring: int) -> None:
    key = keyring.add_key("user", unique(), b"payload", ring)
    keyring.set_timeout(key, 1000)
    assert remaining(key) not in ("perm", "expd")
    keyring.set_timeout(key, 0)
    assert remaining(key) == "perm"


def remaining(key: int) -> str:
    """The time left, as /proc/keys puts it."""
    lines = (line.split() for line in Path("/proc/keys").read_text().splitlines())
    return next(fields[3] for fields in lines if int(fields[0], 16) == key)


def test_an_invalidated_key_is_gone(ring: int) -> None:
    name = unique()
    key = keyring.add_key("user", name, b"payload", ring)
    keyring.invalidate_key(key)
    with pytest.raises(KeyNotFoundError):
        keyring.request_key("user", name)
    with pytest.raises((KeyNotFoundError, KeyAccessError)):  # until it is collected, it is nobody's
        keyring.read_key(key)


def test_a_key_without_read_permission_is_an_access_error(ring: int) -> None:
    key = keyring.add_key("user", unique(), b"payload", ring)
    keyring.set_permissions(key, Permission.VIEW | Permission.SETATTR, Permission.VIEW)
    assert keyring.describe_key(key).permissions == 0x21010000
    with pytest.raises(KeyAccessError) as refused:
        keyring.read_key(key)
    assert refused.value.errno == errno.EACCES
    assert refused.value.exit_code == 2


def test_a_keyring_that_may_not_be_written_takes_no_key(ring: int) -> None:
    inner = keyring.add_keyring(unique(), ring)
    keyring.set_permissions(inner, Permission.VIEW | Permission.SEARCH | Permission.SETATTR, Permission.VIEW)
    with pytest.raises(KeyAccessError):
        keyring.add_key("user", unique(), b"payload", inner)


def test_a_full_quota_is_a_quota_error() -> None:
    limit = int(Path("/proc/sys/kernel/keys/maxbytes").read_text())

    def as_a_user_with_little() -> None:
        keyring.join_session()
        if os.geteuid() == 0:  # root's quota is a thousand times larger
            os.setresuid(NOBODY, NOBODY, NOBODY)
        payload = bytes(2000)

        def fill() -> None:
            for _ in range(limit // len(payload) + 1):
                keyring.add_key("user", unique(), payload, SESSION)

        with pytest.raises(KeyQuotaError, match="Disk quota exceeded") as refused:
            fill()
        assert refused.value.errno == errno.EDQUOT

    in_child(as_a_user_with_little)


@pytest.mark.parametrize(
    "use",
    [
        lambda: keyring.unlink_key(1, SESSION),
        lambda: keyring.link_key(1, SESSION),
        lambda: keyring.revoke_key(1),
        lambda: keyring.invalidate_key(1),
        lambda: keyring.set_timeout(1, 1),
        lambda: keyring.set_permissions(1, Permission.VIEW, Permission.VIEW),
        lambda: keyring.keys_of(1),
        lambda: keyring.add_key("user", "x", b"x", 1),
        lambda: keyring.search_keyring(1, "user", "x"),
    ],
)
def test_a_number_that_no_key_has_is_not_found(use: Callable[[], object]) -> None:
    with pytest.raises(KeyNotFoundError, match="Required key not available"):
        use()


# --- the volume key ---------------------------------------------------------------------------------


def test_a_linked_volume_key_is_read_again_by_name_and_by_number(ring: int) -> None:
    name = unique()
    target = parse_link_target(f"{ring}::{name}")
    with SecretBuffer.random(64) as volume_key:
        key = link_volume_key(resolve_keyring(target.keyring), target.key, volume_key)
        for text in (name, f"%user:{name}", str(key), hex(key)):
            with read_volume_key(parse_volume_key_source(text)) as read:
                assert read.equals(memoryview(volume_key))


def test_a_key_whose_name_is_a_number_goes_before_the_number(ring: int) -> None:
    number = keyring.add_key("user", unique(), b"by number", ring)
    keyring.add_key("user", str(number), b"by name", ring)
    with read_volume_key(parse_volume_key_source(str(number))) as read:
        assert read.equals(b"by name")


@pytest.mark.usefixtures("ring")
def test_a_volume_key_that_is_nowhere_is_not_found() -> None:
    for text in (unique(), "1"):
        with pytest.raises(KeyNotFoundError):
            read_volume_key(parse_volume_key_source(text))


# --- the system call numbers ------------------------------------------------------------------------


def test_the_generic_numbers_are_those_of_the_kernels_header() -> None:
    header = Path("/usr/include/asm-generic/unistd.h")
    if not header.exists():
        unavailable(f"{header} (Debian: linux-libc-dev) is not installed")
    defined = dict(re.findall(r"#define __NR_(\w+) (\d+)", header.read_text()))
    wanted = tuple(int(defined[name]) for name in ("add_key", "request_key", "keyctl"))
    assert wanted == _calls.NUMBERS["aarch64"]


def test_wherever_an_image_can_be_loaded_its_keys_can_be_put_into_the_keyring() -> None:
    assert set(kexec._NUMBERS) <= set(_calls.NUMBERS)


def test_an_architecture_without_known_numbers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_calls, "NUMBERS", {})
    with pytest.raises(KeyringError, match="no system call numbers") as refused:
        keyring.request_key("user", "x")
    assert refused.value.errno == errno.ENOSYS
