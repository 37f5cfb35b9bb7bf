"""kdump arm: have this machine's own kernel hand volume keys over."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdumpkey.cli.opening import open_data_and_header
from kdumpkey.cli.unlocking import volume_key
from kdumpkey.kdump.kernel import CrashImage
from kdumpkey.kdump.linux import LinuxKernel
from kdumpkey.ops.arm import KeyToArm, LinuxKeys, find_image, ready
from kdumpkey.ops.arm import arm as arm_keys
from kdumpkey.ops.kdump import description_of

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session


def arm(session: Session) -> None:
    """Unlock every device, then load a crash image with all of the keys."""
    options = session.invocation
    kernel = LinuxKernel()
    ready(kernel)
    image = _image(session)
    with ExitStack() as stack:
        wanted = []
        for device in options.arguments:
            one = replace(session, invocation=replace(options, arguments=(device,)))
            luks = stack.enter_context(open_data_and_header(one))
            key, _ = stack.enter_context(volume_key(one, luks))
            wanted.append(KeyToArm(description_of(luks.header.uuid), key))
        loaded = arm_keys(kernel, LinuxKeys(), wanted, image, timeout_s=options.number("key-timeout") or 0)
    names = [key.description for key in loaded.keys or ()]
    for warning in loaded.warnings:
        session.complain(f"WARNING: {warning}")
    if options.flag("json"):
        session.say(json.dumps({"keys": names, "warnings": list(loaded.warnings)}))
        return
    session.say(f"Loaded {image.kernel} with {len(names)} key{'' if len(names) == 1 else 's'}.")
    for name in names:
        session.say(f"  {name}")


def _image(session: Session) -> CrashImage:
    """What the options name; what they leave out is found as kdump's own tools find it."""
    options = session.invocation
    kernel, initrd, command_line = (options.text(name) for name in ("kernel", "initrd", "command-line"))
    if kernel is not None and command_line is not None:
        return CrashImage(Path(kernel), Path(initrd) if initrd else None, command_line)
    found = find_image(Path("/"), os.uname().release)
    return CrashImage(
        Path(kernel) if kernel else found.kernel,
        Path(initrd) if initrd else found.initrd,
        found.command_line if command_line is None else command_line,
    )
