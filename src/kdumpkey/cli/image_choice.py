"""Which kdump kernel is loaded, as options say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kdumpkey.cli.options import CommandLine, InitrdFile, KernelFile
from kdumpkey.kernel.protocol import WantedImage


@dataclass(frozen=True)
class ImageChoice:
    """Which kdump kernel is loaded, and how."""

    kernel: KernelFile = None
    initrd: InitrdFile = None
    command_line: CommandLine = None

    @property
    def wanted(self) -> WantedImage:
        """What the options name, and leave to be found."""
        kernel, initrd = (Path(name) if name else None for name in (self.kernel, self.initrd))
        return WantedImage(kernel, initrd, self.command_line)
