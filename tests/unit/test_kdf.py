"""Key derivation: bounds on untrusted costs, what is copied, what happens without memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from forked import in_child
from kdumpkey.crypto import hashes, kdf, openssl, reference
from kdumpkey.crypto.kdf import Argon2, Kdf, Pbkdf2, derive
from kdumpkey.errors import CipherError, KdfError, ResourceError
from kdumpkey.secret import SecretBuffer

pytestmark = pytest.mark.every_python

SMALL = Argon2("argon2id", 1, 64, 2, b"saltsalt")


def limit_address_space(headroom: int) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + headroom, used + headroom))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        (SMALL._replace(time=0), "time 0"),
        (SMALL._replace(time=2**32), "time 4294967296"),
        (SMALL._replace(parallel=0), "parallel threads 0"),
        (SMALL._replace(parallel=2**24, memory_kib=2**27), "parallel threads 16777216"),
        (SMALL._replace(memory_kib=15), "memory in KiB 15"),
        (SMALL._replace(memory_kib=4 * 1024 * 1024 + 1), "memory in KiB 4194305"),
        (SMALL._replace(salt=b"1234567"), "salt length 7"),
        (SMALL._replace(variant="argon2"), "'argon2'"),
        (SMALL._replace(variant="argon2d"), "'argon2d'"),
        (Pbkdf2("sha256", 0, b"salt"), "iterations 0"),
        (Pbkdf2("sha256", 2**31, b"salt"), "iterations 2147483648"),
    ],
)
def test_costs_outside_the_bounds_are_refused_by_name(parameters: Kdf, named: str) -> None:
    with pytest.raises(KdfError, match=named):
        kdf.check(parameters)
    with pytest.raises(KdfError, match=named):
        derive(parameters, b"passphrase", 32)


@pytest.mark.parametrize(("parameters", "length"), [(SMALL, 3), (Pbkdf2("sha256", 1, b""), 0)])
def test_a_length_outside_the_bounds_is_refused(parameters: Kdf, length: int) -> None:
    with pytest.raises(KdfError, match=f"length {length}"):
        derive(parameters, b"passphrase", length)


@pytest.mark.parametrize("name", ["sha0", "", "shake_128", "none\0", "\udc80", "x" * 10_000])
def test_a_hash_that_is_not_there_is_refused_by_name(name: str) -> None:
    with pytest.raises(CipherError) as refusal:
        derive(Pbkdf2(name, 1, b"salt"), b"passphrase", 32)
    assert repr(name) in str(refusal.value)


@pytest.mark.parametrize(
    "parameters", [SMALL, SMALL._replace(variant="argon2i"), Pbkdf2("sha512", 3, b"saltsalt")]
)
def test_any_kind_of_buffer_gives_the_same_key_and_none_is_held(parameters: Kdf) -> None:
    passphrase = bytearray(b"the passphrase")
    with SecretBuffer.copy_of(passphrase) as secret, derive(parameters, bytes(passphrase), 64) as expected:
        for form in (passphrase, memoryview(passphrase), secret):
            with derive(parameters, form, 64) as key:
                assert key.equals(expected)
    passphrase.append(0)  # a BufferError if a view were left


@pytest.mark.parametrize("parameters", [SMALL, Pbkdf2("sha256", 1, b"saltsalt")])
def test_an_empty_passphrase_is_a_passphrase(parameters: Kdf) -> None:
    with (
        derive(parameters, b"", 32) as from_bytes,
        SecretBuffer(0) as empty,
        derive(parameters, empty, 32) as key,
    ):
        assert key.equals(from_bytes)


def test_more_lanes_than_processors_start_no_thread_for_each() -> None:
    def body() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, resource.RLIM_INFINITY))  # a thread's mapping
        limit_address_space(1 << 30)
        lanes = 1000
        derive(SMALL._replace(parallel=lanes, memory_kib=8 * lanes), b"passphrase", 32).close()

    in_child(body)


def test_argon2_without_its_memory_is_a_resource_error() -> None:
    def body() -> None:
        limit_address_space(300 << 20)
        derive(SMALL, b"passphrase", 32).close()  # the limit leaves room for a small one
        with pytest.raises(ResourceError, match="1048576 KiB for argon2id") as refusal:
            derive(SMALL._replace(memory_kib=1024 * 1024), b"passphrase", 32)
        assert refusal.value.exit_code == 3

    in_child(body)


def test_the_legacy_provider_is_loaded_only_when_a_hash_asks_for_it() -> None:
    program = """
import hashlib
from kdumpkey.crypto import hashes, openssl
for name in ("sha256", "blake2b-512"):
    hashes.find(name)
assert not openssl._providers_loaded
hashes.find("whirlpool")
assert openssl._providers_loaded
hashlib.pbkdf2_hmac("sha256", b"", b"", 1)
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "fine\n"


def test_a_hash_of_the_legacy_provider_is_refused_by_name_where_the_provider_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openssl, "_probe", lambda *_: None)
    monkeypatch.setattr(openssl, "_load_legacy_provider", lambda: False)
    with pytest.raises(CipherError, match="'whirlpool'"):
        hashes.find("whirlpool")


@pytest.mark.parametrize(
    "parameters",
    [
        SMALL,
        SMALL._replace(variant="argon2i", parallel=3),
        *(Pbkdf2(name, 3, b"saltsalt") for name in ("sha1", "SHA256", "sha512", "sha384", "sha3-512")),
        *(Pbkdf2(name, 3, b"saltsalt") for name in ("blake2b-512", "blake2s-256", "ripemd160", "md5")),
    ],
)
@pytest.mark.parametrize("length", [4, 64, 100])
def test_the_key_is_that_of_cryptsetups_own_implementation(parameters: Kdf, length: int) -> None:
    with (
        derive(parameters, b"passphrase", length) as key,
        reference.derive(parameters, b"passphrase", length) as other,
    ):
        assert key.equals(other)


def test_a_hash_that_is_not_in_the_engine_goes_to_cryptography_where_it_has_it() -> None:
    for name, there in (("sha384", True), ("blake2b512", True), ("whirlpool", False), ("sha256", False)):
        with SecretBuffer(32) as key:
            assert hashes.pbkdf2_by_cryptography(name, key, b"passphrase", b"salt", 2) is there
            assert key.equals(bytes(32)) is not there


def test_without_cryptography_other_hashes_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with derive(Pbkdf2("sha384", 3, b"saltsalt"), b"passphrase", 48) as expected:
        monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.kdf.pbkdf2", None)
        with derive(Pbkdf2("sha384", 3, b"saltsalt"), b"passphrase", 48) as key:
            assert key.equals(expected)


def test_what_progress_raises_ends_argon2() -> None:
    def progress(done: int, total: int) -> None:
        assert (done, total) == (1, 4)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        derive(SMALL, b"passphrase", 32, progress=progress)


def test_argon2_needs_no_other_package() -> None:
    program = """
import sys
sys.modules["_argon2_cffi_bindings"] = None
from kdumpkey.crypto import kdf, reference
from kdumpkey.errors import KdfError
function = kdf.Argon2("argon2id", 1, 64, 2, b"saltsalt")
kdf.derive(function, b"passphrase", 32).close()
try:
    reference.derive(function, b"passphrase", 32)
except KdfError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "The reference implementation of Argon2 (argon2-cffi) is not installed.\n"
