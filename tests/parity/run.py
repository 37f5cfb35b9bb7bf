"""Run the steps on a kernel: ``run.py linux LIFE STAGE``, as root, where there is the interface.

LIFE is one of the table's, STAGE is first or kdump; in the first, PARITY_KERNEL, PARITY_INITRD and
PARITY_COMMAND_LINE say what to load. Each step is a line: ``PARITY <step> <expected> <got>``. The crash
between the two stages is the caller's. kdumpkey and Python's own library are enough, so it runs in the lab.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from kdumpkey import keyring
from kdumpkey.errors import KernelError, KeyringError
from kdumpkey.kernel.protocol import CrashImage
from kdumpkey.keyring import Permission, SpecialKeyring
from parity.steps import LIVES, Step

INTERFACE = Path("/sys/kernel/config/crash_dm_crypt_keys")
_SETTLED_S = 1.2


class Backend(Protocol):
    """A kernel; each call returns what was read, or nothing, and raises with an errno."""

    def mkdir(self, item: str) -> str | None: ...
    def rmdir(self, item: str) -> str | None: ...
    def read(self, path: str) -> str | None: ...
    def write(self, path: str, text: str) -> str | None: ...
    def load(self) -> str | None: ...
    def unload(self) -> str | None: ...
    def loaded(self) -> str | None: ...
    def add(self, kind: str, description: str, nbytes: str) -> str | None: ...
    def drop(self, kind: str, description: str) -> str | None: ...
    def revoke(self, description: str) -> str | None: ...
    def expire(self, description: str) -> str | None: ...
    def forbid(self, description: str) -> str | None: ...
    def lonely(self) -> str | None: ...
    def reunite(self) -> str | None: ...
    def keys(self) -> str | None: ...


class LinuxBackend:
    """This kernel, by its own calls: nothing of kdumpkey's own caution is in between."""

    def mkdir(self, item: str) -> None:
        (INTERFACE / item).mkdir()

    def rmdir(self, item: str) -> None:
        (INTERFACE / item).rmdir()

    def read(self, path: str) -> str:
        return (INTERFACE / path).read_text().removesuffix("\n")

    def write(self, path: str, text: str) -> None:
        file = os.open(INTERFACE / path, os.O_WRONLY)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)

    def load(self) -> None:
        from kdumpkey.kernel.linux.kexec import load_crash_image

        words = [os.environ[f"PARITY_{name}"] for name in ("KERNEL", "INITRD", "COMMAND_LINE")]
        load_crash_image(CrashImage(Path(words[0]), Path(words[1]), words[2]))

    def unload(self) -> None:
        from kdumpkey.kernel.linux.kexec import unload_crash_image

        unload_crash_image()

    def loaded(self) -> str:
        return Path("/sys/kernel/kexec_crash_loaded").read_text().strip()

    def add(self, kind: str, description: str, nbytes: str) -> None:
        keyring.add_key(kind, description, bytes(int(nbytes)), SpecialKeyring.USER)

    def drop(self, kind: str, description: str) -> None:
        keyring.unlink_key(self._find(kind, description), SpecialKeyring.USER)

    def revoke(self, description: str) -> None:
        keyring.revoke_key(self._find("logon", description))

    def expire(self, description: str) -> None:
        keyring.set_timeout(self._find("logon", description), 1)
        time.sleep(_SETTLED_S)

    def forbid(self, description: str) -> None:
        keyring.set_permissions(self._find("logon", description), Permission.VIEW, Permission.VIEW)

    def lonely(self) -> None:
        keyring.join_session()

    def reunite(self) -> None:
        keyring.link_key(SpecialKeyring.USER, SpecialKeyring.SESSION)

    def keys(self) -> str:
        found = []
        for serial in keyring.keys_of(SpecialKeyring.USER):
            key = keyring.describe_key(serial)
            nbytes = "?"
            if key.type == "user":
                with keyring.read_key(serial) as payload:
                    nbytes = str(len(payload))
            found.append(f"{key.type}:{key.description}:{nbytes}")
        return " ".join(found) or "none"

    def _find(self, kind: str, description: str) -> int:
        for serial in keyring.keys_of(SpecialKeyring.USER):
            key = keyring.describe_key(serial)
            if (key.type, key.description) == (kind, description):
                return serial
        raise KeyringError(description, errno.ENOKEY)


def outcome(backend: Backend, step: Step) -> str:
    """What a step comes to."""
    try:
        found = getattr(backend, step.call)(*step.arguments)
    except (OSError, KernelError, KeyringError) as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok" if found is None else str(found)


def outcomes(backend: Backend, steps: Iterable[Step]) -> list[tuple[Step, str]]:
    """What each of the steps comes to."""
    return [(step, outcome(backend, step)) for step in steps]


def main(backend: str, life: str, stage: str) -> int:
    """Run a stage of a life; how many steps came to something else."""
    if backend != "linux":
        raise SystemExit("the simulated machine is run by pytest: tests/parity")
    different = 0
    if stage == "first":
        keyring.link_key(SpecialKeyring.USER, SpecialKeyring.SESSION)
    for step in getattr(LIVES[life], stage):
        got = outcome(LinuxBackend(), step)
        different += got != step.expected
        shown = [word.replace(" ", "_") for word in (step.expected, got)]
        print("PARITY", step, *shown, "" if got == step.expected else "DIFFERENT", flush=True)
    return different


if __name__ == "__main__":
    raise SystemExit(min(main(*sys.argv[1:]), 1))
