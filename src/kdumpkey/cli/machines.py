"""The kernel that a command line is about: this machine's own, or a simulated machine's."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import kernel_error
from kdumpkey.host.configfs import DIRECTORY, NAME

if TYPE_CHECKING:
    from kdumpkey.cli.key_source import MachineChoice
    from kdumpkey.cli.session import Session
    from kdumpkey.kernel.linux.kernel import LinuxKernel
    from kdumpkey.kernel.protocol import Kernel
    from kdumpkey.kernel.simulated.machine import Machine

VARIABLE: Final = "KDUMPKEY_MACHINE"
_SESSION: Final = "KDUMPKEY_SESSION"
_TMPFS: Final = "/dev/shm"  # noqa: S108 (the machine's directory in it is checked to be the user's alone)


def machine_path(session: Session, choice: MachineChoice) -> Path:
    """Where the simulated machine is: --machine, else $KDUMPKEY_MACHINE, else a directory in the tmpfs."""
    named = choice.folder or session.streams.environment.get(VARIABLE)
    return Path(named) if named else Path(_TMPFS) / f"kdumpkey-machine-{os.geteuid()}"


def names_machine(session: Session, choice: MachineChoice) -> bool:
    """Whether a simulated machine was named, so that its keyrings serve instead of this system's."""
    return bool(choice.folder or session.streams.environment.get(VARIABLE))


@contextmanager
def open_kernel(session: Session, choice: MachineChoice, *, mount_configfs: bool = False) -> Iterator[Kernel]:
    """The kernel that a command acts on, for this call; see `choose_kernel`."""
    with choose_kernel(session, choice, mount_configfs=mount_configfs) as (kernel, _):
        yield kernel


@contextmanager
def choose_kernel(
    session: Session, choice: MachineChoice, *, mount_configfs: bool = False, to_look: bool = False
) -> Iterator[tuple[Kernel, str]]:
    """The kernel that a command is about, and why: the only place that tells the two backends apart.

    A machine that was named comes first, then this kernel if it has the interface, then the simulated machine
    in its usual place.

    Args:
        session: The run.
        choice: What the options name.
        mount_configfs: Mount configfs if this kernel may need it.
        to_look: Choose this kernel if there is no simulated machine either.

    Raises:
        DeviceError: There is no machine.
        PermissionDeniedError: The machine's directory is not this user's alone.
        KernelError: configfs cannot be mounted.
    """
    if names_machine(session, choice):
        how = "--machine" if choice.folder else f"${VARIABLE}"
        with open_machine(session, choice) as machine:
            yield machine.kernel, f"{how} names it"
        return
    linux = this_kernel(mount_configfs=mount_configfs)
    if linux.interface is not None:
        yield linux, "no simulated machine was named, and this kernel has the interface"
        return
    why = f"no machine was named, and this kernel has no /{DIRECTORY}"
    if to_look and not machine_path(session, choice).exists():
        yield linux, why
        return
    with open_machine(session, choice) as machine:
        yield machine.kernel, why


def this_kernel(*, mount_configfs: bool = False) -> LinuxKernel:
    """This machine's own kernel, with configfs mounted if that was asked for.

    Raises:
        KernelError: configfs cannot be mounted.
    """
    # A simulated machine needs neither module, and most commands no configfs.
    from kdumpkey.kernel.linux import kernel as linux  # noqa: PLC0415

    kernel = linux.LinuxKernel()
    if mount_configfs:
        from kdumpkey.kernel.linux import configfs  # noqa: PLC0415

        configfs.mount_configfs(kernel.root)
        if kernel.interface is None:
            raise kernel_error(
                errno.ENOENT,
                f"configfs is mounted, and has no {NAME}: this kernel was built without "
                "CONFIG_CRASH_DM_CRYPT",
            )
    return kernel


@contextmanager
def open_machine(session: Session, choice: MachineChoice) -> Iterator[Machine]:
    """Open the simulated machine for this call.

    Raises:
        DeviceError: There is no machine.
        PermissionDeniedError: Its directory is not this user's alone.
    """
    # Linux's own kernel, and a kdump kernel whose memory is short, need no simulator.
    from kdumpkey.kernel.simulated.machine import LOGIN, opened  # noqa: PLC0415

    caller = choice.session or session.streams.environment.get(_SESSION) or LOGIN
    with opened(machine_path(session, choice), session=caller) as machine:
        yield machine
