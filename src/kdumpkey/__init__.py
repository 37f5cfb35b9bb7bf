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

Names are imported when they are first used: all of them take 78 ms of processor time, `SecretBuffer` alone
takes 3 ms, and Python itself starts in 14 ms. No other module has a `__getattr__`.
"""

# Nothing is imported here: `python -m kdumpkey` comes by before it has left the working directory out.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from kdumpkey.crypto.kdf import (
        Argon2,
        Pbkdf2,
    )
    from kdumpkey.errors import (
        AmbiguousSignatureError,
        BusyError,
        CancelledError,
        CannotTellError,
        CipherError,
        ConflictError,
        ConversionError,
        DeviceError,
        DeviceMapperError,
        FormatError,
        HeaderError,
        InactiveError,
        KdfError,
        KdumpkeyError,
        KernelBusyError,
        KernelDeniedError,
        KernelError,
        KernelMemoryError,
        KeyAccessError,
        KeyExpiredError,
        KeyMismatchError,
        KeyNotFoundError,
        KeyQuotaError,
        KeyRevokedError,
        KeyringError,
        KeyslotError,
        LockError,
        MappingError,
        NoDumpError,
        NotAKernelError,
        NothingToReadError,
        NotLuksError,
        OutputError,
        OutputExistsError,
        OverlapError,
        PermissionDeniedError,
        RequirementsError,
        ResourceError,
        TierError,
        TierNotBuiltError,
        TierNotOnThisCpuError,
        UnknownTierError,
        UsageError,
        WriteError,
        WrongKeyError,
    )
    from kdumpkey.luks.device import (
        LuksDevice,
        open_luks,
    )
    from kdumpkey.luks.model import (
        Af,
        Area,
        Config,
        CopyState,
        Digest,
        EncryptionClaim,
        HeaderCopy,
        Keyslot,
        Luks1Header,
        Luks1Slot,
        Luks2Header,
        LuksHeader,
        Reencryption,
        Segment,
        Token,
        UnknownKdf,
    )
    from kdumpkey.luks.unlock import (
        Unlocked,
    )
    from kdumpkey.secret import (
        SecretBuffer,
    )
    from kdumpkey.storage.device import (
        Device,
    )
    from kdumpkey.storage.extent import (
        Extent,
    )
    from kdumpkey.volume.volume import (
        CryptSegment,
        Volume,
        VolumeFile,
    )

__version__ = "0.2.0"

__all__ = [
    "Af",
    "AmbiguousSignatureError",
    "Area",
    "Argon2",
    "BusyError",
    "CancelledError",
    "CannotTellError",
    "CipherError",
    "Config",
    "ConflictError",
    "ConversionError",
    "CopyState",
    "CryptSegment",
    "Device",
    "DeviceError",
    "DeviceMapperError",
    "Digest",
    "EncryptionClaim",
    "Extent",
    "FormatError",
    "HeaderCopy",
    "HeaderError",
    "InactiveError",
    "KdfError",
    "KdumpkeyError",
    "KernelBusyError",
    "KernelDeniedError",
    "KernelError",
    "KernelMemoryError",
    "KeyAccessError",
    "KeyExpiredError",
    "KeyMismatchError",
    "KeyNotFoundError",
    "KeyQuotaError",
    "KeyRevokedError",
    "KeyringError",
    "Keyslot",
    "KeyslotError",
    "LockError",
    "Luks1Header",
    "Luks1Slot",
    "Luks2Header",
    "LuksDevice",
    "LuksHeader",
    "MappingError",
    "NoDumpError",
    "NotAKernelError",
    "NotLuksError",
    "NothingToReadError",
    "OutputError",
    "OutputExistsError",
    "OverlapError",
    "Pbkdf2",
    "PermissionDeniedError",
    "Reencryption",
    "RequirementsError",
    "ResourceError",
    "SecretBuffer",
    "Segment",
    "TierError",
    "TierNotBuiltError",
    "TierNotOnThisCpuError",
    "Token",
    "UnknownKdf",
    "UnknownTierError",
    "Unlocked",
    "UsageError",
    "Volume",
    "VolumeFile",
    "WriteError",
    "WrongKeyError",
    "open_luks",
]

_NAMES = {
    "kdumpkey.crypto.kdf": ("Argon2", "Pbkdf2"),
    "kdumpkey.errors": (
        "AmbiguousSignatureError",
        "BusyError",
        "CancelledError",
        "CannotTellError",
        "CipherError",
        "ConflictError",
        "ConversionError",
        "DeviceError",
        "DeviceMapperError",
        "FormatError",
        "HeaderError",
        "InactiveError",
        "KdfError",
        "KdumpkeyError",
        "KernelBusyError",
        "KernelDeniedError",
        "KernelError",
        "KernelMemoryError",
        "KeyAccessError",
        "KeyExpiredError",
        "KeyMismatchError",
        "KeyNotFoundError",
        "KeyQuotaError",
        "KeyRevokedError",
        "KeyringError",
        "KeyslotError",
        "LockError",
        "MappingError",
        "NoDumpError",
        "NotAKernelError",
        "NotLuksError",
        "NothingToReadError",
        "OutputError",
        "OutputExistsError",
        "OverlapError",
        "PermissionDeniedError",
        "RequirementsError",
        "ResourceError",
        "TierError",
        "TierNotBuiltError",
        "TierNotOnThisCpuError",
        "UnknownTierError",
        "UsageError",
        "WriteError",
        "WrongKeyError",
    ),
    "kdumpkey.luks.device": (
        "LuksDevice",
        "open_luks",
    ),
    "kdumpkey.luks.model": (
        "Af",
        "Area",
        "Config",
        "CopyState",
        "Digest",
        "EncryptionClaim",
        "HeaderCopy",
        "Keyslot",
        "Luks1Header",
        "Luks1Slot",
        "Luks2Header",
        "LuksHeader",
        "Reencryption",
        "Segment",
        "Token",
        "UnknownKdf",
    ),
    "kdumpkey.luks.unlock": ("Unlocked",),
    "kdumpkey.secret": ("SecretBuffer",),
    "kdumpkey.storage.device": ("Device",),
    "kdumpkey.storage.extent": ("Extent",),
    "kdumpkey.volume.volume": (
        "CryptSegment",
        "Volume",
        "VolumeFile",
    ),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - the programs' own starts ask for no name

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
