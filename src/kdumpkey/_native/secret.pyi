from typing import Final, NoReturn, Self, final

from _typeshed import ReadableBuffer, WriteableBuffer

@final
class SecretBuffer:
    """`nbytes` zero bytes of locked, wiped memory; see kdumpkey.secret.

    Raises: MemoryError where no memory can be mapped, ValueError where `nbytes` is negative.
    """

    def __new__(cls, nbytes: int, /) -> Self: ...
    @staticmethod
    def copy_of(buffer: ReadableBuffer, /, nbytes: int = -1) -> SecretBuffer:
        """A new buffer that begins with the content of any contiguous buffer; the source stays as it is.

        `nbytes`: its length, at least the source's (default: the same). Raises: ValueError where it is less.
        """

    @staticmethod
    def random(nbytes: int, /) -> SecretBuffer:
        """`nbytes` from the kernel's generator (getrandom), straight into the mapping."""

    @property
    def locked(self) -> bool:
        """Whether the content cannot be swapped out; False once closed."""

    @property
    def closed(self) -> bool:
        """Whether the content is gone: after `close()`, and in a forked child."""

    def close(self) -> None:
        """Zero the content now; the mapping goes with the last exported view. Closing twice is harmless."""

    def xor(self, other: ReadableBuffer, /, offset: int = 0) -> None:
        """XOR all of `other` into the bytes from `offset` on.

        Raises: ValueError where it does not fit, or the buffer is closed.
        """

    def equals(self, other: ReadableBuffer, /) -> bool:
        """Whether length and content are equal, in a time that depends on the length alone.

        Raises: ValueError where the buffer is closed.
        """

    def __len__(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __reduce_ex__(self, *_: object) -> NoReturn: ...
    def __copy__(self, *_: object) -> NoReturn: ...
    def __deepcopy__(self, *_: object) -> NoReturn: ...
    def __bytes__(self, *_: object) -> NoReturn: ...

def wipe(buffer: WriteableBuffer, /) -> None:
    """Zero a writable contiguous buffer so that the compiler cannot drop it.

    Raises: BufferError where the buffer is read-only or has gaps.
    """

def move_out(holder: list[bytes], nbytes: int, /) -> SecretBuffer:
    """The first `nbytes` of the list's one bytes object, whose storage is zeroed.

    Raises: ValueError where the object has a reference besides the list's.
    """

def forbid_dumps() -> int:
    """prctl(PR_SET_DUMPABLE, 0); the errno where it failed, else 0."""

__test__: Final[dict[str, str]]
