"""The files of a simulated kernel's interface, as configfs shows them, with the errno of each read and write.

The commands use `SimulatedKernel` itself; this serves to compare it with a real kernel, file by file.
Source: what Linux was seen to do (tests/parity).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import kernel_error
from kdumpkey.host.configfs import NO_DESCRIPTION
from kdumpkey.kernel.protocol import Stage

if TYPE_CHECKING:
    from kdumpkey.kernel.simulated.kernel import SimulatedKernel

_NO_DESCRIPTION: Final = NO_DESCRIPTION[-1]
_TRUE: Final = ("y", "Y", "t", "T", "1")
_FALSE: Final = ("n", "N", "f", "F", "0")


@dataclass(frozen=True)
class SimulatedConfigfs:
    """The directory crash_dm_crypt_keys of a simulated kernel."""

    kernel: SimulatedKernel

    def mkdir(self, item: str) -> None:
        """Make an item.

        Raises:
            KernelError: EPERM, EEXIST, EINVAL.
        """
        self.kernel.make_item(item)

    def rmdir(self, item: str) -> None:
        """Remove an item.

        Raises:
            KernelError: EPERM, ENOENT.
        """
        self.kernel.forget(item)

    def read(self, path: str) -> str:
        """What a file says, without the newline at its end.

        Args:
            path: Within the directory: ``count``, ``reuse``, ``restore``, ``<item>/description``.

        Raises:
            KernelError: ENOENT: the other kernel has it, or none.
        """
        state = self.kernel.state
        item, _, attribute = path.rpartition("/")
        if state.stage is Stage.KDUMP:
            if path == "restore":
                return "1" if state.restored else "0"
            raise _absent(path)
        named = next((named for named in state.items if named.item == item), None)
        if named is not None and attribute == "description":
            return _NO_DESCRIPTION if named.description is None else named.description
        if path == "count":
            return str(len(state.items))
        if path == "reuse":
            return "1" if state.reuse else "0"
        raise _absent(path)

    def write(self, path: str, text: str) -> None:
        """Write a file, in one write.

        Raises:
            KernelError: EINVAL: not this value, or not now; EACCES: it can only be read; ENOENT.
        """
        self.read(path)
        item, _, attribute = path.rpartition("/")
        match attribute:
            case "description":
                self.kernel.describe(item, text)
            case "reuse":
                image = self.kernel.state.image
                value = parse_boolean(text) if image is not None and image.keys else None
                if value is None:
                    raise kernel_error(errno.EINVAL, "no image with keys is loaded, or it is not a boolean")
                self.kernel.reuse(value)
            case "restore":
                self._restore(text)
            case _:
                raise kernel_error(errno.EACCES, f"{path} can only be read")

    def _restore(self, text: str) -> None:
        state = self.kernel.state
        # Linux restores before it looks at what was written.
        if not state.restored:
            self.kernel.restore()
        value = parse_boolean(text)
        state.restored = bool(value)
        self.kernel.checkpoint()
        if value is None:
            raise kernel_error(errno.EINVAL, "restore takes a boolean")


def parse_boolean(text: str) -> bool | None:
    """A boolean as the kernel reads one, by its first letters; None: it is not one. Source: kstrtobool."""
    if text.startswith(_TRUE) or text[:2].lower() == "on":
        return True
    return False if text.startswith(_FALSE) or text[:2].lower() == "of" else None


def _absent(path: str) -> Exception:
    return kernel_error(errno.ENOENT, f"there is no {path}")
