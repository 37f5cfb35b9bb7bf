"""The units of systemd: whose keyring a load searches, and the service that arms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kdumpkey.host.configfs import DIRECTORY
from kdumpkey.host.units import ARM_SERVICE, KDUMP_SERVICES
from kdumpkey.kdump.generate.change import Change
from kdumpkey.kdump.generate.setup import Setup

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_FOLDERS: Final = ("lib/systemd/system", "usr/lib/systemd/system", "etc/systemd/system")
_DROP_IN: Final = """\
# The load looks for volume keys in root's user keyring, where opening the devices has them linked.
[Unit]
After=cryptsetup.target

[Service]
KeyringMode=shared
"""
# It may be killed and started again at any point, so events in a row become one last run, once udev is idle.
_ARM: Final = """\
[Unit]
Description=Hand volume keys over to the kdump kernel
After={unit} cryptsetup.target
# When that is restarted it loads without the keys, and so this has to run once more.
PartOf={unit}
ConditionPathExists=/{interface}
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
KeyringMode=shared
# Nobody types a passphrase: the keys are those in the keyring.
StandardInput=null
ExecStartPre=-udevadm settle --timeout=10
ExecStart={program} kdump arm --from-keyring {devices}

[Install]
WantedBy=multi-user.target
"""


def kdump_unit(host: Host) -> str:
    """The service that loads the crash image on this machine."""
    return next(
        (unit for unit in KDUMP_SERVICES for folder in _FOLDERS if host.exists(f"{folder}/{unit}")),
        KDUMP_SERVICES[0],
    )


def systemd(setup: Setup) -> list[Change]:
    """Have kdump's service share root's keyring, and another service arm the devices after it.

    Source: systemd.exec(5), KeyringMode; systemd.unit(5).
    """
    host = setup.host
    unit = kdump_unit(host)
    drop_in = f"etc/systemd/system/{unit}.d/kdumpkey.conf"
    service = f"etc/systemd/system/{ARM_SERVICE}"
    # The UUIDs were checked: nothing in them means anything to systemd.
    words = " ".join(f"/dev/disk/by-uuid/{device.uuid}" for device in setup.devices)
    text = _ARM.format(unit=unit, interface=DIRECTORY, devices=words, program=_quoted(setup.program))
    return [Change(drop_in, host.text(drop_in), _DROP_IN), Change(service, host.text(service), text)]


def _quoted(words: Sequence[str]) -> str:
    """Words as a unit file has them; source: systemd.service(5), command lines."""
    escaped = (re.sub(r'(["\\\\])', r"\\\1", word) for word in words)
    return " ".join(f'"{word}"'.replace("%", "%%").replace("$", "$$") for word in escaped)
