"""Which kdump kernel is loaded, as options say."""

from __future__ import annotations

from dataclasses import dataclass

from kdumpkey.cli.options import CommandLine, InitrdFile, KernelFile


@dataclass(frozen=True)
class ImageChoice:
    """Which kdump kernel is loaded, and how."""

    kernel: KernelFile = None
    initrd: InitrdFile = None
    command_line: CommandLine = None
