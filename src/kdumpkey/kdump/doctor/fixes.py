"""The commands that mend what was found, as the machine's distribution has them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kdumpkey.host.system import Family

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice
    from kdumpkey.host.system import System
    from kdumpkey.kdump.doctor.facts import HostFacts

_GRUB_PIECE: Final = "/etc/default/grub.d/kdump-tools.cfg"


def to_read(system: System, path: str) -> str:
    """Have a file read that could not be."""
    if system.is_here:
        return "sudo -i kdumpkey kdump doctor"
    return f"Copy the machine's /{path.lstrip('/')} into the tree, as root."


def see_sysfs(facts: HostFacts, path: str) -> str:
    """Have a file of sysfs read that could not be."""
    return "mount -t sysfs sysfs /sys" if facts.memory.sysfs is False else to_read(facts.system, path)


def arm(devices: Sequence[CryptDevice]) -> str:
    """Unlock the devices, and load the image with their keys."""
    return shlex.join(["kdumpkey", "kdump", "arm", *(device.name for device in devices)])


def crypttab(system: System, device: CryptDevice) -> str:
    """Have the key linked at every boot; the machine's own initramfs has a copy of crypttab."""
    rebuild = "update-initramfs -u" if system.is_debian else "dracut -f"
    return f"{shlex.join(['kdumpkey', 'kdump', 'generate', 'crypttab', '--apply', device.name])} && {rebuild}"


def rebuild(system: System) -> str:
    """Make the kdump initramfs anew; it is loaded with the next load."""
    if system.is_debian:
        return f"/etc/kernel/postinst.d/kdump-tools {system.release or '$(uname -r)'}"
    return "kdumpctl rebuild"


def reserve(system: System, size: str) -> str:
    """Boot with so much reserved."""
    if system.is_debian:
        setting = f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel={size}"'
        return f"echo '{setting}' > {_GRUB_PIECE} && update-grub && reboot"
    return f"grubby --update-kernel=ALL --args=crashkernel={size} && reboot"


def install(system: System, package: str) -> str:
    """Get a package whose name every distribution shares."""
    return f"{'apt-get' if system.is_debian else 'dnf'} install {package}"


def upgrade(system: System, package: str, version: str) -> str:
    """Get a newer version of a package."""
    command = "apt-get install" if system.is_debian else "dnf upgrade"
    return f"{command} {package}, from a release of the distribution that has {version} or newer"


def install_kdump(system: System) -> str:
    """Get kdump's tools; empty: it is not known what the distribution calls them."""
    if system.is_debian:
        return "apt-get install kdump-tools"
    if system.family is Family.OTHER:
        return ""
    return "dnf install kdump-utils && systemctl enable --now kdump"


def install_cryptsetup(system: System) -> str:
    """Get the program that opens devices, and what puts it into an initramfs."""
    return install(system, "cryptsetup-initramfs" if system.is_debian else "cryptsetup")


def install_dmsetup(system: System) -> str:
    """Get the program that makes mappings."""
    return install(system, "dmsetup" if system.is_debian else "device-mapper")


def add_module(system: System, module: str) -> str:
    """Have a module of the kernel in the initramfs."""
    if system.is_debian:
        return f"echo {module} >> /etc/initramfs-tools/modules"
    name = module.replace("-", "_")
    return f"echo 'add_drivers+=\" {name} \"' > /etc/dracut.conf.d/{name}.conf"


def restart(system: System) -> str:
    """Load the image as at boot."""
    return f"systemctl restart {'kdump-tools' if system.is_debian else 'kdump'}"
