"""The reference implementation of Argon2 that is measured beside ours: its result, and how it fails."""

from __future__ import annotations

import sys

import pytest

from kdumpkey.crypto import kdf as ours
from kdumpkey.crypto import reference
from kdumpkey.crypto.kdf import Argon2, Pbkdf2
from kdumpkey.errors import KdfError, ResourceError

SALT = bytes(range(16))


@pytest.mark.parametrize(
    "kdf",
    [Argon2("argon2id", 2, 64, 2, SALT), Argon2("argon2i", 1, 32, 1, SALT), Pbkdf2("sha256", 1000, SALT)],
    ids=lambda kdf: getattr(kdf, "variant", "pbkdf2"),
)
@pytest.mark.parametrize("length", [4, 64])
def test_it_gives_the_key_that_ours_gives(kdf: Argon2 | Pbkdf2, length: int) -> None:
    with reference.derive(kdf, b"pass", length) as theirs, ours.derive(kdf, b"pass", length) as mine:
        assert theirs.equals(mine)


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        ("ARGON2_MEMORY_ALLOCATION_ERROR", ResourceError, "64 KiB for argon2id cannot be allocated"),
        ("ARGON2_THREAD_FAIL", ResourceError, "the threads for argon2id cannot be started"),
        ("ARGON2_SALT_TOO_SHORT", KdfError, "argon2id: salt is too short"),
    ],
)
def test_its_failures_are_ours(
    status: str, kind: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import _argon2_cffi_bindings as bindings

    real = bindings.lib

    class Failing:
        """The library, which computes nothing."""

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        def argon2_ctx(self, _context: object, _kind: int) -> int:
            return int(getattr(real, status))

    monkeypatch.setattr(bindings, "lib", Failing())
    with pytest.raises(kind, match=said):
        reference.derive(Argon2("argon2id", 1, 64, 1, SALT), b"pass", 32)


def test_where_it_is_not_installed_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_argon2_cffi_bindings", None)
    with pytest.raises(KdfError, match=r"argon2-cffi\) is not installed"):
        reference.derive(Argon2("argon2id", 1, 64, 1, SALT), b"pass", 32)
