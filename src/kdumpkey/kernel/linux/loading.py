"""Loading a crash image on Linux so that as little as possible is lost: checked first, put back on failure.

A load that fails destroys the image that was loaded. The record says what that was, and its keys may still be
in the keyring.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from kdumpkey.errors import KernelError, kernel_error
from kdumpkey.kernel.items import is_ours, item_for
from kdumpkey.kernel.protocol import CrashImage, KernelStatus, Loaded, NamedKey
from kdumpkey.kernel.record import file_stamp

if TYPE_CHECKING:
    from kdumpkey.kernel.protocol import Keys
    from kdumpkey.kernel.record import KeyOrigin, LoadRecord

# Linux places the keys at random, which may leave no room for the kernel; another try may.
_DRAWS: Final = 8


class LoadingKernel(Protocol):
    """What loading needs of Linux's kernel: each call of it is one system call, or one file."""

    @property
    def keys(self) -> Keys:
        """The keyrings that its loads take keys from."""

    def check(self, image: CrashImage) -> None:
        """Refuse an image that no load would take."""

    def status(self) -> KernelStatus:
        """What can be seen of it."""

    def last_record(self) -> LoadRecord | None:
        """The record of the last load in this boot."""

    def name(self, description: str, item: str | None = None) -> NamedKey:
        """Name a key."""

    def forget(self, item: str) -> None:
        """Stop naming a key."""

    def load_once(self, image: CrashImage, origins: Sequence[KeyOrigin] = ()) -> Loaded:
        """Load an image once; if that fails, none is loaded any more."""


def check_reachable(keys: Keys, descriptions: Iterable[str]) -> None:
    """Refuse a load that would not find its keys, while the previous image is still loaded.

    Raises:
        KernelError: ENOKEY, EKEYREVOKED, EACCES: how the load would fail.
    """
    for name in descriptions:
        if number := keys.errno_of(name):
            raise kernel_error(
                number, f"a load by this process would not get the key {name}: {os.strerror(number)}"
            )


def load_or_put_back(kernel: LoadingKernel, image: CrashImage, origins: Sequence[KeyOrigin] = ()) -> Loaded:
    """Load a crash image with the named keys; if that fails, load the previous one again. To be called alone.

    Args:
        kernel: The first kernel.
        image: What to load.
        origins: Which devices the keys are of.

    Raises:
        KernelError: The load would fail, which was found before the loaded image was lost; or it failed, and
            the message says which image is loaded now.
    """
    kernel.check(image)
    status = kernel.status()
    named = [key.description for key in status.named if key.description is not None]
    if named and not status.reuse:
        check_reachable(kernel.keys, named)
    record = kernel.last_record() if status.loaded else None
    try:
        return _drawn(kernel, image, origins)
    except KernelError as error:
        now = _put_back(kernel, record, origins)
        raise kernel_error(error.errno, f"{error.reason}\n{now}") from error


def _drawn(kernel: LoadingKernel, image: CrashImage, origins: Sequence[KeyOrigin]) -> Loaded:
    for _ in range(_DRAWS - 1):
        try:
            return kernel.load_once(image, origins)
        except KernelError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
    return kernel.load_once(image, origins)


def _put_back(kernel: LoadingKernel, record: LoadRecord | None, origins: Sequence[KeyOrigin]) -> str:
    """Load the image of the record again; says in words what is loaded now.

    Its keys come from the keyring, where a new key may have replaced an old one: `origins` say which.
    """
    if kernel.status().loaded:
        return "The image that was loaded before still is."
    nothing = "No crash image is loaded now"
    if record is None or record.image is None:
        return f"{nothing}: a crash would leave no dump."
    keys = kernel.keys if record.descriptions else None
    lost = [name for name in record.descriptions if keys is not None and keys.errno_of(name)]
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


def _name_exactly(kernel: LoadingKernel, descriptions: Sequence[str]) -> None:
    """Name the keys of the previous image: add and remove items of ours, leave other programs' alone."""
    named = kernel.status().named
    for key in named:
        if is_ours(key.item) and key.description not in descriptions:
            kernel.forget(key.item)
    there = {key.description for key in named}
    for description in descriptions:
        if description not in there:
            kernel.name(description, item_for(description))
