"""Loading a crash image on this machine's own kernel, and putting the one before back where that fails.

A load that fails has destroyed the image that was loaded. What that was is in the record, and its keys may
still be in the keyring.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import KernelError, kernel_error
from kdumpkey.kernel.linux.kernel import file_stamp, item_of
from kdumpkey.kernel.protocol import CrashImage, Loaded

if TYPE_CHECKING:
    from kdumpkey.kdump.linux_keys import Keys
    from kdumpkey.kernel.linux.kernel import LinuxKernel
    from kdumpkey.kernel.linux.record import KeyOrigin, LoadRecord

# The place of the keys is drawn at random and may leave no room for the kernel; another draw may.
_DRAWS: Final = 8
_OURS: Final = "kdumpkey-"


def item_for(description: str) -> str:
    """The item by which arming names a key: known as its own, should it be killed before it cleans up."""
    return _OURS + item_of(description)


def forget_leftovers(kernel: LinuxKernel) -> None:
    """Remove the items that an arming that was killed has left; to be called alone.

    Raises:
        KernelError: One cannot be removed.
    """
    for key in kernel.status().named:
        if key.item.startswith(_OURS):
            kernel.forget(key.item)


def check_reachable(keys: Keys, descriptions: Iterable[str]) -> None:
    """Refuse a load that would not find its keys, while the image before is still there.

    Raises:
        KernelError: ENOKEY, EKEYREVOKED, EACCES: what the load would say of the first of them.
    """
    for name in descriptions:
        if number := keys.errno_of(name):
            raise kernel_error(
                number, f"a load by this process would not get the key {name}: {os.strerror(number)}"
            )


def load_named(kernel: LinuxKernel, keys: Keys, image: CrashImage) -> Loaded:
    """Load a crash image with the keys that are named, whoever named them; to be called alone.

    Args:
        kernel: The first kernel.
        keys: Where its load looks.
        image: What to load.

    Raises:
        KernelError: Something would fail, found before the loaded image was lost; or the load failed, and the
            message says which image is loaded now.
    """
    kernel.check(image)
    status = kernel.status()
    if not status.reuse:
        check_reachable(keys, [key.description for key in status.named if key.description is not None])
    return load_or_put_back(kernel, keys, image)


def load_or_put_back(
    kernel: LinuxKernel, keys: Keys, image: CrashImage, origins: Sequence[KeyOrigin] = ()
) -> Loaded:
    """Load a crash image with the keys that are named; where that fails, the one before.

    Args:
        kernel: The first kernel.
        keys: Where its load looks.
        image: What to load.
        origins: Which devices the keys are of.

    Raises:
        KernelError: Of the load; the message says what is loaded now.
    """
    record = kernel.last_record() if kernel.status().loaded else None
    try:
        return _drawn(kernel, image, origins)
    except KernelError as error:
        now = _put_back(kernel, keys, record, origins)
        raise kernel_error(error.errno, f"{error.reason}\n{now}") from error


def _drawn(kernel: LinuxKernel, image: CrashImage, origins: Sequence[KeyOrigin]) -> Loaded:
    for _ in range(_DRAWS - 1):
        try:
            return kernel.load(image, origins)
        except KernelError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
    return kernel.load(image, origins)


def _put_back(
    kernel: LinuxKernel, keys: Keys, record: LoadRecord | None, origins: Sequence[KeyOrigin]
) -> str:
    """Load what the record says; in words, what is loaded now.

    The keys are those of the keyring, where one of a name may have been put anew: `origins` say which.
    """
    if kernel.status().loaded:
        return "The image that was loaded before still is."
    nothing = "No crash image is loaded now"
    if record is None or record.image is None:
        return f"{nothing}: a crash would leave no dump."
    lost = [name for name in record.descriptions if keys.errno_of(name)]
    if lost:
        return f"{nothing}; the one before needs the key {lost[0]}, which is in no keyring any more."
    old = record.image
    image = CrashImage(Path(old.kernel), Path(old.initrd) if old.initrd else None, old.command_line)
    try:
        _name_exactly(kernel, record.descriptions)
        known = {each.description: each for each in (*record.origins, *origins)}
        loaded = _drawn(kernel, image, tuple(known.values()))
    except KernelError as error:
        return f"{nothing}; the one before cannot be loaded again either: {error}"
    count = len(loaded.keys or ())
    changed = (file_stamp(image.kernel), file_stamp(image.initrd)) != (old.kernel_stamp, old.initrd_stamp)
    whole = f"The image from before is loaded again, with its {count} key{'' if count == 1 else 's'}"
    return f"{whole}, though its files have changed since." if changed else f"{whole}."


def _name_exactly(kernel: LinuxKernel, descriptions: Sequence[str]) -> None:
    """Name what the image before held: ours are taken back or added, other programs' items stay."""
    named = kernel.status().named
    for key in named:
        if key.item.startswith(_OURS) and key.description not in descriptions:
            kernel.forget(key.item)
    there = {key.description for key in named}
    for description in descriptions:
        if description not in there:
            kernel.name(description, item_for(description))
