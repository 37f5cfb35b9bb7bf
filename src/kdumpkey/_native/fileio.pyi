from typing import Final, NoReturn, final

from _typeshed import ReadableBuffer

@final
class FileWindow:
    """A mapping that moves over a regular file: its bytes as the page cache has them, without a copy.

    Offers what it shows as a read-only buffer. A page that cannot be read, because the file was cut or its
    medium fails, reads as zeros; ask `intact` afterwards. For that a handler of SIGBUS is installed with the
    first window, which passes on what is not its own.

    Args:
        length: The longest run that it is to show, in bytes.

    Raises: OSError where there is no address space, where too many windows are open (64), or where another
        handler of SIGBUS was installed after that of the windows.
    """

    def __new__(cls, length: int) -> FileWindow: ...
    def move(self, fd: int, offset: int, length: int) -> None:
        """Show a run of a file in place of what was shown.

        Raises: OSError where it cannot be mapped; the window then shows nothing. BufferError while there is a
            view.
        """

    def intact(self) -> bool:
        """Whether all that was read since `move` was the file's content."""

    def close(self) -> None:
        """Give the address space back.

        Raises: BufferError while there is a view.
        """

    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, buffer: memoryview, /) -> None: ...
    def __reduce_ex__(self, *_: object) -> NoReturn: ...
    def __copy__(self, *_: object) -> NoReturn: ...
    def __deepcopy__(self, *_: object) -> NoReturn: ...

def data_runs(buffer: ReadableBuffer, block: int) -> list[tuple[int, int]]:
    """The runs of blocks that are not all zeros, as (start, end), in bytes; the last block may be short."""

def allocate(fd: int, length: int) -> None:
    """Have a new file's blocks allocated before they are written, on disk file systems that can.

    Raises: OSError where there is no room for them.
    """

__test__: Final[dict[str, str]]
