"""The errors of kdumpkey: one tree, each class with the exit code that the command line gives for it.

The codes are cryptsetup's own: 1 wrong parameters or anything else, 2 no permission or bad key, 3 out of
memory, 4 wrong device, 5 device exists or is busy.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class KdumpkeyError(Exception):
    """Base of every error that kdumpkey raises on purpose."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)


class UsageError(KdumpkeyError):
    """The command line or the arguments of a call cannot be acted on."""


class NoDumpError(KdumpkeyError):
    """A crash now would leave no dump."""


class CannotTellError(KdumpkeyError):
    """Whether a crash now would leave a dump cannot be told."""

    exit_code = 10


class CancelledError(KdumpkeyError):
    """Ctrl-C ended the derivation of a key; the exit code is cryptsetup's."""


class NothingToReadError(UsageError):
    """A passphrase was to come from an input that is at its end."""


class HeaderError(KdumpkeyError):
    """A LUKS header is damaged, inconsistent or hostile.

    `path` names the field in the JSON area (``keyslots.0.area.offset``), and the message is then the rest of
    a sentence that begins with it; it is empty where the fault lies elsewhere.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"the LUKS2 metadata is invalid: {path} {message}" if path else message)
        self.path = path


class NotLuksError(HeaderError):
    """There is no LUKS header of the wanted kind on the device."""


class FormatError(KdumpkeyError):
    """The device is of a format that kdumpkey does not open, or not of the one that was named."""


class AmbiguousSignatureError(HeaderError):
    """One copy of the LUKS2 header is damaged or older, and the device has a signature of something else.

    `is_table`: It is a partition table, and nothing besides.
    """

    def __init__(self, message: str, *, is_table: bool = False) -> None:
        super().__init__(message)
        self.is_table = is_table


class OverlapError(KdumpkeyError):
    """The data would begin inside the header that they are opened by."""


class ConversionError(KdumpkeyError):
    """A header of one version of LUKS says what the other version cannot."""


class RequirementsError(KdumpkeyError):
    """The LUKS2 header demands features that are not implemented."""


class KeyslotError(KdumpkeyError):
    """A keyslot does not exist, is not usable, is full, or none is left."""


class CipherError(KdumpkeyError):
    """A cipher, mode, IV generator or hash that kdumpkey does not implement."""


class KdfError(KdumpkeyError):
    """Costs or a salt for a key derivation function that are outside of its bounds."""


class TierError(KdumpkeyError):
    """An AES-XTS implementation tier that cannot be used."""


class UnknownTierError(TierError):
    """No tier has this name."""


class TierNotBuiltError(TierError):
    """The tier exists, but this build does not contain it (it is for another architecture)."""


class TierNotOnThisCpuError(TierError):
    """The tier is built, but this processor or operating system does not offer its instructions."""


class KeyMismatchError(KdumpkeyError):
    """This key does not open this keyslot: to the keyslot loop it means "next"."""

    exit_code = 2


class WrongKeyError(KdumpkeyError):
    """No keyslot opens with this passphrase, or the volume key is not this volume's."""

    exit_code = 2


class PermissionDeniedError(KdumpkeyError):
    """The operating system forbids it."""

    exit_code = 2


class ResourceError(KdumpkeyError):
    """There is not enough memory for what was asked."""

    exit_code = 3


class DeviceError(KdumpkeyError):
    """The device or file does not exist, cannot be read, or is of the wrong kind."""

    exit_code = 4


class WriteError(DeviceError):
    """The device cannot be written: it is full, read-only, or broken."""

    exit_code = 1


class MappingError(KdumpkeyError):
    """A mapping of device-mapper's cannot be made, read or taken away."""


class DeviceMapperError(MappingError):
    """Device-mapper is not there, or not for this user."""


class InactiveError(MappingError):
    """There is no mapping of that name."""

    exit_code = 4


class LockError(KdumpkeyError):
    """A lock that was asked for cannot be taken."""


class BusyError(KdumpkeyError):
    """The device or the file to be made exists or is in use."""

    exit_code = 5


class ConflictError(BusyError):
    """Another process changed the header that was to be changed; nothing was written."""


class OutputError(KdumpkeyError):
    """What was asked for cannot be written where it was to go."""


class OutputExistsError(OutputError):
    """The file to be written exists already."""


class KeyringError(KdumpkeyError):
    """A request to the kernel's key retention service failed; `errno` says why."""

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.errno = errno


class KeyNotFoundError(KeyringError):
    """ENOKEY: no key of this type and description can be found."""


class KeyExpiredError(KeyringError):
    """EKEYEXPIRED: the key's time is over."""


class KeyRevokedError(KeyringError):
    """EKEYREVOKED: the key was revoked."""


class KeyAccessError(KeyringError):
    """EACCES: the key exists and this process may not use it."""

    exit_code = 2


class KeyQuotaError(KeyringError):
    """EDQUOT: the owner's key quota is used up."""


class NotAKernelError(KdumpkeyError):
    """A file is not a kernel image that says how much memory it needs."""


class KernelError(KdumpkeyError):
    """A kernel, the real one or the simulated, refused a call of the hand-over; `errno` says why.

    `reason` is the message without the errno's name.
    """

    def __init__(self, reason: str, number: int) -> None:
        name = errno.errorcode.get(number)
        super().__init__(f"{name}: {reason}" if name else reason)
        self.reason = reason
        self.errno = number


class KernelDeniedError(KernelError):
    """EPERM or EACCES: not for this user, not at this stage, or not this key."""

    exit_code = 2


class KernelMemoryError(KernelError):
    """ENOMEM: the kernel, or the reserved memory, is too small for what was asked."""

    exit_code = 3


class KernelBusyError(KernelError):
    """EBUSY or EEXIST: there is one already."""

    exit_code = 5


def kernel_error(number: int, message: str) -> KernelError:
    """The `KernelError` of the class that an errno belongs to, not yet raised."""
    kinds = {
        errno.EPERM: KernelDeniedError,
        errno.EACCES: KernelDeniedError,
        errno.ENOMEM: KernelMemoryError,
        errno.EBUSY: KernelBusyError,
        errno.EEXIST: KernelBusyError,
    }
    return kinds.get(number, KernelError)(message, number)


def keyring_error(number: int, message: str) -> KeyringError:
    """The `KeyringError` of the class that an errno belongs to, not yet raised."""
    kinds = {
        errno.ENOKEY: KeyNotFoundError,
        errno.EKEYEXPIRED: KeyExpiredError,
        errno.EKEYREVOKED: KeyRevokedError,
        errno.EACCES: KeyAccessError,
        errno.EDQUOT: KeyQuotaError,
    }
    return kinds.get(number, KeyringError)(message, number)
