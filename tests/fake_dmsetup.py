"""A dmsetup that keeps its mappings in a folder, and writes down all that it was given.

It runs as a program of its own, so that what reaches it is what would reach the real one; it looks for the
key as dm-crypt would, in the keyrings of whoever loads the table.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kdumpkey import keyring
from kdumpkey.errors import KeyringError
from kdumpkey.keyring import SpecialKeyring
from kdumpkey.mapping.dmsetup import DeviceMapper
from tools import unavailable

_PROGRAM = """#!{python}
import json, os, signal, sys
from pathlib import Path

home = Path({home!r})
words = [word for word in sys.argv[1:] if word != "--"]
given = sys.stdin.read()
seen = {{"argv": sys.argv, "stdin": given, "environ": dict(os.environ)}}
command = words[0]
name = words[1] if command == "message" else words[-1]
path = home / ("mapping " + name)
mode = (home / "mode").read_text()


def absent(text):
    if not path.exists():
        sys.exit(text + "\\nCommand failed.")


if command == "create":
    if path.exists():
        sys.exit("device-mapper: create ioctl on x failed: Device or resource busy\\nCommand failed.")
    key = given.split()[4].split(":", 3)
    from kdumpkey.keyring import describe_key, request_key

    seen["key"] = describe_key(request_key(key[2], key[3])).description
    uuid = words[words.index("--uuid") + 1]
    attributes = "L--r" if "--readonly" in words else "L--w"
    if mode in ("fails", "fails by half", "dies by half"):
        if mode != "fails":
            path.write_text(json.dumps([uuid, 0, "---w", ""]))
        (home / "log").open("a").write(json.dumps(seen) + "\\n")
        if mode == "dies by half":
            os.kill(os.getpid(), signal.SIGKILL)
        sys.exit("device-mapper: reload ioctl on x failed: Invalid argument\\nCommand failed.")
    path.write_text(json.dumps([uuid, 0, attributes, given]))
elif command == "remove":
    absent("device-mapper: remove ioctl on x failed: No such device or address")
    if json.loads(path.read_text())[1] == 0 or "--deferred" not in words:
        path.unlink()
elif command == "info":
    absent("Device does not exist.")
    uuid, opened, attributes, _ = json.loads(path.read_text())
    print(uuid, opened, attributes, 253, 0, sep="|")
elif command == "table":
    absent("device-mapper: table ioctl on x failed: No such device or address")
    print(json.loads(path.read_text())[3], end="")
elif command == "message":
    absent("device-mapper: message ioctl on x failed: No such device or address")
(home / "log").open("a").write(json.dumps(seen) + "\\n")
"""


@dataclass(frozen=True)
class FakeDmsetup:
    """The program, its mappings and its log."""

    home: Path

    @classmethod
    def made(cls, home: Path) -> FakeDmsetup:
        program = home / "dmsetup"
        program.write_text(_PROGRAM.format(python=sys.executable, home=str(home)))
        program.chmod(0o755)
        fake = cls(home)
        fake.behave("")
        return fake

    @property
    def mapper(self) -> DeviceMapper:
        return DeviceMapper(str(self.home / "dmsetup"))

    @property
    def log(self) -> list[dict[str, Any]]:
        """What each call was given, and what key it found."""
        path = self.home / "log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def names(self) -> list[str]:
        return sorted(path.name.removeprefix("mapping ") for path in self.home.glob("mapping *"))

    def behave(self, mode: str) -> None:
        """How `create` ends from here on: "fails", "fails by half", "dies by half"; empty: well."""
        (self.home / "mode").write_text(mode)

    def put(self, name: str, uuid: str, opened: int, attributes: str, table: str) -> None:
        """A mapping that somebody else made."""
        (self.home / f"mapping {name}").write_text(json.dumps([uuid, opened, attributes, table]))


def where_every_file_is_a_device(home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDmsetup:
    """A dmsetup for which every file is block device 8:1, because only root has real ones."""
    try:
        keyring.keyring_id(SpecialKeyring.PROCESS, create=True)
    except KeyringError as error:
        unavailable(f"the kernel's keyrings cannot be used here: {error}")

    @contextmanager
    def block_device(*_: object, **__: object) -> Iterator[int]:
        yield 0

    monkeypatch.setattr("kdumpkey.luks.activation._block_device", block_device)
    monkeypatch.setattr("kdumpkey.luks.activation.device_number", lambda _: "8:1")
    monkeypatch.setattr("kdumpkey.luks.activation.is_readonly", lambda _: False)
    return FakeDmsetup.made(home)
