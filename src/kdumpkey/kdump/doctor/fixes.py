"""The commands that mend what was found, as the machine's distribution has them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kdumpkey.host.settings import KDUMP_CONF, KDUMP_TOOLS

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice, Host

_GRUB_PIECE: Final = "/etc/default/grub.d/kdump-tools.cfg"


def to_read(host: Host, path: str) -> str:
    """Have a file read that could not be."""
    if host.is_here:
        return "sudo -i kdumpkey kdump doctor"
    return f"Copy the machine's /{path.lstrip('/')} into the tree, as root."


def is_debian(host: Host) -> bool:
    """Whether kdump-tools has the say here, and not kdump-utils."""
    return not host.exists(KDUMP_CONF) and (host.exists(KDUMP_TOOLS) or host.exists("etc/debian_version"))


def arm(devices: Sequence[CryptDevice]) -> str:
    """Unlock the devices, and load the image with their keys."""
    return shlex.join(["kdumpkey", "kdump", "arm", *(device.name for device in devices)])


def crypttab(host: Host, device: CryptDevice) -> str:
    """Have the key linked at every boot; the machine's own initramfs has a copy of crypttab."""
    rebuild = "update-initramfs -u" if is_debian(host) else "dracut -f"
    return f"{shlex.join(['kdumpkey', 'kdump', 'generate', 'crypttab', '--apply', device.name])} && {rebuild}"


def rebuild(host: Host) -> str:
    """Make the kdump initramfs anew; it is loaded with the next load."""
    if is_debian(host):
        return f"/etc/kernel/postinst.d/kdump-tools {host.release or '$(uname -r)'}"
    return "kdumpctl rebuild"


def reserve(host: Host, size: str) -> str:
    """Boot with so much reserved."""
    if is_debian(host):
        setting = f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel={size}"'
        return f"echo '{setting}' > {_GRUB_PIECE} && update-grub && reboot"
    return f"grubby --update-kernel=ALL --args=crashkernel={size} && reboot"


def install_kdump(host: Host) -> str:
    """Get kdump's tools; empty: it is not known what the distribution calls them."""
    if is_debian(host):
        return "apt-get install kdump-tools"
    if not host.exists(KDUMP_CONF) and not host.exists("etc/redhat-release"):
        return ""
    return "dnf install kdump-utils && systemctl enable --now kdump"


def install_dmsetup(host: Host) -> str:
    """Get the program that makes mappings."""
    return "apt-get install dmsetup" if is_debian(host) else "dnf install device-mapper"


def restart(host: Host) -> str:
    """Load the image as at boot."""
    return f"systemctl restart {'kdump-tools' if is_debian(host) else 'kdump'}"
