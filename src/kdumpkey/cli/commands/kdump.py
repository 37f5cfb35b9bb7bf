"""kdump boot … destroy: the life of a simulated machine, one call at a time."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kdumpkey.cli import kdump_report as report
from kdumpkey.cli import linux_machine, linux_status
from kdumpkey.cli.machines import (
    choose,
    linux_kernel,
    machine_path,
    names_machine,
    open_machine,
    refuse_arguments,
)
from kdumpkey.errors import KernelError, UsageError, kernel_error
from kdumpkey.kernel.protocol import CrashImage, Stage
from kdumpkey.kernel.simulated import machine as machines
from kdumpkey.region.crashkernel import parse_crashkernel
from kdumpkey.region.model import Policy, sizes_of_files

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.kernel.simulated.machine import Machine

_BASE: Final = 0x2000_0000
_RAM: Final = 4 << 30
_COMMAND_LINE: Final = "panic=10"
_HINTS: Final = {
    errno.ENOKEY: "Is the key still there (kdump keyctl list @u), and can this session reach it? If its "
    "keyring has no link to @u: kdump keyctl link @u @s",
    errno.EKEYREVOKED: "Open the device again, so that the key is put into the keyring anew: kdump name",
    errno.EACCES: "The key's permissions do not let this process search for it: kdump keyctl list @u",
    errno.EADDRNOTAVAIL: "Load again, or reserve more: the keys' place is drawn before the kernel's.",
}


def boot(session: Session) -> None:
    """Make a machine."""
    refuse_arguments(session)
    options = session.invocation
    try:
        policy = Policy(options.text("policy") or Policy.UPSTREAM.value)
    except ValueError as error:
        known = ", ".join(known.value for known in Policy)
        raise UsageError(f"Option --policy can be only {known}.") from error
    ram = options.number("ram") or _RAM
    reservation = parse_crashkernel(options.text("crashkernel") or "256M", ram)
    usual = sizes_of_files(options.text("kernel"), options.text("initrd"))
    sizes = replace(
        usual,
        kernel=options.number("kernel-size") or usual.kernel,
        initrd=options.number("initrd-size") or usual.initrd,
    )
    base = _BASE if reservation.base is None else reservation.base
    config = machines.MachineConfig(
        policy, ram, reservation.size_bytes, base, options.flag("throwaway"), sizes
    )
    machines.boot(machine_path(session), config)
    with open_machine(session) as machine:
        _tell(session, machine, [f"{machine.path}: the first kernel runs, policy {policy.value}."])


def name(session: Session) -> None:
    """Put a volume key into the keyring and name it, or only name one."""
    from kdumpkey.cli.kdump_name import name_key  # noqa: PLC0415 - only this opens devices

    refuse_arguments(session, 1)
    if (kernel := linux_kernel(session)) is not None:
        linux_machine.name(session, kernel)
        return
    with open_machine(session) as machine:
        named, warnings = name_key(session, machine)
        _warn(session, warnings)
        what: dict[str, object] = {
            "item": named.item,
            "description": named.description,
            "warnings": list(warnings),
        }
        _tell(session, machine, [f"{named.description} will be handed over with the next load."], what)


def forget(session: Session) -> None:
    """Take a named key back."""
    refuse_arguments(session, 1)
    if (kernel := linux_kernel(session)) is not None:
        kernel.forget(session.invocation.arguments[0])
        return
    with open_machine(session) as machine:
        machine.kernel.forget(session.invocation.arguments[0])
        _tell(session, machine, [])


def load(session: Session) -> None:
    """Load the crash image."""
    refuse_arguments(session)
    if (kernel := linux_kernel(session)) is not None:
        linux_machine.load(session, kernel)
        return
    if session.invocation.text("kernel") or session.invocation.text("initrd"):
        raise UsageError("A simulated machine is told of its kernel and initramfs by kdump boot.")
    with open_machine(session) as machine:
        command_line = session.invocation.text("command-line")
        image = CrashImage(command_line=_COMMAND_LINE if command_line is None else command_line)
        try:
            loaded = machine.kernel.load(image)
        except KernelError as error:
            if machine.state.stage is Stage.KDUMP:
                raise
            hint = _HINTS.get(error.errno, "")
            raise kernel_error(
                error.errno, f"{error.reason}\nNo crash image is loaded now. {hint}"
            ) from error
        keys, now = loaded.keys or (), machine.clock()
        how = "copied from the image before" if loaded.reused else "from the keyring"
        lines = [f"Loaded with {len(keys)} key{'' if len(keys) == 1 else 's'}{f', {how}' if keys else ''}."]
        _warn(session, loaded.warnings)
        what: dict[str, object] = {
            "keys": report.keys_json(keys, now),
            "reused": loaded.reused,
            "address": loaded.address,
            "warnings": list(loaded.warnings),
        }
        _tell(session, machine, lines + [f"  {line}" for line in report.key_lines(keys, now)], what)


def status(session: Session) -> None:
    """Show what the machine would do if it crashed now."""
    refuse_arguments(session)
    kernel, chosen = choose(session)
    if kernel is None and not names_machine(session) and not machine_path(session).exists():
        kernel = linux_machine.this_kernel(session)  # there is nothing else to be looked at
    if kernel is not None:
        linux_status.status(session, kernel, chosen)
        return
    with open_machine(session) as machine:
        found = machine.kernel.status()
        if session.invocation.flag("json"):
            session.say(json.dumps(report.status_json(machine.path, machine, found) | {"chosen": chosen}))
            return
        for line in report.status_lines(machine.path, machine, found):
            session.say(line)
        session.say(f"{'Chosen:':14}{chosen}")
        session.say("A simulator is no security boundary: its keys lie in files of this user's.")


def reuse(session: Session) -> None:
    """Set or clear reuse."""
    refuse_arguments(session, 1)
    words = {"on": True, "1": True, "off": False, "0": False}
    word = session.invocation.arguments[0]
    if word not in words:
        raise UsageError("kdump reuse takes on or off.")
    if (kernel := linux_kernel(session)) is not None:
        kernel.reuse(words[word])
        return
    with open_machine(session) as machine:
        machine.kernel.reuse(words[word])
        _tell(
            session,
            machine,
            [f"Loads {'copy the keys of the image before' if words[word] else 'ask the keyring'}."],
        )


def unload(session: Session) -> None:
    """Give up the image."""
    refuse_arguments(session)
    if (kernel := linux_kernel(session)) is not None:
        kernel.unload()
        return
    with open_machine(session) as machine:
        machine.kernel.unload()
        _tell(session, machine, ["Unloaded: a crash would leave no dump."])


def crash(session: Session) -> None:
    """Crash."""
    refuse_arguments(session)
    if (kernel := linux_kernel(session)) is not None:
        linux_machine.crash(session, kernel)
        return
    with open_machine(session) as machine:
        machine.kernel.crash()
        lines = [
            f"The kdump kernel runs in {machine.state.reserved_bytes >> 20} MiB: {machine.state.command_line}"
        ]
        _tell(session, machine, lines)


def restore(session: Session) -> None:
    """Have the kdump kernel put the keys into its keyring."""
    refuse_arguments(session)
    if (kernel := linux_kernel(session)) is not None:
        kernel.restore()
        return
    with open_machine(session) as machine:
        restored = machine.kernel.restore(session.invocation.text("key-description"))
        # Linux reports success whatever happened; so does this, unless the policy surfaces it.
        lines = [
            f"{key} is back, as a {restored.key_type} key in {restored.keyring}."
            for key in restored.keys or ()
        ]
        what: dict[str, object] = {
            "keys": list(restored.keys or ()),
            "type": restored.key_type,
            "keyring": restored.keyring,
            "warnings": list(restored.warnings),
        }
        _warn(session, restored.warnings)
        _tell(session, machine, lines or ["Nothing came back."], what)


def reboot(session: Session) -> None:
    """Switch it off and on."""
    refuse_arguments(session)
    with open_machine(session) as machine:
        machine.reboot()
        _tell(session, machine, ["Memory is cleared; the first kernel runs."])


def audit(session: Session) -> None:
    """Look for keys in the reserved memory."""
    from kdumpkey.kernel.simulated.audit import audit as look  # noqa: PLC0415

    refuse_arguments(session)
    if (kernel := linux_kernel(session)) is not None:
        linux_machine.audit(session, kernel)
        return
    with open_machine(session) as machine:
        found = look(machine.state, machine.kernel.region)
        _tell(session, machine, report.audit_lines(found), {"places": report.audit_json(found)})


def wait(session: Session) -> None:
    """Let time pass in the machine."""
    refuse_arguments(session, 1)
    word = session.invocation.arguments[0]
    if not word.isdecimal() or len(word) > 9:
        raise UsageError("kdump wait takes a number of seconds.")
    with open_machine(session) as machine:
        machine.state.clock_offset_s += int(word)
        _tell(session, machine, [f"{report.duration(int(word))} have passed."])


def destroy(session: Session) -> None:
    """Wipe and remove a machine."""
    refuse_arguments(session)
    path = machine_path(session)
    machines.destroy(path)
    session.say(
        json.dumps({"machine": str(path), "destroyed": True})
        if session.invocation.flag("json")
        else f"{path} is wiped and gone."
    )


def _tell(
    session: Session, machine: Machine, lines: list[str], what: dict[str, object] | None = None
) -> None:
    if session.invocation.flag("json"):
        stage = machine.state.stage.value
        session.say(json.dumps({"machine": str(machine.path), "stage": stage} | (what or {})))
        return
    for line in lines:
        session.say(line)


def _warn(session: Session, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        session.complain(f"WARNING: {warning}")
