"""device-mapper by way of dmsetup, which is wherever LUKS is. Tables go through its standard input."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kdumpkey.errors import BusyError, InactiveError, MappingError
from kdumpkey.mapping.table import CryptTarget

FOLDER: Final = "/dev/mapper"
_PLACES: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_LONGEST_NAME: Final = 127
_MISSING: Final = re.compile(r"does ?n[o']t exist|not found", re.IGNORECASE)
_BUSY: Final = re.compile(r"busy|in use|already exists", re.IGNORECASE)


@dataclass(frozen=True)
class Mapping:
    """An active mapping.

    Attributes:
        name: Its name.
        uuid: The name that device-mapper keeps beside it, ``CRYPT-LUKS2-…``; empty where there is none.
        target: Its dm-crypt target; None: it is something else.
        holders: How often it is open.
        readonly: Whether it takes no writes.
        suspended: Whether it is held up.
    """

    name: str
    uuid: str
    target: CryptTarget | None
    holders: int
    readonly: bool
    suspended: bool

    @property
    def kind(self) -> str:
        """What cryptsetup noted when it was made: ``LUKS2``, ``PLAIN``, …; empty: it was not made so."""
        words = self.uuid.split("-")
        return words[1] if words[0] == "CRYPT" and len(words) > 2 else ""


class DeviceMapper:
    """The machine's device-mapper.

    Raises:
        MappingError: There is none that this user may use; the message is cryptsetup's.
    """

    def __init__(self, program: str | None = None) -> None:
        """Find dmsetup; `program` is another one's path."""
        found = program or shutil.which("dmsetup", path=_PLACES)
        if found is None:
            raise MappingError("Cannot initialize device-mapper: there is no dmsetup.")
        self._program = found
        if program is None:
            _check_kernel()

    def create(self, name: str, uuid: str, target: CryptTarget, *, readonly: bool = False) -> Path:
        """Make a mapping; the key is found in the keyrings that this process's session leads to.

        Args:
            name: Of the mapping.
            uuid: What device-mapper keeps beside the name.
            target: What it does.
            readonly: Take no writes.

        Returns:
            The path of the new device.

        Raises:
            BusyError: There is a mapping of that name or UUID.
            MappingError: device-mapper refuses.
        """
        _check_name(name)
        # Without udev nobody but dmsetup makes the node.
        words = ["create", name, "--verifyudev", "--uuid", uuid, *(["--readonly"] if readonly else [])]
        done = self._run(*words, table=target.to_line() + "\n")
        if done.returncode:
            if self.find(name) is not None:
                raise BusyError(f"Device {name} already exists.")
            if _BUSY.search(done.stderr):
                raise BusyError(f"Cannot use device {name} which is in use (already mapped or mounted).")
            raise MappingError(f"The mapping {name} cannot be made: {_last_line(done.stderr)}")
        return Path(FOLDER) / name

    def find(self, name: str) -> Mapping | None:
        """The active mapping of a name; None: there is none.

        Raises:
            MappingError: The name cannot be one, or dmsetup fails.
        """
        _check_name(name)
        columns = ("--columns", "--noheadings", "--separator", "\t", "-o", "uuid,open,attr")
        done = self._run("info", *columns, name)
        if done.returncode:
            if _MISSING.search(done.stderr):
                return None
            raise MappingError(f"Nothing can be learnt of {name}: {_last_line(done.stderr)}")
        uuid, holders, attributes = (done.stdout.rstrip("\n").split("\t") + [""] * 3)[:3]
        lines = self._run("table", name).stdout.splitlines()
        return Mapping(
            name,
            uuid,
            CryptTarget.parse(lines[0]) if len(lines) == 1 else None,
            int(holders) if holders.isdecimal() else 0,
            "r" in attributes,
            "s" in attributes,
        )

    def remove(self, name: str, *, deferred: bool = False) -> None:
        """Remove a mapping, or have it removed by its last user's leaving.

        Raises:
            InactiveError: There is none.
            BusyError: Somebody uses it.
            MappingError: device-mapper refuses.
        """
        found = self.find(name)
        if found is None:
            raise InactiveError(f"Device {name} is not active.")
        if found.holders and not deferred:
            raise BusyError(f"Device {name} is still in use.")
        # What looks into every new device, as udev does, holds it for moments.
        done = self._run("remove", "--verifyudev", "--deferred" if deferred else "--retry", name)
        if done.returncode:
            if _BUSY.search(done.stderr):
                raise BusyError(f"Device {name} is still in use.")
            raise MappingError(f"The mapping {name} cannot be removed: {_last_line(done.stderr)}")

    def cancel_deferred(self, name: str) -> None:
        """Take a deferred removal back.

        Raises:
            InactiveError: There is no such mapping.
            MappingError: device-mapper refuses.
        """
        if self.find(name) is None:
            raise InactiveError(f"Device {name} is not active.")
        done = self._run("message", name, "0", "@cancel_deferred_remove")
        if done.returncode:
            raise MappingError(f"Could not cancel deferred remove from device {name}.")

    def _run(self, *words: str, table: str | None = None) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self._program, *words],
                input="" if table is None else table,
                capture_output=True,
                text=True,
                errors="surrogateescape",
                env={"PATH": _PLACES, "LC_ALL": "C"},
                check=False,
            )
        except OSError as error:
            raise MappingError(f"{self._program} cannot be run: {error.strerror}.") from error


def _check_kernel() -> None:
    """Say why there is no device-mapper before anybody types a passphrase."""
    if os.geteuid() != 0:
        raise MappingError("Cannot initialize device-mapper, running as non-root user.")
    try:
        # The file may be there from the start; what it stands for is known once somebody opens it.
        os.close(os.open(f"{FOLDER}/control", os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        # Without udev, dmsetup makes it.
        drivers = Path("/proc/misc")
        there = drivers.exists() and "device-mapper" in drivers.read_text()
    except OSError:
        there = False
    else:
        there = True
    if not there:
        raise MappingError("Cannot initialize device-mapper. Is dm_mod kernel module loaded?")


def _check_name(name: str) -> None:
    if (
        not 0 < len(os.fsencode(name)) <= _LONGEST_NAME
        or "/" in name
        or name in (".", "..")
        or name[0] == "-"
    ):
        raise MappingError(f"{name!r} cannot be the name of a mapping.")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and line.strip() != "Command failed."]
    return lines[0].strip() if lines else "dmsetup says nothing."
