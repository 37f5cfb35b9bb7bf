"""Device-mapper through its own program, dmsetup, which also waits for udev or makes the nodes itself.

The table goes in by standard input; of a key it has the name in a keyring, so no key is in an argument, in
the environment or in a file. Source: dmsetup(8).
"""

from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kdumpkey.errors import BusyError, DeviceMapperError, InactiveError, MappingError

DIRECTORY: Final = "/dev/mapper"
LONGEST_NAME: Final = 127  # bytes: the kernel has 128, with the zero at the end
_CONTROL: Final = Path(DIRECTORY) / "control"
_MISC_DEVICES: Final = Path("/proc/misc")
_ALSO_LOOK_IN: Final = ("/usr/sbin", "/sbin")
_NODES: Final = ("--verifyudev",)  # in an initramfs without udev, dmsetup makes the nodes only if asked so
_ABSENT: Final = ("does not exist", "not found", "No such device or address")
_TAKEN: Final = ("busy", "exists")


@dataclass(frozen=True)
class Info:
    """What device-mapper tells of a mapping; `live` is whether a table is loaded, `number` major:minor."""

    uuid: str
    open_count: int
    live: bool
    suspended: bool
    readonly: bool
    number: str


class DeviceMapper:
    """Device-mapper on this machine.

    Args:
        program: The path of dmsetup.
    """

    def __init__(self, program: str) -> None:
        self.program = program

    @classmethod
    def find(cls, search_path: str | None = None) -> DeviceMapper:
        """Find the program, and check that the kernel has device-mapper.

        Args:
            search_path: As $PATH; /usr/sbin and /sbin are looked at after it.

        Raises:
            DeviceMapperError: This is not root, or device-mapper or dmsetup is missing.
        """
        if not running_as_root():
            raise DeviceMapperError("Cannot initialize device-mapper, running as non-root user.")
        if not _kernel_has_it():
            raise DeviceMapperError("Cannot initialize device-mapper. Is dm_mod kernel module loaded?")
        folders = [*filter(None, (search_path or os.defpath).split(os.pathsep)), *_ALSO_LOOK_IN]
        for program in (os.path.join(folder, "dmsetup") for folder in folders):
            if os.path.isfile(program) and os.access(program, os.X_OK):
                return cls(program)
        raise DeviceMapperError("Cannot initialize device-mapper: there is no program dmsetup.")

    def create(self, name: str, uuid: str, table: str, *, readonly: bool = False) -> None:
        """Make a mapping, whole or not at all.

        Args:
            name: Its name.
            uuid: Device-mapper's own, which tells other programs what it is.
            table: `CryptTarget.to_text`.
            readonly: Refuse writes to it.

        Raises:
            BusyError: The name or the device beneath is in use.
            MappingError: The kernel refuses the table, or there is no such key.
        """
        words = ["create", *_NODES, "--uuid", uuid, *(["--readonly"] if readonly else []), "--", name]
        done = self._run(words, table + "\n")
        if done.returncode == 0:
            return
        if any(word in done.stderr for word in _TAKEN):
            raise BusyError(_why(done))
        # dmsetup undoes what it began; if it could not, or was killed, this does.
        left = self.info(name)
        if left is not None and left.uuid == uuid and not left.live:
            self._run(["remove", *_NODES, "--", name])
        raise MappingError(_why(done))

    def remove(self, name: str, *, deferred: bool = False) -> None:
        """Take a mapping away; `deferred`: as soon as nobody uses it any more.

        Raises:
            MappingError: The kernel refuses.
        """
        words = ["remove", "--deferred"] if deferred else ["remove", "--retry"]
        self._must([*words, *_NODES, "--", name])

    def cancel_deferred(self, name: str) -> None:
        """Cancel the deferred removal of a mapping.

        Raises:
            MappingError: The kernel refuses.
        """
        self._must(["message", "--", name, "0", "@cancel_deferred_remove"])

    def info(self, name: str) -> Info | None:
        """What there is under a name; None: nothing.

        Raises:
            MappingError: It cannot be told.
        """
        fields = "uuid,open,attr,major,minor"
        done = self._run(["info", "-c", "--noheadings", "--separator", "|", "-o", fields, "--", name])
        if done.returncode != 0:
            if any(text in done.stderr for text in _ABSENT):
                return None
            raise MappingError(_why(done))
        words = done.stdout.strip("\n").rsplit("|", 4)
        if len(words) != 5 or not words[1].strip().isdecimal():
            raise MappingError(f"dmsetup says of {name} what cannot be understood: {done.stdout!r}")
        uuid, count, attributes, major, minor = (word.strip() for word in words)
        return Info(
            uuid,
            int(count),
            attributes.startswith("L"),
            attributes[2:3] == "s",
            attributes.endswith("r"),
            f"{major}:{minor}",
        )

    def table(self, name: str) -> str:
        """A mapping's table, keys in it as zeros.

        Raises:
            InactiveError: There is no mapping of this name.
            MappingError: It cannot be told.
        """
        done = self._run(["table", "--", name])
        if done.returncode != 0:
            kind = InactiveError if any(text in done.stderr for text in _ABSENT) else MappingError
            raise kind(_why(done))
        return done.stdout

    def _must(self, words: list[str]) -> None:
        done = self._run(words)
        if done.returncode != 0:
            raise MappingError(_why(done))

    def _run(self, words: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self.program, *words],
                input=given,
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",
                env={"LC_ALL": "C", "PATH": os.defpath},
                check=False,
                process_group=0,  # Ctrl-C must not interrupt it halfway
            )
        except OSError as error:
            raise DeviceMapperError(f"{self.program} does not run: {error.strerror}") from error


def check_name(name: str) -> None:
    """Refuse a name that no mapping can have.

    Raises:
        MappingError: It is empty, too long, or a path.
    """
    if "/" in name:
        raise MappingError(f'Name "{name}" invalid. It contains "/".')
    if len(os.fsencode(name)) > LONGEST_NAME:
        refusal = f"Cannot use device {name}, name is invalid or still in use."
        raise MappingError(f'Name "{name}" too long.\n{refusal}')
    if name in ("", ".", "..", "control") or "\0" in name:
        raise MappingError(f"Cannot use device {name}, name is invalid or still in use.")


def running_as_root() -> bool:
    """Whether this process may use device-mapper at all."""
    return os.geteuid() == 0


def _kernel_has_it() -> bool:
    """Opening the control node also makes the kernel load its module."""
    try:
        os.close(os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        if error.errno != errno.ENOENT:
            return False
        try:  # dmsetup makes the node where it is missing
            return "device-mapper" in _MISC_DEVICES.read_text().split()
        except OSError:
            return False
    return True


def _why(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip() not in ("", "Command failed.")]
    return "\n".join(lines) or f"dmsetup ended with {done.returncode} and no word"
