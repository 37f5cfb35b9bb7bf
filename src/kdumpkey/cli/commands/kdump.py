"""kdump boot … destroy: the life of a simulated machine, one call at a time."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kdumpkey.cli import kdump_report as report
from kdumpkey.cli import linux_machine, linux_status, options
from kdumpkey.cli.action import action
from kdumpkey.cli.columns import folded
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.image_choice import ImageChoice
from kdumpkey.cli.key_source import KeySource, MachineChoice, UnlockSource
from kdumpkey.cli.machines import choose, linux_kernel, machine_path, names_machine, open_machine
from kdumpkey.cli.named_key import KeyToName
from kdumpkey.cli.options import (
    Count,
    Json,
    KeyDescription,
    KeyTimeout,
    MountConfigfs,
    ThisMachine,
    Throwaway,
    VolumeKeyFile,
)
from kdumpkey.cli.region_sizes import RegionSizes
from kdumpkey.cli.session import Run, Session
from kdumpkey.errors import KernelError, UsageError, kernel_error
from kdumpkey.kernel.protocol import CrashImage, Stage
from kdumpkey.kernel.simulated import machine as machines
from kdumpkey.region.crashkernel import parse_crashkernel
from kdumpkey.region.model import Policy, sizes_of_files

if TYPE_CHECKING:
    from kdumpkey.kernel.simulated.machine import Machine

app = typer.Typer()
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


@dataclass(frozen=True)
class Call:
    """What every action on a machine takes: which machine, and how the result is told."""

    machine: MachineChoice
    mount_configfs: MountConfigfs = False
    as_json: Json = False


@action(app, "boot", example="kdumpkey kdump boot --crashkernel 256M --policy hardened")
def boot(
    run: Run,
    call: Call,
    sizes_wanted: RegionSizes,
    policy_name: options.Policy = None,
    throwaway: Throwaway = False,
) -> None:
    """Make a machine."""
    session = run.begin()
    try:
        policy = Policy(policy_name or Policy.UPSTREAM.value)
    except ValueError as error:
        known = ", ".join(known.value for known in Policy)
        raise UsageError(f"Option --policy can be only {known}.") from error
    ram = sizes_wanted.ram_bytes or _RAM
    reservation = parse_crashkernel(sizes_wanted.crashkernel or "256M", ram)
    usual = sizes_of_files(sizes_wanted.kernel, sizes_wanted.initrd)
    sizes = replace(
        usual,
        kernel=sizes_wanted.kernel_bytes or usual.kernel,
        initrd=sizes_wanted.initrd_bytes or usual.initrd,
    )
    base = _BASE if reservation.base is None else reservation.base
    config = machines.MachineConfig(policy, ram, reservation.size_bytes, base, throwaway, sizes)
    machines.boot(machine_path(session, call.machine), config)
    with open_machine(session, call.machine) as machine:
        _tell(session, call, machine, [f"{machine.path}: the first kernel runs, policy {policy.value}."])


@action(app, "name", "[<device>]", example="kdumpkey kdump name /dev/sda2 --key-file sda2.key")
def name(
    run: Run,
    call: Call,
    header: HeaderChoice,
    source: UnlockSource,
    device: Annotated[
        str | None,
        typer.Argument(metavar="[DEVICE]", help="A LUKS device, or a key's name", show_default=False),
    ] = None,
    volume_key_file: VolumeKeyFile = None,
    key_description: KeyDescription = None,
    count: Count = None,
    key_timeout: KeyTimeout = None,
) -> None:
    """Put a volume key into the keyring and name it, or only name one."""
    from kdumpkey.cli.kdump_name import name_key  # noqa: PLC0415 - only this opens devices

    session = run.begin()
    keys = KeySource(unlock=source, volume_key_file=volume_key_file, machine=call.machine)
    wanted = KeyToName(device, header, keys, key_description, count, key_timeout)
    if (kernel := linux_kernel(session, call.machine, mount_configfs=call.mount_configfs)) is not None:
        linux_machine.name(session, kernel, wanted, as_json=call.as_json)
        return
    with open_machine(session, call.machine) as machine:
        named, warnings = name_key(session, machine, wanted)
        _warn(session, warnings)
        what: dict[str, object] = {
            "item": named.item,
            "description": named.description,
            "warnings": list(warnings),
        }
        _tell(
            session,
            call,
            machine,
            folded("", f"{named.description} will be handed over with the next load."),
            what,
        )


@action(app, "forget", "<item>", example="kdumpkey kdump forget 1")
def forget(
    run: Run,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Its number or name, as status shows it")],
    call: Call,
) -> None:
    """Take a named key back."""
    session = run.begin()
    if (kernel := linux_kernel(session, call.machine, mount_configfs=call.mount_configfs)) is not None:
        kernel.forget(item)
        return
    with open_machine(session, call.machine) as machine:
        machine.kernel.forget(item)
        _tell(session, call, machine, [])


@action(app, "load", example="kdumpkey kdump load")
def load(run: Run, call: Call, choice: ImageChoice) -> None:
    """Load the crash image."""
    session = run.begin()
    if (kernel := linux_kernel(session, call.machine, mount_configfs=call.mount_configfs)) is not None:
        linux_machine.load(session, kernel, choice, as_json=call.as_json)
        return
    if choice.kernel or choice.initrd:
        raise UsageError("A simulated machine is told of its kernel and initramfs by kdump boot.")
    with open_machine(session, call.machine) as machine:
        command_line = choice.command_line
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
        _tell(session, call, machine, lines + report.key_lines(keys, now, indent=2), what)


@action(app, "status", example="kdumpkey kdump status")
def status(run: Run, call: Call) -> None:
    """Show what the machine would do if it crashed now."""
    session = run.begin()
    which = call.machine
    kernel, chosen = choose(session, which, mount_configfs=call.mount_configfs)
    if kernel is None and not names_machine(session, which) and not machine_path(session, which).exists():
        kernel = linux_machine.this_kernel(
            mount_configfs=call.mount_configfs
        )  # there is nothing else to be looked at
    if kernel is not None:
        linux_status.status(session, kernel, chosen, as_json=call.as_json)
        return
    with open_machine(session, call.machine) as machine:
        found = machine.kernel.status()
        if call.as_json:
            session.say(json.dumps(report.status_json(machine.path, machine, found) | {"chosen": chosen}))
            return
        for line in report.status_lines(machine.path, machine, found):
            session.say(line)
        session.say(f"{'Chosen:':14}{chosen}")
        session.say("A simulator is no security boundary: its keys lie in files of this user's.")


@action(app, "reuse", "<on|off>", example="kdumpkey kdump reuse on")
def reuse(
    run: Run,
    word: Annotated[
        str,
        typer.Argument(
            metavar="on|off", help="Whether to reuse them", autocompletion=options.completing("on", "off")
        ),
    ],
    call: Call,
) -> None:
    """Set or clear reuse."""
    session = run.begin()
    words = {"on": True, "1": True, "off": False, "0": False}
    if word not in words:
        raise UsageError("kdump reuse takes on or off.")
    if (kernel := linux_kernel(session, call.machine, mount_configfs=call.mount_configfs)) is not None:
        kernel.reuse(words[word])
        return
    with open_machine(session, call.machine) as machine:
        machine.kernel.reuse(words[word])
        _tell(
            session,
            call,
            machine,
            [f"Loads {'copy the keys of the image before' if words[word] else 'ask the keyring'}."],
        )


@action(app, "unload", example="kdumpkey kdump unload")
def unload(run: Run, call: Call) -> None:
    """Give up the image."""
    session = run.begin()
    if (kernel := linux_kernel(session, call.machine, mount_configfs=call.mount_configfs)) is not None:
        kernel.unload()
        return
    with open_machine(session, call.machine) as machine:
        machine.kernel.unload()
        _tell(session, call, machine, ["Unloaded: a crash would leave no dump."])


@action(app, "crash", example="kdumpkey kdump crash")
def crash(run: Run, call: Call, this_machine: ThisMachine = False) -> None:
    """Crash."""
    session = run.begin()
    if (kernel := linux_kernel(session, call.machine, mount_configfs=call.mount_configfs)) is not None:
        linux_machine.crash(session, kernel, this_machine=this_machine)
        return
    with open_machine(session, call.machine) as machine:
        machine.kernel.crash()
        lines = [
            f"The kdump kernel runs in {machine.state.reserved_bytes >> 20} MiB: {machine.state.command_line}"
        ]
        _tell(session, call, machine, lines)


@action(app, "restore", example="kdumpkey kdump restore")
def restore(run: Run, call: Call, key_description: KeyDescription = None) -> None:
    """Have the kdump kernel put the keys into its keyring."""
    session = run.begin()
    if (kernel := linux_kernel(session, call.machine, mount_configfs=call.mount_configfs)) is not None:
        kernel.restore()
        return
    with open_machine(session, call.machine) as machine:
        restored = machine.kernel.restore(key_description)
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
        _tell(session, call, machine, lines or ["Nothing came back."], what)


@action(app, "reboot", example="kdumpkey kdump reboot")
def reboot(run: Run, call: Call) -> None:
    """Switch it off and on."""
    session = run.begin()
    with open_machine(session, call.machine) as machine:
        machine.reboot()
        _tell(session, call, machine, ["Memory is cleared; the first kernel runs."])


@action(app, "audit", example="kdumpkey kdump audit")
def audit(run: Run, call: Call) -> None:
    """Look for keys in the reserved memory."""
    from kdumpkey.kernel.simulated.audit import audit as look  # noqa: PLC0415

    session = run.begin()
    if (kernel := linux_kernel(session, call.machine, mount_configfs=call.mount_configfs)) is not None:
        linux_machine.audit(session, kernel, as_json=call.as_json)
        return
    with open_machine(session, call.machine) as machine:
        found = look(machine.state, machine.kernel.region)
        _tell(session, call, machine, report.audit_lines(found), {"places": report.audit_json(found)})


@action(app, "wait", "<seconds>", example="kdumpkey kdump wait 3600")
def wait(
    run: Run,
    word: Annotated[str, typer.Argument(metavar="SECONDS", help="How long")],
    call: Call,
) -> None:
    """Let time pass in the machine."""
    session = run.begin()
    if not word.isdecimal() or len(word) > 9:
        raise UsageError("kdump wait takes a number of seconds.")
    with open_machine(session, call.machine) as machine:
        machine.state.clock_offset_s += int(word)
        _tell(session, call, machine, [f"{report.duration(int(word))} have passed."])


@action(app, "destroy", example="kdumpkey kdump destroy")
def destroy(run: Run, call: Call) -> None:
    """Wipe and remove a machine."""
    session = run.begin()
    path = machine_path(session, call.machine)
    machines.destroy(path)
    session.say(
        json.dumps({"machine": str(path), "destroyed": True})
        if call.as_json
        else f"{path} is wiped and gone."
    )


def _tell(
    session: Session, call: Call, machine: Machine, lines: list[str], what: dict[str, object] | None = None
) -> None:
    if call.as_json:
        stage = machine.state.stage.value
        session.say(json.dumps({"machine": str(machine.path), "stage": stage} | (what or {})))
        return
    for line in lines:
        session.say(line)


def _warn(session: Session, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        session.complain(f"WARNING: {warning}")
