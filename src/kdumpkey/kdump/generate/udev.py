"""The rules by which udev has the devices armed: when one is opened, and when processors or memory change."""

from __future__ import annotations

from typing import Final

from kdumpkey.host.units import ARM_SERVICE
from kdumpkey.kdump.generate.change import Change
from kdumpkey.kdump.generate.setup import Setup

# What reloads the image when processors or memory change: in kdump-utils and in kdump-tools.
_RELOADING: Final = ("98-kexec.rules", "50-kdump-tools.rules")
_FOLDERS: Final = ("usr/lib/udev/rules.d", "lib/udev/rules.d")
_ALONE: Final = "98-kdumpkey-hotplug.rules"
# Before 99-systemd.rules, which hands what a device wants on to systemd.
_OPENED: Final = "etc/udev/rules.d/98-kdumpkey.rules"
_HOTPLUG: Final = """\
# In place of {name}: a reload without the keys would lose them, so they are handed over anew.
SUBSYSTEM!="cpu|memory", GOTO="kdumpkey_end"
# Where the kernel itself keeps the loaded image up to date, there is nothing to do.
ATTRS{{crash_hotplug}}=="1", GOTO="kdumpkey_end"
SUBSYSTEM=="cpu", ACTION=="add|remove|online|offline", GOTO="kdumpkey_arm"
SUBSYSTEM=="memory", ACTION=="online|offline", GOTO="kdumpkey_arm"
GOTO="kdumpkey_end"
LABEL="kdumpkey_arm"
RUN+="/usr/bin/systemctl --no-block restart {service}"
LABEL="kdumpkey_end"
"""


def udev(setup: Setup) -> list[Change]:
    """Arm the devices when they are opened, and in place of every reload that would lose the keys.

    A file in /etc/udev/rules.d takes the whole place of one by its name elsewhere: so the reload is replaced.

    Source: udev(7); the kernel documentation, ABI/testing/sysfs-devices-memory, crash_hotplug.
    """
    lines = ["# Opened, a device has its key in the keyring: then it can be handed over.\n"]
    for device in setup.devices:
        digits = device.uuid.replace("-", "").lower()
        lines.append(
            f'ACTION!="remove", ENV{{DM_UUID}}=="CRYPT-LUKS?-{digits}-*", TAG+="systemd", '
            f'ENV{{SYSTEMD_WANTS}}+="{ARM_SERVICE}"\n'
        )
    found = [name for name in _RELOADING for folder in _FOLDERS if setup.host.exists(f"{folder}/{name}")]
    changes = [Change(_OPENED, setup.host.text(_OPENED), "".join(lines))]
    for name in dict.fromkeys(found or [_ALONE]):
        text = _HOTPLUG.format(name=name if found else "a reload", service=ARM_SERVICE)
        changes.append(Change(f"etc/udev/rules.d/{name}", setup.host.text(f"etc/udev/rules.d/{name}"), text))
    return changes
