"""kdump boot … destroy: a kernel that hands keys over, one call at a time; and simulated machines."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kdumpkey.cli import kdump_report as report
from kdumpkey.cli import options
from kdumpkey.cli.action import action
from kdumpkey.cli.columns import folded, folded_fix
from kdumpkey.cli.declaring import completing
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.image_choice import ImageChoice
from kdumpkey.cli.kdump_name import KeyToName, name_keys
from kdumpkey.cli.key_source import KeySource, MachineChoice, UnlockSource
from kdumpkey.cli.machines import choose_kernel, machine_path, open_kernel, open_machine
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
from kdumpkey.cli.passphrase import confirm
from kdumpkey.cli.region_sizes import RegionSizes
from kdumpkey.cli.session import Reported, Run, Session
from kdumpkey.errors import CannotTellError, NoDumpError, PermissionDeniedError, UsageError
from kdumpkey.kdump.audit import audit as audit_kernel
from kdumpkey.kdump.freshness import KeyState, keys_now
from kdumpkey.kernel.protocol import HandOver, Stage
from kdumpkey.kernel.simulated import machine as machines
from kdumpkey.printable import printable
from kdumpkey.region.crashkernel import parse_crashkernel
from kdumpkey.region.model import USUAL_BASE, Policy, sizes_of_files

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from kdumpkey.kernel.protocol import Kernel

app = typer.Typer()
_RAM: Final = 4 << 30


@dataclass(frozen=True)
class Call:
    """What every action on a kernel takes: whose kernel, and how to print the result."""

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
    """Make a simulated machine."""
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
    base = USUAL_BASE if reservation.base is None else reservation.base
    config = machines.MachineConfig(policy, ram, reservation.size_bytes, base, throwaway, sizes)
    machines.boot(machine_path(session, call.machine), config)
    with open_machine(session, call.machine) as machine:
        lines = [f"{machine.path}: the first kernel runs, policy {policy.value}."]
        _tell(session, call, machine.kernel, lines)


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
    session = run.begin()
    keys = KeySource(unlock=source, volume_key_file=volume_key_file, machine=call.machine)
    wanted = KeyToName(device, header, keys, key_description, count, key_timeout)
    with _opened(session, call) as kernel:
        named, warnings = name_keys(session, kernel, wanted)
        _warn(session, warnings)
        lines = [f"{key.description} will be handed over with the next load." for key in named]
        what: dict[str, object] = {
            "item": named[-1].item,
            "description": named[-1].description,
            "warnings": list(warnings),
        }
        _tell(
            session, call, kernel, [row for line in report.abridged(lines) for row in folded("", line)], what
        )


@action(app, "forget", "<item>", example="kdumpkey kdump forget 1")
def forget(
    run: Run,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Its number or name, as status shows it")],
    call: Call,
) -> None:
    """Stop naming a key, so that the next load leaves it out."""
    session = run.begin()
    with _opened(session, call) as kernel:
        kernel.forget(item)
        _tell(session, call, kernel, [])


@action(app, "load", example="kdumpkey kdump load")
def load(run: Run, call: Call, choice: ImageChoice) -> None:
    """Load the crash image, with the keys that are named."""
    session = run.begin()
    with _opened(session, call) as kernel:
        image = kernel.complete(choice.wanted)
        loaded, now = kernel.load(image), kernel.clock()
        _warn(session, loaded.warnings)
        lines = report.loaded_lines(loaded, image.kernel, now)
        _tell(session, call, kernel, lines, report.loaded_json(loaded, now))


@action(app, "status", example="kdumpkey kdump status")
def status(run: Run, call: Call) -> None:
    """Show what would be handed over if the machine crashed now."""
    session = run.begin()
    choosing = choose_kernel(session, call.machine, mount_configfs=call.mount_configfs, to_look=True)
    with choosing as (kernel, chosen):
        found, now = kernel.status(), kernel.clock()
        record = kernel.record() if found.loaded and found.keys is not None else None
        freshness = {each.description: each for each in (keys_now(kernel.root, record) if record else ())}
        stale = sum(each.state is KeyState.STALE for each in freshness.values())
        if call.as_json:
            session.say(json.dumps(report.status_json(found, now, freshness) | {"chosen": chosen}))
        else:
            for line in report.status_lines(found, now, freshness, record, chosen):
                session.say(line)
            if stale:
                session.say(
                    f"{'Hand-over:':14}STALE, {stale} of its keys: kdumpkey kdump arm, or kdump unload"
                )
        # A monitor watches this machine; in the kdump kernel, what would be handed over has been.
        if not kernel.is_this_machine or found.stage is Stage.KDUMP:
            return
        if stale or found.hand_over is HandOver.NOT_LOADED:
            raise Reported(NoDumpError("A crash now would hand no valid key over."))
        if found.hand_over is HandOver.UNKNOWN:
            raise Reported(CannotTellError("Whether a crash now would hand a key over cannot be told."))


@action(app, "reuse", "<on|off>", example="kdumpkey kdump reuse on")
def reuse(
    run: Run,
    word: Annotated[
        str,
        typer.Argument(metavar="on|off", help="Turn reuse on or off", autocompletion=completing("on", "off")),
    ],
    call: Call,
) -> None:
    """Choose whether loads reuse the keys of the previous image."""
    session = run.begin()
    words = {"on": True, "1": True, "off": False, "0": False}
    if word not in words:
        raise UsageError("kdump reuse takes on or off.")
    with _opened(session, call) as kernel:
        kernel.reuse(words[word])
        what = "copy the keys of the previous image" if words[word] else "ask the keyring"
        _tell(session, call, kernel, [f"Loads {what}."])


@action(app, "unload", example="kdumpkey kdump unload")
def unload(run: Run, call: Call) -> None:
    """Unload the crash image."""
    session = run.begin()
    with _opened(session, call) as kernel:
        kernel.unload()
        _tell(session, call, kernel, ["Unloaded: a crash would leave no dump."])


@action(app, "crash", example="kdumpkey kdump crash")
def crash(run: Run, call: Call, this_machine: ThisMachine = False) -> None:
    """Crash the first kernel."""
    session = run.begin()
    with _opened(session, call) as kernel:
        if kernel.is_this_machine:
            _confirm_crash(session, this_machine=this_machine)
        kernel.crash()
        found = kernel.status()
        size = (found.reserved_bytes or 0) >> 20
        _tell(session, call, kernel, [f"The kdump kernel runs in {size} MiB: {found.command_line or ''}"])


def _confirm_crash(session: Session, *, this_machine: bool) -> None:
    """Refuse to crash the machine that this runs on, unless the user has said twice that this is wanted."""
    if not this_machine:
        raise UsageError(
            "No simulated machine is named, so this would crash the machine that you work on, at once. "
            "If that is what you want: kdump crash --this-machine"
        )
    if not session.batch and not session.streams.stdin_is_terminal:
        raise PermissionDeniedError("Nobody is there to confirm it; --batch-mode needs no confirmation.")
    warning = "This machine will crash now. What is not on its disks is lost."
    confirm(session, warning, PermissionDeniedError("It does not crash."))


@action(app, "restore", example="kdumpkey kdump restore")
def restore(run: Run, call: Call, key_description: KeyDescription = None) -> None:
    """Have the kdump kernel put the keys that were handed over into its keyring."""
    session = run.begin()
    with _opened(session, call) as kernel:
        restored = kernel.restore(key_description)
        # Linux reports success even when this fails; so do we, unless the policy reports failures.
        keys, how = restored.keys, f"a {restored.key_type} key in {restored.keyring}"
        lines = [f"{key} is back, as {how}." for key in keys or ()]
        what: dict[str, object] = {
            "keys": None if keys is None else list(keys),
            "type": restored.key_type,
            "keyring": restored.keyring,
            "warnings": list(restored.warnings),
        }
        _warn(session, restored.warnings)
        _tell(session, call, kernel, ["Nothing came back."] if keys == () else lines, what)


@action(app, "reboot", example="kdumpkey kdump reboot")
def reboot(run: Run, call: Call) -> None:
    """Switch a simulated machine off and on."""
    session = run.begin()
    with open_machine(session, call.machine) as machine:
        machine.reboot()
        _tell(session, call, machine.kernel, ["Memory is cleared; the first kernel runs."])


@action(app, "audit", example="kdumpkey kdump audit")
def audit(run: Run, call: Call) -> None:
    """Show where keys can be seen."""
    session = run.begin()
    with _opened(session, call) as kernel:
        found = audit_kernel(kernel)
        lines = []
        for each in found.entries:
            lines += folded(f"{'PROBLEM' if each.problem else 'seen':8}", printable(each.what))
            lines += folded_fix(f"{'':8}Fix: ", printable(each.fix)) if each.fix else []
        _tell(session, call, kernel, [*lines, *folded("", found.summary)], report.audit_json(found))


@action(app, "wait", "<seconds>", example="kdumpkey kdump wait 3600")
def wait(
    run: Run,
    word: Annotated[str, typer.Argument(metavar="SECONDS", help="How long")],
    call: Call,
) -> None:
    """Let time pass in a simulated machine."""
    session = run.begin()
    if not word.isdecimal() or len(word) > 9:
        raise UsageError("kdump wait takes a number of seconds.")
    with open_machine(session, call.machine) as machine:
        machine.state.clock_offset_s += int(word)
        _tell(session, call, machine.kernel, [f"{report.duration(int(word))} have passed."])


@action(app, "destroy", example="kdumpkey kdump destroy")
def destroy(run: Run, call: Call) -> None:
    """Wipe and remove a simulated machine."""
    session = run.begin()
    path = machine_path(session, call.machine)
    machines.destroy(path)
    session.say(
        json.dumps({"machine": str(path), "destroyed": True})
        if call.as_json
        else f"{path} is wiped and gone."
    )


def _opened(session: Session, call: Call) -> AbstractContextManager[Kernel]:
    return open_kernel(session, call.machine, mount_configfs=call.mount_configfs)


def _tell(
    session: Session, call: Call, kernel: Kernel, lines: list[str], what: dict[str, object] | None = None
) -> None:
    if call.as_json:
        session.say(json.dumps(report.identity_json(kernel.status()) | (what or {})))
        return
    for line in lines:
        session.say(line)


def _warn(session: Session, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        session.complain(f"WARNING: {warning}")
