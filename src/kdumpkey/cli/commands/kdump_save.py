"""kdump save: what a kdump initramfs does last, a dump written into the encrypted volume."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.from_kdump import key_handed_over
from kdumpkey.cli.key_source import MachineChoice
from kdumpkey.cli.options import Json, MountConfigfs
from kdumpkey.cli.session import Run
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.words import device_path
from kdumpkey.volume.save import save_file, saved_line

app = typer.Typer()


@action(app, "save", "<device> <file>", example="kdumpkey kdump save /dev/sda2 /proc/vmcore")
def save(
    run: Run,
    device: Device,
    source: Annotated[str, typer.Argument(metavar="FILE", help="The dump", show_default=False)],
    machine: MachineChoice,
    mount_configfs: MountConfigfs = False,
    as_json: Json = False,
) -> None:
    """Write a file to the beginning of the volume; what was there is overwritten."""
    session = run.begin()
    with open_luks(device_path(device), writable=True) as luks:
        with (
            key_handed_over(session, luks, machine, mount_configfs=mount_configfs) as key,
            luks.volume(key) as volume,
        ):
            key.close()
            nbytes = save_file(volume, source)
        luks.device.sync()
        if as_json:
            session.say(json.dumps({"device": luks.device.name, "from": source, "nbytes": nbytes}))
        else:
            session.say(saved_line(nbytes, source, luks.device.name))
