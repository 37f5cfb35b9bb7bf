"""A root whose files behave as configfs, kexec and the keyring of Linux 7.2.13 were seen to; nothing is real.

All of its state is in the root, and each call of the kernel is whole or not at all: a process that is killed
leaves what a real kernel would be left with.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kdumpkey.errors import kernel_error
from kdumpkey.kernel.linux.kernel import INTERFACE, LinuxKernel
from kdumpkey.kernel.protocol import CrashImage, Keys
from kdumpkey.kernel.record import RECORD
from kdumpkey.secret import SecretBuffer

IMAGE = CrashImage(Path("/boot/vmlinuz"), None, "panic=10")
_LOADED = "sys/kernel/kexec_crash_loaded"
_HELD = "held.json"
_TRUE, _FALSE = "1yYtT", "0nNfF"


@dataclass
class FakeKeys:
    """A keyring: one file for each key, which holds its timeout; `unreachable`: no load would find them."""

    folder: Path
    unreachable: frozenset[str] = frozenset()
    errnos: dict[str, int] = field(default_factory=dict)

    usual_timeout_s: int = 300

    def put(self, description: str, key: SecretBuffer, timeout_s: int) -> tuple[str, ...]:
        assert len(key) > 0
        self.add(description, timeout_s)
        return ()

    def read(self, _key_type: str, _description: str) -> SecretBuffer | None:
        """Nothing: there are logon keys only."""
        return None

    def add(self, description: str, timeout_s: int = 0) -> None:
        self.folder.mkdir(exist_ok=True)
        made = self.folder / ".new"
        made.write_text(str(timeout_s))
        made.replace(self._path(description))

    def stays(self, description: str) -> bool:
        return not self.errno_of(description) and self._path(description).read_text() == "0"

    def expire(self, description: str, timeout_s: int) -> None:
        self.add(description, timeout_s)

    def drop(self, description: str) -> None:
        self._path(description).unlink(missing_ok=True)

    def errno_of(self, description: str) -> int:
        """What request_key would say."""
        if description in self.errnos:
            return self.errnos[description]
        there = self._path(description).exists() and description not in self.unreachable
        return 0 if there else errno.ENOKEY

    @property
    def there(self) -> dict[str, int]:
        """The keys, with their timeouts."""
        names = sorted(self.folder.iterdir()) if self.folder.exists() else []
        return {bytes.fromhex(path.name).decode(): int(path.read_text()) for path in names}

    def _path(self, description: str) -> Path:
        return self.folder / description.encode().hex()


@dataclass
class FakeLinux:
    """A root with the interface in it; `refuse` are the errnos of the next loads, `seen` what was loaded."""

    root: Path
    refuse: list[int] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    keys: FakeKeys = field(init=False)
    make_keys: Callable[[], Keys] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = FakeKeys(self.root / "keyring")
        self.make_keys = lambda: self.keys
        if (self.root / INTERFACE).exists():
            return
        self.put(f"{INTERFACE}/count", "0\n")
        self.put(f"{INTERFACE}/reuse", "0\n")
        self.put(_LOADED, "0\n")
        self.put("sys/kernel/kexec_crash_size", f"{256 << 20}\n")
        self.put("proc/sys/kernel/random/boot_id", "boot-1\n")
        (self.root / "run").mkdir()

    def put(self, name: str, text: str) -> Path:
        """Write a file of the root, whole."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = self.root / ".new"
        made.write_text(text)
        made.replace(path)
        return path

    @property
    def held(self) -> list[str] | None:
        """What the loaded image really holds, which no kernel tells; None: nothing is loaded."""
        if (self.root / _LOADED).read_text() != "1\n":
            return None
        held: list[str] = json.loads((self.root / _HELD).read_text())
        return held

    @property
    def kernel(self) -> LinuxKernel:
        """The kernel that works on this root."""
        return LinuxKernel(
            self.root,
            self.load,
            self.unload,
            self.make_item,
            self.remove_item,
            self.write,
            lambda _image: None,
            lambda: 1000.0,
            self.make_keys,
        )

    def make_item(self, path: Path) -> None:
        """As mkdir(2) in configfs: with its attribute at once; the 130th is one too many."""
        if (self.root / INTERFACE / "restore").exists():
            raise _error(errno.EPERM)
        if path.exists():
            raise _error(errno.EEXIST)
        if len(self._items()) >= 129:
            raise _error(errno.EINVAL)
        made = self.root / "item.new"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        (made / "description").write_text("(null)\n")
        os.utime(made, ns=(0, len(self._items())))
        made.rename(path)
        self._count()

    def remove_item(self, path: Path) -> None:
        """As rmdir(2) in configfs: its attribute goes along."""
        if not path.is_dir():
            raise _error(errno.ENOENT)
        gone = self.root / "item.gone"
        shutil.rmtree(gone, ignore_errors=True)
        path.rename(gone)
        self._count()

    def write(self, path: Path, text: str) -> None:
        """As write(2) into an attribute."""
        if not path.exists():
            raise _error(errno.ENOENT)
        match path.name:
            case "description":
                text = text.partition("\n")[0]
                if not 0 < len(text.encode()) <= 128:
                    raise _error(errno.EINVAL)
                self._set(path, text)
            case "reuse":
                self._boolean(text)
                if not self.held:
                    raise _error(errno.EINVAL)
                self._set(path, text[0].translate(str.maketrans("yYtTnNfF", "11110000")))
            case "restore":
                # It restores before it reads what was written.
                self._set(path, "1")
                self._boolean(text)
            case "count":
                raise _error(errno.EACCES)
            case _:
                path.write_text(text)

    def load(self, image: CrashImage) -> None:
        """As kexec_file_load(2): whatever was there is lost first."""
        saved = self.held
        self.put(_LOADED, "0\n")
        assert not (self.root / RECORD).exists()
        if self.refuse and (number := self.refuse.pop(0)):
            raise kernel_error(number, "no")
        reuse = (self.root / INTERFACE / "reuse").read_text().startswith("1")
        names: list[str] = []
        for path in self._items():
            text = (path / "description").read_text().removesuffix("\n")
            text = text[:127]
            if text == "(null)":
                raise kernel_error(errno.EINVAL, "an item has no description")
            if not reuse and (number := self.keys.errno_of(text)):
                raise kernel_error(number, text)
            names.append(text)
        if reuse and names:
            names = (saved or [])[: len(names)]
        self.put(_HELD, json.dumps(names))
        self.put(_LOADED, "1\n")
        self.seen.append(image.command_line)

    def unload(self) -> None:
        """As kexec_file_load(2) with KEXEC_FILE_UNLOAD."""
        self.put(_LOADED, "0\n")

    def _items(self) -> list[Path]:
        """By the time of their making."""
        found = [path for path in (self.root / INTERFACE).iterdir() if path.is_dir()]
        return sorted(found, key=lambda path: path.stat().st_mtime_ns)

    def _count(self) -> None:
        self.put(f"{INTERFACE}/count", f"{len(self._items())}\n")

    def _set(self, path: Path, text: str) -> None:
        when = path.parent.stat().st_mtime_ns
        self.put(str(path.relative_to(self.root)), f"{text}\n")
        os.utime(path.parent, ns=(0, when))

    @staticmethod
    def _boolean(text: str) -> None:
        word = text.strip()
        if word[:1] not in _TRUE + _FALSE and word[:2].lower() not in ("on", "of"):
            raise _error(errno.EINVAL)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
