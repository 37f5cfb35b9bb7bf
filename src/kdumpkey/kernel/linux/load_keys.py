"""The keyrings that a load by this machine's own kernel takes its keys from."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import KeyNotFoundError, KeyringError
from kdumpkey.keyring import SpecialKeyring, add_key, link_key, read_key, request_key, set_timeout, unlink_key
from kdumpkey.keyring.find import find_key, never_expires

if TYPE_CHECKING:
    from kdumpkey.secret import SecretBuffer

_LOGON: Final = "logon"
# As kdump's own tools have it: long enough to try a load again, too short to be found by chance.
_TIMEOUT_S: Final = 300


class LinuxKeys:
    """Linux's own keyrings; see `Keys`.

    A load searches the thread, process and session keyrings of its caller. A session that is not root's own
    does not lead to root's user keyring, so this links that into the process's keyring, for as long as the
    process lives.

    Raises:
        KeyringError: The user keyring cannot be linked.
    """

    def __init__(self) -> None:
        link_key(SpecialKeyring.USER, SpecialKeyring.PROCESS)

    @property
    def usual_timeout_s(self) -> int:
        """See `Keys`."""
        return _TIMEOUT_S

    def put(self, description: str, key: SecretBuffer, timeout_s: int) -> tuple[str, ...]:
        """Put a logon key into @u, which only the kernel can read; see `Keys`."""
        serial = add_key(_LOGON, description, key, SpecialKeyring.USER)
        set_timeout(serial, timeout_s)
        return ()

    def errno_of(self, description: str) -> int:
        """Search as the kernel does in a load: thread, process and session keyring; see `Keys`."""
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
            except KeyringError:  # it is in another keyring, where somebody else put it
                return

    def read(self, key_type: str, description: str) -> SecretBuffer | None:
        """See `Keys`."""
        try:
            return read_key(find_key(key_type, description))
        except KeyNotFoundError:
            return None

    def _serial(self, description: str) -> int | None:
        try:
            return request_key(_LOGON, description)
        except KeyringError:
            return None
