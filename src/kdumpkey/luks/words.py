"""How a command line names a device, and the words for what is wrong with one, which are cryptsetup's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kdumpkey.errors import HeaderError, NotLuksError

_BY: Final = {"UUID=": "/dev/disk/by-uuid/", "PARTUUID=": "/dev/disk/by-partuuid/"}


def device_path(word: str) -> str:
    """The path that a word stands for: itself, or that of ``UUID=…`` or ``PARTUUID=…``."""
    for prefix, folder in _BY.items():
        if word.startswith(prefix):
            return folder + word.removeprefix(prefix)
    return word


@contextmanager
def refusing(path: str) -> Iterator[None]:
    """Say of a header that cannot be read what cryptsetup says, after what is wrong with it."""
    try:
        yield
    except NotLuksError as error:
        from kdumpkey.luks.elsewhere import hint  # noqa: PLC0415 - only what is not LUKS is looked through

        raise NotLuksError(_lines(hint(path), _way_out(path), refusal(path))) from error
    except HeaderError as error:
        raise type(error)(_lines(str(error), _way_out(path), refusal(path))) from error


def refusal(path: str) -> str:
    """What cryptsetup says of a device without a valid header."""
    return f"Device {path} is not a valid LUKS device."


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


def _way_out(path: str) -> str:
    """How to read a device both of whose headers are damaged, where enough of one is left; else nothing."""
    from kdumpkey.luks.salvage import is_salvageable  # noqa: PLC0415 - hardly ever needed

    if not is_salvageable(path):
        return ""
    return (
        f"Its metadata are still there: kdumpkey unlock {path} reads them, and "
        f"kdumpkey repair {path} --header-backup-file FILE makes a detached header of them."
    )
