"""Arming a machine: every key is checked before anything is unloaded; then all are loaded, or none."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdumpkey.errors import KernelError, KeyringError, kernel_error
from kdumpkey.kernel.items import is_ours, item_for
from kdumpkey.kernel.linux.loading import check_reachable
from kdumpkey.kernel.protocol import CrashImage, KernelStatus, Loaded, Stage
from kdumpkey.region.handover import LONGEST_DESCRIPTION, LONGEST_KEY, MOST_KEYS

if TYPE_CHECKING:
    from kdumpkey.kernel.protocol import Kernel, Keys
    from kdumpkey.kernel.record import KeyOrigin
    from kdumpkey.secret import SecretBuffer


@dataclass(frozen=True)
class KeyToArm:
    """A volume key, and the name to hand it over by.

    Attributes:
        description: The name.
        key: The key, checked against its device; None: the keyring has it as a logon key, which nobody can
            read or check.
        origin: The device that it is of, for the record; None: not known.
    """

    description: str
    key: SecretBuffer | None
    origin: KeyOrigin | None = None


def arm(
    kernel: Kernel, wanted: Sequence[KeyToArm], image: CrashImage, *, timeout_s: int | None = None
) -> Loaded:
    """Load a crash image that holds all of the keys; the items that name them are removed again.

    You can run it again at any time, also after it was killed: it removes items that it left behind.

    Args:
        kernel: The first kernel.
        wanted: The keys.
        image: What to load.
        timeout_s: When the keys expire in the keyring, which does not affect the image; 0: never. Default: as
            `timeout_of` says.

    Raises:
        KernelError: Something would fail, which was found before the loaded image was lost; or the load
            failed, and the message says which image is loaded now. EBUSY: another program arms.
        KeyringError: A key cannot be put into the keyring.
    """
    _check_names(wanted)
    with kernel.alone() as held:
        ready(held)
        held.check(image)
        _forget_leftovers(held)
        others = _others(held, {each.description for each in wanted})
        names = [*others, *(each.description for each in wanted)]
        if len(names) > MOST_KEYS:
            raise kernel_error(
                errno.EINVAL, f"{len(names)} keys would be named, {MOST_KEYS} are restored at most"
            )
        keys = held.keys
        timeouts = {each.description: _timeout(keys, each, timeout_s) for each in wanted}
        with _put(keys, wanted, timeouts):
            check_reachable(keys, names)
            try:
                loaded = _load(held, wanted, image, others)
            finally:
                _forget_leftovers(held)
        return replace(loaded, warnings=(*loaded.warnings, *_expire(keys, timeouts)))


def timeout_of(keys: Keys, description: str, wanted_s: int | None) -> int:
    """When a key that is put into the keyring expires there, in seconds; 0: never.

    Args:
        keys: The keyring.
        description: The key's name.
        wanted_s: What was asked for; None: a key of this name that never expires stays so, and others
            expire after the keyring's usual time.
    """
    if wanted_s is not None:
        return wanted_s
    return 0 if keys.stays(description) else keys.usual_timeout_s


def ready(kernel: Kernel) -> KernelStatus:
    """Refuse a kernel that takes no keys now; worth asking before anybody types a passphrase.

    Raises:
        KernelError: EPERM: it is the kdump kernel; ENOENT: it has no interface; EINVAL: reuse is set, or an
            item of another program's has no description.
    """
    kernel.check_allowed()
    before = kernel.status()
    if before.stage is not Stage.FIRST:
        raise kernel_error(errno.EPERM, "this is the kdump kernel")
    if before.interface is None:
        raise kernel_error(errno.ENOENT, f"this kernel takes no keys: {'; '.join(before.warnings)}")
    if before.reuse:
        raise kernel_error(
            errno.EINVAL, "reuse is set, the keyring would not be asked; kdump reuse off first"
        )
    return before


def _forget_leftovers(kernel: Kernel) -> None:
    """Remove the items that an arming that was killed has left."""
    for key in kernel.status().named:
        if is_ours(key.item):
            kernel.forget(key.item)


def _check_names(wanted: Sequence[KeyToArm]) -> None:
    if not wanted:
        raise kernel_error(errno.EINVAL, "no key is to be handed over")
    if len({each.description for each in wanted}) != len(wanted):
        raise kernel_error(errno.EINVAL, "two keys have the same name")
    for each in wanted:
        # A longer description is cut, and the key then never found; a logon key has a prefix.
        if len(each.description.encode()) >= LONGEST_DESCRIPTION or ":" not in each.description[1:]:
            raise kernel_error(errno.EINVAL, f"no load would find a key by the name {each.description!r}")
        if each.key is not None and len(each.key) > LONGEST_KEY:
            raise kernel_error(errno.EINVAL, f"the key {each.description} is longer than {LONGEST_KEY} bytes")


def _others(kernel: Kernel, ours: set[str]) -> list[str]:
    """The keys that other programs named, which go into the image too; items with our names are replaced."""
    others = []
    for key in kernel.status().named:
        if key.description is None:
            raise kernel_error(
                errno.EINVAL, f"the item {key.item} has no description; kdump forget {key.item} first"
            )
        if key.description in ours:
            kernel.forget(key.item)
        else:
            others.append(key.description)
    return others


def _timeout(keys: Keys, each: KeyToArm, timeout_s: int | None) -> int | None:
    """When a key is to expire; None: its timeout stays as it is."""
    if timeout_s is None and each.key is None:
        return None
    return timeout_of(keys, each.description, timeout_s)


@contextmanager
def _put(keys: Keys, wanted: Sequence[KeyToArm], timeouts: dict[str, int | None]) -> Iterator[None]:
    """Put the keys into the keyring; if anything fails, take out again those that were not there before."""
    added = []
    try:
        for each in wanted:
            if each.key is not None:
                if keys.errno_of(each.description):
                    added.append(each.description)
                keys.put(each.description, each.key, timeouts[each.description] or 0)
        yield
    except BaseException:
        for description in added:
            keys.drop(description)
        raise


def _expire(keys: Keys, timeouts: dict[str, int | None]) -> list[str]:
    """Start the timeouts again from now on; the warnings, because a failure does not undo the load."""
    wrong = []
    for description, seconds in timeouts.items():
        if seconds is not None:
            try:
                keys.expire(description, seconds)
            except KeyringError as error:
                wrong.append(f"the image is loaded, but when {description} expires cannot be set: {error}")
    return wrong


def _load(kernel: Kernel, wanted: Sequence[KeyToArm], image: CrashImage, others: Sequence[str]) -> Loaded:
    for each in wanted:
        kernel.name(each.description, item_for(each.description))
    names = sorted([*others, *(each.description for each in wanted)])
    status = kernel.status()
    named = sorted(key.description or "" for key in status.named)
    if named != names or status.count != len(names) or status.reuse:
        raise kernel_error(errno.EAGAIN, "another program changed what is named; nothing was loaded")
    loaded = kernel.load(image, [each.origin for each in wanted if each.origin])
    if loaded.keys is None:
        raise KernelError(f"{'; '.join(loaded.warnings)}: an image is loaded, arm again", errno.EAGAIN)
    return loaded
