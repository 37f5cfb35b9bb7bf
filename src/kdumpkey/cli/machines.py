"""The simulated machine that a command line is about."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kdumpkey.cli.key_source import MachineChoice
    from kdumpkey.cli.session import Session
    from kdumpkey.kernel.linux.kernel import LinuxKernel
    from kdumpkey.kernel.simulated.machine import Machine

VARIABLE: Final = "KDUMPKEY_MACHINE"
_SESSION: Final = "KDUMPKEY_SESSION"
_TMPFS: Final = "/dev/shm"  # noqa: S108 (the machine's directory in it is checked to be the user's alone)


def machine_path(session: Session, choice: MachineChoice) -> Path:
    """Where the machine is: what --machine says, else $KDUMPKEY_MACHINE, else a place in the tmpfs."""
    named = choice.folder or session.streams.environment.get(VARIABLE)
    return Path(named) if named else Path(_TMPFS) / f"kdumpkey-machine-{os.geteuid()}"


def names_machine(session: Session, choice: MachineChoice) -> bool:
    """Whether a simulated machine was asked for, so that its keyrings serve instead of this system's."""
    return bool(choice.folder or session.streams.environment.get(VARIABLE))


def linux_kernel(
    session: Session, choice: MachineChoice, *, mount_configfs: bool = False
) -> LinuxKernel | None:
    """This system's own kernel, where no simulated machine was named and it hands keys over; else None."""
    return choose(session, choice, mount_configfs=mount_configfs)[0]


def choose(
    session: Session, choice: MachineChoice, *, mount_configfs: bool = False
) -> tuple[LinuxKernel | None, str]:
    """Which kernel a command is about, and why: a simulated machine's (None), or this system's own.

    A machine that was named goes first, then this kernel if it has the interface, then the simulated machine
    in its usual place. Where there is none of them, it is this kernel that is looked at.
    """
    if names_machine(session, choice):
        how = "--machine" if choice.folder else f"${VARIABLE}"
        return None, f"{how} names it"
    from kdumpkey.cli.linux_machine import this_kernel  # noqa: PLC0415 - a simulated machine needs none
    from kdumpkey.kernel.linux.kernel import INTERFACE  # noqa: PLC0415

    kernel = this_kernel(mount_configfs=mount_configfs)
    if kernel.interface is not None:
        return kernel, "no simulated machine was named, and this kernel has the interface"
    return None, f"no machine was named, and this kernel has no /{INTERFACE}"


@contextmanager
def open_machine(session: Session, choice: MachineChoice) -> Iterator[Machine]:
    """Open the machine for this call.

    Raises:
        DeviceError: There is none.
        PermissionDeniedError: It is not this user's alone.
    """
    from kdumpkey.kernel.simulated.machine import LOGIN, opened  # noqa: PLC0415 - the kdump kernel's time is short

    caller = choice.session or session.streams.environment.get(_SESSION) or LOGIN
    with opened(machine_path(session, choice), session=caller) as machine:
        yield machine
