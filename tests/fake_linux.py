"""A root whose files behave as configfs and the kernel's kexec do; no call reaches the kernel."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from kdumpkey.errors import kernel_error
from kdumpkey.kdump.kernel import CrashImage
from kdumpkey.kdump.linux import INTERFACE, LinuxKernel
from kdumpkey.kdump.record import RECORD

IMAGE = CrashImage(Path("/boot/vmlinuz"), None, "panic=10")


@dataclass
class FakeLinux:
    """A root with the interface in it; `refuse` is the errno of the next loads, `seen` what was loaded."""

    root: Path
    refuse: int = 0
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.put(f"{INTERFACE}/count", "0\n")
        self.put(f"{INTERFACE}/reuse", "0\n")
        self.put("sys/kernel/kexec_crash_loaded", "0\n")
        self.put("sys/kernel/kexec_crash_size", f"{256 << 20}\n")
        self.put("proc/sys/kernel/random/boot_id", "boot-1\n")
        (self.root / "run").mkdir()

    def put(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def make_item(self, path: Path) -> None:
        path.mkdir()
        (path / "description").write_text("")

    def load(self, image: CrashImage) -> None:
        loaded = self.root / "sys/kernel/kexec_crash_loaded"
        loaded.write_text("0\n")  # whatever was there is lost first
        assert not (self.root / RECORD).exists()
        if self.refuse:
            raise kernel_error(self.refuse, "no")
        loaded.write_text("1\n")
        self.seen.append(image.command_line)

    def unload(self) -> None:
        (self.root / "sys/kernel/kexec_crash_loaded").write_text("0\n")

    @property
    def kernel(self) -> LinuxKernel:
        return LinuxKernel(
            self.root,
            self.load,
            self.unload,
            self.make_item,
            shutil.rmtree,
            lambda: 1000.0,
        )
