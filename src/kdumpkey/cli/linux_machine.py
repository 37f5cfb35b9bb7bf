"""The kdump commands on Linux's own kernel, which tells far less than a simulated one."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from kdumpkey.cli.columns import folded, folded_fix
from kdumpkey.errors import PermissionDeniedError, UsageError, kernel_error
from kdumpkey.kernel.protocol import CrashImage
from kdumpkey.printable import printable

if TYPE_CHECKING:
    from kdumpkey.cli.image_choice import ImageChoice
    from kdumpkey.cli.named_key import KeyToName
    from kdumpkey.cli.session import Session
    from kdumpkey.kdump.linux_keys import Keys
    from kdumpkey.kernel.linux.kernel import LinuxKernel
    from kdumpkey.kernel.protocol import NamedKey
    from kdumpkey.secret import SecretBuffer


def this_kernel(*, mount_configfs: bool = False) -> LinuxKernel:
    """This machine's own kernel, with configfs mounted if that was asked for.

    Raises:
        KernelError: configfs cannot be mounted.
    """
    from kdumpkey.kernel.linux.kernel import LinuxKernel  # noqa: PLC0415 - a simulated machine needs none

    kernel = LinuxKernel()
    if mount_configfs:
        from kdumpkey.kernel.linux import configfs  # noqa: PLC0415 - who does not ask needs none

        configfs.mount_configfs(kernel.root)
        if kernel.interface is None:
            raise kernel_error(
                errno.ENOENT,
                "configfs is mounted, and has no crash_dm_crypt_keys: this kernel was built without "
                "CONFIG_CRASH_DM_CRYPT",
            )
    return kernel


def crash_image(image: ImageChoice) -> CrashImage:
    """What the options name; what they leave out is found as kdump's own tools find it.

    Raises:
        KernelError: ENOENT: it is not found.
    """
    kernel, initrd, command_line = image.kernel, image.initrd, image.command_line
    if kernel is not None and command_line is not None:
        return CrashImage(Path(kernel), Path(initrd) if initrd else None, command_line)
    from kdumpkey.kernel.linux.find_image import find_image  # noqa: PLC0415

    found = find_image(Path("/"), os.uname().release)
    return CrashImage(
        Path(kernel) if kernel else found.kernel,
        Path(initrd) if initrd else found.initrd,
        found.command_line if command_line is None else command_line,
    )


def name(session: Session, kernel: LinuxKernel, what: KeyToName, *, as_json: bool) -> None:
    """Put a volume key into root's keyring and name it, or only name one that is there."""
    from kdumpkey.kdump.arm import TIMEOUT_S  # noqa: PLC0415
    from kdumpkey.kdump.linux_keys import LinuxKeys  # noqa: PLC0415

    timeout_s, count = what.timeout_s, what.count
    word, description = what.device, what.description

    def put(keys: Keys, name: str, key: SecretBuffer) -> None:
        # What crypttab had linked for good is there for every load to come.
        usual = 0 if keys.stays(name) else TIMEOUT_S
        keys.put(name, key, usual if timeout_s is None else timeout_s)

    if word is not None and ":" in word and "/" not in word and not Path(word).exists():
        description, word = word, None  # a key's name, not a device
    with kernel.alone(loading=False):
        if word is not None:
            from kdumpkey.cli.opening import open_data_and_header  # noqa: PLC0415
            from kdumpkey.cli.unlocking import volume_key  # noqa: PLC0415
            from kdumpkey.luks.restored_key import description_of  # noqa: PLC0415

            with (
                open_data_and_header(word, what.header) as luks,
                volume_key(session, luks, what.keys) as (key, _),
            ):
                description = description or description_of(luks.header.uuid)
                put(LinuxKeys(), description, key)
        if description is None or count == 0:
            raise UsageError("kdump name needs a LUKS device, or --key-description.")
        names = [description] if count is None else [f"{description}-{n}" for n in range(1, count + 1)]
        if word is None and (path := what.keys.volume_key_file) is not None:
            from kdumpkey.cli.keyfile import read_key_file  # noqa: PLC0415

            with read_key_file(path) as key:
                keys = LinuxKeys()
                for each in names:
                    put(keys, each, key)
        named = [kernel.name(each) for each in names]
    _tell_named(session, named, as_json=as_json)


def _tell_named(session: Session, named: list[NamedKey], *, as_json: bool) -> None:
    last = named[-1]
    if as_json:
        session.say(json.dumps({"machine": "linux", "item": last.item, "description": last.description}))
        return
    for key in named:
        for line in folded("", f"{key.description} will be handed over with the next load."):
            session.say(line)


def load(session: Session, kernel: LinuxKernel, choice: ImageChoice, *, as_json: bool) -> None:
    """Load the crash image with the keys that are named."""
    from kdumpkey.cli.kdump_report import keys_json  # noqa: PLC0415
    from kdumpkey.kdump.linux_keys import LinuxKeys  # noqa: PLC0415
    from kdumpkey.kdump.linux_load import load_named  # noqa: PLC0415

    image = crash_image(choice)
    with kernel.alone() as held:
        loaded = load_named(held, LinuxKeys(), image)
    for warning in loaded.warnings:
        session.complain(f"WARNING: {warning}")
    if as_json:
        keys = None if loaded.keys is None else keys_json(loaded.keys, kernel.clock())
        what = {"machine": "linux", "keys": keys, "reused": loaded.reused, "warnings": list(loaded.warnings)}
        session.say(json.dumps(what))
        return
    if loaded.keys is None:
        session.say(f"Loaded {image.kernel}; which keys it holds is not known.")
        return
    count = len(loaded.keys)
    session.say(f"Loaded {image.kernel} with {count} key{'' if count == 1 else 's'}.")
    for key in loaded.keys:
        session.say(f"  {key.description}")


def crash(session: Session, kernel: LinuxKernel, *, this_machine: bool) -> None:
    """Crash this machine, for whoever has said twice that this is what is wanted.

    Raises:
        PermissionDeniedError: Nobody has.
    """
    from kdumpkey.cli.passphrase import confirm  # noqa: PLC0415

    if not this_machine:
        raise UsageError(
            "No simulated machine is named, so this would crash the machine that you work on, at once. "
            "If that is what you want: kdump crash --this-machine"
        )
    if not session.batch and not session.streams.stdin_is_terminal:
        raise PermissionDeniedError("Nobody is there to confirm it; --batch-mode needs no confirmation.")
    confirm(session, "This machine will crash now. What is not on its disks is lost.", "It does not crash.")
    os.sync()
    kernel.crash()


def audit(session: Session, kernel: LinuxKernel, *, as_json: bool) -> None:
    """Say what of keys lies about, as far as anybody can see."""
    from kdumpkey.kdump.linux_audit import audit_linux  # noqa: PLC0415

    found = audit_linux(kernel)
    if as_json:
        traces = [{"what": trace.what, "problem": trace.problem, "fix": trace.fix} for trace in found]
        session.say(json.dumps({"machine": "linux", "found": traces}))
        return
    for trace in found:
        lines = folded(f"{'PROBLEM' if trace.problem else 'seen':8}", printable(trace.what))
        if trace.fix:
            lines += folded_fix(f"{'':8}Fix: ", printable(trace.fix))
        for line in lines:
            session.say(line)
    session.say("Linux does not show where in memory the keys are. Only a simulated machine can be searched.")
