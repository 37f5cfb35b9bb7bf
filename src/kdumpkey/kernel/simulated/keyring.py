"""The key retention service of a simulated kernel: what Linux's answers, with the same errno.

Keys of the types user, logon and keyring; the keyrings @s, @u, @us and @t; possession, permissions, timeouts,
revocation and quotas. Time is a function that is passed in. Payloads lie in secret memory.

Source: keyrings(7), user-keyring(7), request_key(2), keyctl(2), and kernel documentation security/keys/core.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import keyring_error
from kdumpkey.kernel.simulated.keys import (
    LINK_BYTES,
    ROOT_QUOTA,
    SESSION_RING,
    THREAD_RING,
    USER_RING,
    Key,
    Process,
    Quota,
    default_permissions,
    may,
)
from kdumpkey.kernel.simulated.search import Search, child_of, reaches, rings_under
from kdumpkey.keyring.service import Permission, SpecialKeyring
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LONGEST_PAYLOAD: Final = 32767
_KERNELS: Final = "kernel"  # the type of what belongs to no process
_FIRST_SERIAL: Final = 0x1000_0001


class SimulatedKeyrings:
    """All keys of one simulated kernel; `close` wipes them.

    Args:
        clock: Seconds since the epoch, by which keys expire.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.keys: dict[int, Key] = {}
        self.next_serial = _FIRST_SERIAL
        self.quotas: dict[int, Quota] = {0: ROOT_QUOTA}

    def user_keyring(self, uid: int) -> int:
        """The serial number of a user's @u."""
        return self._named_ring(f"_uid.{uid}", uid, USER_RING)

    def user_session(self, uid: int) -> int:
        """The serial number of a user's @us, which has a link to @u."""
        ring = self._named_ring(f"_uid_ses.{uid}", uid, USER_RING)
        user = self.user_keyring(uid)
        if user not in self.keys[ring].links:
            self.keys[ring].links.append(user)
        return ring

    def new_session(self, process: Process, *, linked: bool = False) -> int:
        """Give a process a new session keyring, linked to its @u only if that is asked for."""
        ring = self._make("keyring", "_ses", process.uid, SESSION_RING)
        process.session = ring.serial
        if linked:
            ring.links.append(self.user_keyring(process.uid))
        return ring.serial

    def resolve(self, process: Process, keyring: int) -> int:
        """The serial number behind @s, @u, @us and @t.

        Raises:
            KeyNotFoundError: There is no such keyring.
        """
        match keyring:
            case SpecialKeyring.USER:
                return self.user_keyring(process.uid)
            case SpecialKeyring.USER_SESSION:
                return self.user_session(process.uid)
            case SpecialKeyring.SESSION:
                return self._session(process)
            case SpecialKeyring.THREAD:
                if process.thread is None:
                    process.thread = self._make("keyring", "_tid", process.uid, THREAD_RING).serial
                return process.thread
        if keyring not in self.keys:
            raise keyring_error(errno.ENOKEY, f"there is no keyring {keyring}")
        return keyring

    def add(  # noqa: PLR0913 - the arguments of add_key(2), the caller, and what setperm would set
        self,
        process: Process,
        key_type: str,
        description: str,
        payload: Buffer,
        keyring: int,
        permissions: int | None = None,
    ) -> int:
        """Add a key to a keyring, or replace the payload of the one that has its type and name there.

        Args:
            process: Who adds it.
            key_type: ``user`` or ``logon``.
            description: Its name; a logon key's needs a ``prefix:``.
            payload: 1 to 32767 bytes, copied.
            keyring: A serial number or a special keyring.
            permissions: Default: what add_key(2) gives.

        Returns:
            The serial number of the key.

        Raises:
            KeyringError: EINVAL: payload or name are not for this type; ENODEV: no such type; EDQUOT; EACCES.
        """
        what = f"{key_type} key {description!r} cannot be added"
        if key_type not in ("user", "logon"):
            raise keyring_error(errno.ENODEV, f"{what}: there is no such type")
        nbytes = memoryview(payload).nbytes
        if not description or not 0 < nbytes <= _LONGEST_PAYLOAD:
            raise keyring_error(errno.EINVAL, f"{what}: it needs a name, and 1 to {_LONGEST_PAYLOAD} bytes")
        if key_type == "logon" and ":" not in description[1:]:
            raise keyring_error(errno.EINVAL, f"{what}: a logon key's name needs a prefix and a colon")
        ring = self._ring(process, keyring, Permission.WRITE)
        old = child_of(self.keys, ring, key_type, description)
        if old is not None and not old.revoked:
            self._permit(process, old, Permission.WRITE, possessed=True)
            self._check_quota(process.uid, 0, nbytes - len(old.payload or b""), what)
            self._set_payload(old, payload)
            return old.serial
        self._check_quota(process.uid, 1, len(description.encode()) + 1 + nbytes + LINK_BYTES, what)
        permissions = default_permissions(key_type) if permissions is None else permissions
        key = self._make(key_type, description, process.uid, permissions)
        self._set_payload(key, payload)
        if old is not None:
            ring.links.remove(old.serial)
        ring.links.append(key.serial)
        self._collect()
        return key.serial

    def request(self, process: Process, key_type: str, description: str) -> int:
        """Find a key as the kernel does: in the thread and session keyrings, and what is linked to them.

        Raises:
            KeyNotFoundError: There is no such key, or it expired: request_key(2) ignores expired keys.
            KeyRevokedError, KeyAccessError: The key is there, but may not be used.
        """
        first: int | None = None
        other: int | None = None
        search = Search(self.keys, process, key_type, description, self._expired, skips_expired=True)
        for root in self._roots(process):
            found = search.under(root)
            if isinstance(found, Key):
                return found.serial
            # As Linux decides: a keyring that merely lacks the key outweighs what the others said.
            if found == errno.EAGAIN:
                first = errno.ENOKEY
            else:
                other = found
        number = first or other or errno.ENOKEY
        raise keyring_error(
            number, f"{key_type} key {description!r} was not found in this process's keyrings"
        )

    def search(self, process: Process, keyring: int, key_type: str, description: str) -> int:
        """Find a key in one keyring and what is linked to it.

        Raises:
            KeyringError: ENOKEY, EKEYEXPIRED, EKEYREVOKED or EACCES.
        """
        ring = self._ring(process, keyring, Permission.SEARCH)
        found = Search(self.keys, process, key_type, description, self._expired).under(ring)
        if isinstance(found, Key):
            return found.serial
        number = errno.ENOKEY if found == errno.EAGAIN else found
        raise keyring_error(number, f"{key_type} key {description!r} was not found in keyring {keyring}")

    def read(self, process: Process, serial: int) -> SecretBuffer:
        """A copy of a key's payload, as user space gets it.

        Raises:
            KeyringError: EACCES, EKEYEXPIRED, EKEYREVOKED, ENOKEY; EOPNOTSUPP: a logon key.
        """
        key = self._valid(serial)
        if not self._possesses(process, serial):
            self._permit(process, key, Permission.READ, possessed=False)
        if key.type != "user" or key.payload is None:
            raise keyring_error(errno.EOPNOTSUPP, f"a {key.type} key cannot be read by user space")
        return SecretBuffer.copy_of(key.payload)

    def payload(self, serial: int) -> SecretBuffer:
        """A key's payload as the kernel itself uses it, for dm-crypt; it stays the keyring's.

        Raises:
            KeyringError: ENOKEY, EKEYEXPIRED, EKEYREVOKED; EINVAL: a keyring.
        """
        key = self._valid(serial)
        if key.payload is None:
            raise keyring_error(errno.EINVAL, "a keyring has no payload")
        return key.payload

    def link(self, process: Process, serial: int, keyring: int) -> None:
        """Link a key or keyring into a keyring, once, in place of one of the same name."""
        key = self._reachable(process, serial, Permission.LINK)
        ring = self._ring(process, keyring, Permission.WRITE)
        if key.serial == ring.serial or ring.serial in rings_under(self.keys, key):
            raise keyring_error(errno.EDEADLK, "a keyring would contain itself")
        same = child_of(self.keys, ring, key.type, key.description)
        if same is not None:
            ring.links.remove(same.serial)
        ring.links.append(key.serial)
        self._collect()

    def unlink(self, process: Process, serial: int, keyring: int) -> None:
        """Take a key out of a keyring; what no keyring holds any longer is wiped."""
        ring = self._ring(process, keyring, Permission.WRITE)
        if serial not in ring.links:
            raise keyring_error(errno.ENOENT, f"key {serial} is not in this keyring")
        ring.links.remove(serial)
        self._collect()

    def set_timeout(self, process: Process, serial: int, seconds: float) -> None:
        """Let a key expire; 0: never."""
        key = self._reachable(process, serial, Permission.SETATTR)
        key.expires_at = self._clock() + seconds if seconds else None

    def revoke(self, process: Process, serial: int) -> None:
        """Make a key unusable, and wipe its payload."""
        key = self._valid(serial)
        possessed = self._possesses(process, serial)
        if not may(process, key, Permission.WRITE, possessed=possessed):
            self._permit(process, key, Permission.SETATTR, possessed=possessed)
        key.revoked = True
        if key.payload is not None:
            key.payload.close()
            key.payload = None
        key.links.clear()
        self._collect()

    def set_permissions(self, process: Process, serial: int, permissions: int) -> None:
        """Set who may do what, as a mask of keyctl_setperm(3)."""
        self._reachable(process, serial, Permission.SETATTR).permissions = permissions

    def keep(self, name: str, payload: Buffer, seconds: float) -> None:
        """Keep a copy for the kernel itself, out of every process's reach, for so many seconds."""
        self.drop(name)
        key = self._make(_KERNELS, name, 0, 0)
        self._set_payload(key, payload)
        key.expires_at = self._clock() + seconds

    def kept(self, name: str) -> SecretBuffer | None:
        """What was kept by `keep`, if its time is not over."""
        key = self._kept_key(name)
        return None if key is None or self._expired(key) else key.payload

    def drop(self, name: str) -> None:
        """Wipe what was kept by `keep`."""
        key = self._kept_key(name)
        if key is not None and key.payload is not None:
            key.payload.close()
            del self.keys[key.serial]

    def end_process(self, process: Process) -> None:
        """End a process: remove its thread keyring, with the keys that nothing else holds."""
        if process.thread is not None:
            del self.keys[process.thread]
            process.thread = None
            self._collect()

    def close(self) -> None:
        """Wipe everything."""
        for key in self.keys.values():
            if key.payload is not None:
                key.payload.close()
        self.keys.clear()

    def _kept_key(self, name: str) -> Key | None:
        same = (key for key in self.keys.values() if (key.type, key.description) == (_KERNELS, name))
        return next(same, None)

    def _named_ring(self, name: str, uid: int, permissions: int) -> int:
        for key in self.keys.values():
            if (key.type, key.description) == ("keyring", name):
                return key.serial
        return self._make("keyring", name, uid, permissions).serial

    def _session(self, process: Process) -> int:
        return self.user_session(process.uid) if process.session is None else process.session

    def _make(self, key_type: str, description: str, uid: int, permissions: int) -> Key:
        key = Key(self.next_serial, key_type, description, uid, permissions, changed_at=self._clock())
        self.next_serial += 1
        self.keys[key.serial] = key
        return key

    def _set_payload(self, key: Key, payload: Buffer) -> None:
        copied = SecretBuffer.copy_of(payload)
        if key.payload is not None:
            key.payload.close()
        key.payload, key.expires_at, key.changed_at = copied, None, self._clock()

    def _check_quota(self, uid: int, more_keys: int, more_bytes: int, what: str) -> None:
        quota = self.quotas.get(uid, Quota())
        own = [key for key in self.keys.values() if key.uid == uid]
        nbytes = sum(key.cost for key in own) + more_bytes
        if len(own) + more_keys > quota.keys or nbytes > quota.nbytes:
            raise keyring_error(errno.EDQUOT, f"{what}: the quota of user {uid} is used up")

    def _roots(self, process: Process) -> list[Key]:
        rings = (process.thread, self._session(process))
        return [self.keys[ring] for ring in rings if ring is not None and ring in self.keys]

    def _valid(self, serial: int) -> Key:
        key = self.keys.get(serial)
        if key is None:
            raise keyring_error(errno.ENOKEY, f"there is no key {serial}")
        if key.revoked:
            raise keyring_error(errno.EKEYREVOKED, f"key {serial} was revoked")
        if self._expired(key):
            raise keyring_error(errno.EKEYEXPIRED, f"key {serial} expired")
        return key

    def _expired(self, key: Key) -> bool:
        return key.expires_at is not None and self._clock() >= key.expires_at

    def _possesses(self, process: Process, serial: int) -> bool:
        return any(reaches(self.keys, process, root, serial) for root in self._roots(process))

    def _ring(self, process: Process, keyring: int, needed: Permission) -> Key:
        ring = self._valid(self.resolve(process, keyring))
        if ring.type != "keyring":
            raise keyring_error(errno.ENOTDIR, f"key {ring.serial} is not a keyring")
        self._permit(process, ring, needed, possessed=keyring < 0 or self._possesses(process, ring.serial))
        return ring

    def _reachable(self, process: Process, serial: int, needed: Permission) -> Key:
        possessed = serial < 0
        key = self._valid(self.resolve(process, serial) if possessed else serial)
        self._permit(process, key, needed, possessed=possessed or self._possesses(process, serial))
        return key

    def _permit(self, process: Process, key: Key, needed: Permission, *, possessed: bool) -> None:
        if not may(process, key, needed, possessed=possessed):
            raise keyring_error(
                errno.EACCES, f"{needed.name} is not permitted on {key.type} {key.description!r}"
            )

    def _collect(self) -> None:
        """Wipe keys that no keyring links; keyrings stay, their owners hold them."""
        held = {serial for key in self.keys.values() for serial in key.links}
        for serial in [key.serial for key in self.keys.values() if key.type not in ("keyring", _KERNELS)]:
            if serial not in held:
                payload = self.keys.pop(serial).payload
                if payload is not None:
                    payload.close()
