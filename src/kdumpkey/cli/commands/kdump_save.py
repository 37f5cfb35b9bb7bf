"""kdump save: what a kdump initramfs does last, a dump written into the encrypted volume."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kdumpkey.cli.from_kdump import key_handed_over
from kdumpkey.cli.machines import refuse_arguments
from kdumpkey.cli.opening import device_path
from kdumpkey.luks.device import open_luks
from kdumpkey.volume.save import save_file

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session


def save(session: Session) -> None:
    """Write a file to the beginning of the volume; what was there is overwritten."""
    refuse_arguments(session, 2)
    source = session.invocation.arguments[1]
    with open_luks(device_path(session.device), writable=True) as luks:
        with key_handed_over(session, luks) as key, luks.volume(key) as volume:
            key.close()
            nbytes = save_file(volume, source)
        luks.device.sync()
        if session.invocation.flag("json"):
            session.say(json.dumps({"device": luks.device.name, "from": source, "nbytes": nbytes}))
        else:
            session.say(f"{nbytes} bytes of {source} are encrypted in {luks.device.name}.")
