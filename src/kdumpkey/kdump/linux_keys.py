"""The keyring from which a load of this machine's own kernel takes its keys."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, Protocol

from kdumpkey.errors import KeyNotFoundError, KeyringError
from kdumpkey.keyring import (
    SpecialKeyring,
    add_key,
    find_key,
    link_key,
    never_expires,
    read_key,
    request_key,
    set_timeout,
    unlink_key,
)

if TYPE_CHECKING:
    from kdumpkey.secret import SecretBuffer

_LOGON: Final = "logon"


class Keys(Protocol):
    """What arming needs of a keyring; a timeout of 0 is never."""

    def put(self, description: str, key: SecretBuffer, timeout_s: int) -> None:
        """Put a logon key into the user keyring, in place of one of that name."""

    def errno_of(self, description: str) -> int:
        """With which errno a load by this process would not get it; 0: it would."""

    def stays(self, description: str) -> bool:
        """Whether it is there, and never expires."""

    def expire(self, description: str, timeout_s: int) -> None:
        """Have it leave after so many seconds from now."""

    def drop(self, description: str) -> None:
        """Take it out of the user keyring; it may be gone already."""


class LinuxKeys:
    """Linux's own keyring.

    A load looks through the thread, process and session keyrings of its caller. A session that is not root's
    own does not lead to root's user keyring, so that is linked into this process's keyring, for as long as
    the process lives.

    Raises:
        KeyringError: The user keyring cannot be linked.
    """

    def __init__(self) -> None:
        link_key(SpecialKeyring.USER, SpecialKeyring.PROCESS)

    def put(self, description: str, key: SecretBuffer, timeout_s: int) -> None:
        """Put a logon key into @u; see `Keys`."""
        serial = add_key(_LOGON, description, key, SpecialKeyring.USER)
        set_timeout(serial, timeout_s)

    def errno_of(self, description: str) -> int:
        """Search as the kernel's load does: thread, process and session keyring; see `Keys`."""
        try:
            request_key(_LOGON, description)
        except KeyringError as error:
            return error.errno or errno.ENOKEY
        return 0

    def stays(self, description: str) -> bool:
        """See `Keys`."""
        serial = self._serial(description)
        return serial is not None and never_expires(serial)

    def expire(self, description: str, timeout_s: int) -> None:
        """See `Keys`."""
        set_timeout(request_key(_LOGON, description), timeout_s)

    def drop(self, description: str) -> None:
        """See `Keys`."""
        serial = self._serial(description)
        if serial is not None:
            try:
                unlink_key(serial, SpecialKeyring.USER)
            except KeyringError:  # it is in another keyring, and somebody else's to drop
                return

    def _serial(self, description: str) -> int | None:
        try:
            return request_key(_LOGON, description)
        except KeyringError:
            return None


def read_user_key(description: str) -> SecretBuffer | None:
    """The key of a name, where it is there as one that can be read; None: it is not.

    Raises:
        KeyringError: It is there, and cannot be read.
    """
    try:
        return read_key(find_key("user", description))
    except KeyNotFoundError:
        return None
