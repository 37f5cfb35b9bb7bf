"""A machine of QEMU's that boots the lab's kernel and crashes; emulated, so that no KVM is needed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 300


@dataclass(frozen=True)
class Machine:
    """What to boot.

    Attributes:
        kernel: A bzImage.
        initramfs: What both kernels start.
        disks: Image files, in the order of the guest's /dev/vda, vdb, …, and whether the guest may write.
        memory_mib: Of the whole machine.
        reserved: What is set aside for the kdump kernel, as `crashkernel=` takes it.
    """

    kernel: Path
    initramfs: Path
    disks: Sequence[tuple[Path, bool]]
    memory_mib: int
    reserved: str

    def run(self) -> str:
        """Boot it, until it is off; what the console said."""
        words = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max"]
        words += ["-m", str(self.memory_mib), "-smp", "2", "-display", "none", "-serial", "stdio"]
        words += ["-monitor", "none", "-no-reboot", "-nic", "none", "-device", "virtio-rng-pci"]
        words += ["-kernel", str(self.kernel), "-initrd", str(self.initramfs)]
        for path, writable in self.disks:
            words += ["-drive", f"file={path},format=raw,if=virtio,readonly={'off' if writable else 'on'}"]
        words += [
            "-append",
            f"console=ttyS0 loglevel=4 nokaslr panic=10 rootfstype=ramfs crashkernel={self.reserved}",
        ]
        try:
            output = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=LIMIT_S,
                check=False,
            ).stdout
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"") + f"\nLAB NOT OK: no end after {LIMIT_S} s\n".encode()
        return output.decode("utf-8", "replace").replace("\r", "")
