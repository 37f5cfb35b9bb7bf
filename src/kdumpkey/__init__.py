"""kdumpkey: unlock LUKS volumes in user space, and carry a volume key across a kernel crash.

The public interface; everything else may change with any release::

    from kdumpkey import open_luks

    with (
        open_luks("disk.img") as luks,
        luks.unlock(b"passphrase") as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        sector = bytearray(512)
        volume.read_into(sector, 0)
        plaintext = io.BufferedReader(volume.raw())

Names are imported when they are first used, so that a program which needs one of them waits for no other.
"""

# Nothing else is imported here: `python -m kdumpkey` comes by before it has left the working directory out.
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kdumpkey.errors import (
        CipherError,
        DeviceError,
        HeaderError,
        KdumpkeyError,
        KeyslotError,
        NotLuksError,
        ResourceError,
        WrongKeyError,
    )
    from kdumpkey.luks.device import LuksDevice, open_luks
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.secret import SecretBuffer
    from kdumpkey.volume.volume import Volume

__version__ = "0.1.0"

__all__ = [
    "CipherError",
    "DeviceError",
    "HeaderError",
    "KdumpkeyError",
    "KeyslotError",
    "LuksDevice",
    "LuksHeader",
    "NotLuksError",
    "ResourceError",
    "SecretBuffer",
    "Volume",
    "WrongKeyError",
    "open_luks",
]

_ERRORS = "kdumpkey.errors"
_HOMES = {
    "CipherError": _ERRORS,
    "DeviceError": _ERRORS,
    "HeaderError": _ERRORS,
    "KdumpkeyError": _ERRORS,
    "KeyslotError": _ERRORS,
    "LuksDevice": "kdumpkey.luks.device",
    "LuksHeader": "kdumpkey.luks.model",
    "NotLuksError": _ERRORS,
    "ResourceError": _ERRORS,
    "SecretBuffer": "kdumpkey.secret",
    "Volume": "kdumpkey.volume.volume",
    "WrongKeyError": _ERRORS,
    "open_luks": "kdumpkey.luks.device",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
