"""The commands that fix what was found, for the machine's distribution."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kdumpkey.host.system import Family
from kdumpkey.host.units import ARM_SERVICE

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice
    from kdumpkey.host.system import System
    from kdumpkey.kdump.facts.host_facts import HostFacts

_GRUB_SETTINGS: Final = "/etc/default/grub.d/kdump-tools.cfg"
_UPGRADE: Final = {
    Family.RED_HAT: "dnf upgrade",
    Family.DEBIAN: "apt-get install",
    Family.SUSE: "zypper update",
    Family.OTHER: "dnf upgrade",
}
_INSTALL: Final = {
    Family.RED_HAT: "dnf",
    Family.DEBIAN: "apt-get",
    Family.SUSE: "zypper",
    Family.OTHER: "dnf",
}


def to_read(system: System, path: str) -> str:
    """Get a file read that this user cannot read."""
    if system.is_here:
        return "sudo -i kdumpkey kdump doctor"
    return f"Copy the machine's /{path.lstrip('/')} into the tree, as root."


def see_sysfs(facts: HostFacts, path: str) -> str:
    """Get a file of sysfs read that this user cannot read."""
    return "mount -t sysfs sysfs /sys" if facts.memory.sysfs is False else to_read(facts.system, path)


def arm(devices: Sequence[CryptDevice]) -> str:
    """Unlock the devices, and load the image with their keys."""
    return shlex.join(["kdumpkey", "kdump", "arm", *(device.name for device in devices)])


def arm_at_boot(facts: HostFacts) -> str:
    """Install the drop-in and the service that arms."""
    names = " ".join(device.name for device in facts.crypts)
    command = f"kdumpkey kdump generate systemd --apply {names}"
    return f"{command} && systemctl daemon-reload && systemctl enable --now {ARM_SERVICE}"


def by_kdump_utils(facts: HostFacts) -> bool:
    """Whether kdump-utils add the hook and the list of devices to each kdump initramfs."""
    tools = facts.kdump_utils
    return tools.knows_keys and (facts.system.arch == "x86_64" or not tools.only_x86_64)


def without_kdump_utils(facts: HostFacts) -> str:
    """Generate what kdump-utils do not do: the hook, and the load."""
    names = [device.name for device in facts.crypts]
    hook = shlex.join(["kdumpkey", "kdump", "generate", "dracut", "--apply", *names])
    conf = shlex.join(["kdumpkey", "kdump", "generate", "kdump.conf", "--apply", *names])
    return f"{hook} && {conf} && {rebuild(facts.system)} && {arm_at_boot(facts)}"


def crypttab(system: System, device: CryptDevice) -> str:
    """Link the key at every boot; the machine's own initramfs has a copy of crypttab."""
    made = shlex.join(["kdumpkey", "kdump", "generate", "crypttab", "--apply", device.name])
    if system.ostree:
        return f"{made} && rpm-ostree initramfs-etc --track=/etc/crypttab && systemctl reboot"
    return f"{made} && {'update-initramfs -u' if system.is_debian else 'dracut -f'}"


def rebuild(system: System) -> str:
    """Rebuild the kdump initramfs, for the next load."""
    if system.is_debian:
        return f"/etc/kernel/postinst.d/kdump-tools {system.release or '$(uname -r)'}"
    return "mkdumprd -f" if system.is_suse else "kdumpctl rebuild"


def reserve(system: System, size: str) -> str:
    """Boot with that much memory reserved."""
    if system.ostree:
        given = any(word.startswith("crashkernel=") for word in system.command_line)
        return f"rpm-ostree kargs --{'replace' if given else 'append'}=crashkernel={size} && systemctl reboot"
    if system.uki:
        addon = shlex.quote(f"/{system.uki}.extra.d/crashkernel.addon.efi")
        return f"ukify build --cmdline=crashkernel={size} --output={addon} && reboot"
    if system.is_debian:
        setting = f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel={size}"'
        return f"echo '{setting}' > {_GRUB_SETTINGS} && update-grub && reboot"
    if system.is_suse:
        return f"update-bootloader --add-option crashkernel={size} && update-bootloader --config && reboot"
    return f"grubby --update-kernel=ALL --args=crashkernel={size} && reboot"


def kernel_argument(system: System, argument: str) -> str:
    """Boot with an argument, in place of any of the same name."""
    if system.ostree:
        return f"rpm-ostree kargs --replace={shlex.quote(argument)} && systemctl reboot"
    if system.uki:
        addon = shlex.quote(f"/{system.uki}.extra.d/luks.addon.efi")
        return f"ukify build --cmdline={shlex.quote(argument)} --output={addon} && reboot"
    if system.is_debian:
        return f"Put {argument} into GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub && reboot"
    if system.is_suse:
        option = shlex.quote(argument)
        return f"update-bootloader --add-option {option} && update-bootloader --config && reboot"
    return f"grubby --update-kernel=ALL --args={shlex.quote(argument)} && reboot"


def without_argument(system: System, argument: str) -> str:
    """Boot without an argument."""
    if system.ostree:
        return f"rpm-ostree kargs --delete={argument} && systemctl reboot"
    if system.uki:
        return f"Build /{system.uki} without {argument} in its command line; reboot"
    if system.is_debian:
        return f"Take {argument} out of /etc/default/grub and its .d directory, then update-grub && reboot"
    if system.is_suse:
        return f"update-bootloader --del-option {argument} && update-bootloader --config && reboot"
    return f"grubby --update-kernel=ALL --remove-args={argument} && reboot"


def without_fadump(system: System) -> str:
    """Boot with kdump instead of fadump."""
    if system.ostree:
        return "Use kdump instead: rpm-ostree kargs --delete-if-present=fadump=on && systemctl reboot"
    return "Use kdump instead: grubby --update-kernel=ALL --remove-args=fadump && reboot"


def install(system: System, package: str) -> str:
    """Install a package that has the same name in every distribution."""
    if system.ostree:
        return f"rpm-ostree install {package} && systemctl reboot"
    return f"{_INSTALL[system.family]} install {package}"


def upgrade(system: System, package: str, version: str) -> str:
    """Get a newer version of a package."""
    if system.ostree:
        return f"rpm-ostree upgrade && systemctl reboot, to a release that has {package} {version} or newer"
    return (
        f"{_UPGRADE[system.family]} {package}, from a release of the distribution that has {version} or newer"
    )


def install_kdump(system: System) -> str:
    """Install kdump's tools; empty: the distribution's name for them is not known."""
    match system.family:
        case Family.DEBIAN:
            return install(system, "kdump-tools")
        case Family.SUSE:
            return f"{install(system, 'kdump')} && systemctl enable --now kdump"
        case Family.RED_HAT if system.ostree:
            return "rpm-ostree install kdump-utils && systemctl reboot, then systemctl enable --now kdump"
        case Family.RED_HAT:
            return f"{install(system, 'kdump-utils')} && systemctl enable --now kdump"
        case Family.OTHER:
            return ""


def install_cryptsetup(system: System) -> str:
    """Install the program that opens devices, and what puts it into an initramfs."""
    return install(system, "cryptsetup-initramfs" if system.is_debian else "cryptsetup")


def install_dmsetup(system: System) -> str:
    """Install the program that makes mappings."""
    return install(system, "dmsetup" if system.is_debian else "device-mapper")


def add_module(system: System, module: str) -> str:
    """Add a kernel module to the initramfs."""
    if system.is_debian:
        return f"echo {module} >> /etc/initramfs-tools/modules"
    name = module.replace("-", "_")
    return f"echo 'add_drivers+=\" {name} \"' > /etc/dracut.conf.d/{name}.conf"


def add_units(system: System) -> str:
    """Add the units that mount configfs to the initramfs."""
    folder = "/usr/lib/systemd/system"
    if system.is_debian:
        return "Have a hook of /etc/initramfs-tools/hooks copy sys-kernel-config.mount and modprobe@.service"
    items = f"{folder}/sys-kernel-config.mount {folder}/modprobe@.service"
    return f"echo 'install_items+=\" {items} \"' > /etc/dracut.conf.d/configfs.conf"


def without_crypt(facts: HostFacts) -> str:
    """Rebuild the kdump initramfs so that it asks for no passphrase."""
    load = arm(facts.crypts) if facts.devices else restart(facts.system)
    if facts.kdump_utils.configured:
        return f"Add dracut_args --omit crypt to /etc/kdump.conf, then {rebuild(facts.system)} && {load}"
    return f"Take the device out of the initramfs's crypttab, then {rebuild(facts.system)} && {load}"


def restart(system: System) -> str:
    """Load the image as at boot."""
    return f"systemctl restart {'kdump-tools' if system.is_debian else 'kdump'}"
