"""The three system calls of the key retention service: add_key(2), request_key(2), keyctl(2)."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Protocol

from kdumpkey.errors import KeyringError, keyring_error

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Numbers of add_key, request_key, keyctl: x86_64's and ppc64le's own tables, and the generic one of the newer
# architectures.
_X86_64 = (248, 249, 250)
_PPC64LE = (269, 270, 271)
_GENERIC = (217, 218, 219)
NUMBERS = {
    "x86_64": _X86_64,
    "ppc64le": _PPC64LE,
    "aarch64": _GENERIC,
    "riscv64": _GENERIC,
    "loongarch64": _GENERIC,
}


class _System(Protocol):
    """syscall(2)."""

    def __call__(self, number: int, *arguments: int) -> int: ...


class _PyBuffer(ctypes.Structure):
    """Py_buffer, whose layout is part of Python's stable ABI since 3.11."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


def failure(what: str, code: int) -> KeyringError:
    """The typed error for an errno, with a sentence that says what failed."""
    return keyring_error(code, f"{what}: {os.strerror(code)}")


@contextmanager
def address_of(buffer: Buffer) -> Iterator[tuple[int, int]]:
    """Address and length in bytes of a contiguous buffer, read-only ones too, without a copy of it."""
    view = _PyBuffer()
    get, release = ctypes.pythonapi.PyObject_GetBuffer, ctypes.pythonapi.PyBuffer_Release
    get(ctypes.py_object(buffer), ctypes.byref(view), 0)
    try:
        yield view.buf or 0, view.len
    finally:
        release(ctypes.byref(view))


def add_key_call(what: str, key_type: str, description: str, payload: tuple[int, int], keyring: int) -> int:
    """add_key(2); `payload` is address and length."""
    kind, name = _text(key_type), _text(description)
    return _call(what, 0, _address(kind), _address(name), *payload, keyring)


def request_key_call(what: str, key_type: str, description: str, destination: int) -> int:
    """request_key(2) without an upcall to user space."""
    kind, name = _text(key_type), _text(description)
    return _call(what, 1, _address(kind), _address(name), 0, destination)


def search_call(what: str, keyring: int, key_type: str, description: str, destination: int) -> int:
    """keyctl(KEYCTL_SEARCH)."""
    kind, name = _text(key_type), _text(description)
    return keyctl(what, 10, keyring, _address(kind), _address(name), destination)


def join_call(what: str, name: str | None) -> int:
    """keyctl(KEYCTL_JOIN_SESSION_KEYRING)."""
    if name is None:
        return keyctl(what, 1, 0)
    text = _text(name)
    return keyctl(what, 1, _address(text))


def keyctl(what: str, operation: int, *arguments: int) -> int:
    """keyctl(2)."""
    return _call(what, 2, operation, *arguments)


def _call(what: str, which: int, *arguments: int) -> int:
    machine = os.uname().machine
    if machine not in NUMBERS or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise KeyringError(
            f"{what}: no system call numbers are known for this {machine} process", errno.ENOSYS
        )
    padded = (*arguments, 0, 0, 0, 0, 0)[:5]
    result = _system()(NUMBERS[machine][which], *padded)
    if result < 0:
        raise failure(what, ctypes.get_errno())
    return result


@cache
def _system() -> _System:
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    function.argtypes = (ctypes.c_long,) * 6

    def call(number: int, *arguments: int) -> int:
        return int(function(number, *arguments))

    return call


def _text(text: str) -> ctypes.Array[ctypes.c_char]:
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        raise KeyringError(f"a key's type and name cannot hold a zero byte: {text!r}", errno.EINVAL)
    return ctypes.create_string_buffer(encoded)


def _address(text: ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.addressof(text)
