"""The commands that the doctor advises, as each distribution has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from kdumpkey.host.system import Family, System
from kdumpkey.kdump.doctor import fixes

FEDORA: Final = System(True, "6.17", "x86_64", Family.RED_HAT, "fedora")
SYSTEMS: Final = {
    "fedora": FEDORA,
    "silverblue": replace(FEDORA, ostree=True),
    "uki": replace(FEDORA, uki="boot/efi/EFI/Linux/my image.efi"),
    "debian": System(True, "6.12", "x86_64", Family.DEBIAN, "debian"),
    "suse": System(True, "6.4", "x86_64", Family.SUSE, "sles"),
    "other": System(True, "6.1", "x86_64", Family.OTHER, "arch"),
}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("fedora", "grubby --update-kernel=ALL --args=crashkernel=256M && reboot"),
        ("silverblue", "rpm-ostree kargs --append=crashkernel=256M && systemctl reboot"),
        (
            "uki",
            "ukify build --cmdline=crashkernel=256M "
            "--output='/boot/efi/EFI/Linux/my image.efi.extra.d/crashkernel.addon.efi' && reboot",
        ),
        (
            "debian",
            "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=256M\"' "
            "> /etc/default/grub.d/kdump-tools.cfg && update-grub && reboot",
        ),
        (
            "suse",
            "update-bootloader --add-option crashkernel=256M && update-bootloader --config && reboot",
        ),
    ],
)
def test_memory_is_reserved_where_the_boot_loader_takes_it_from(name: str, wanted: str) -> None:
    assert fixes.reserve(SYSTEMS[name], "256M") == wanted


def test_what_is_reserved_already_is_replaced_on_ostree() -> None:
    system = replace(SYSTEMS["silverblue"], command_line=("ro", "crashkernel=128M"))
    assert "--replace=crashkernel=256M" in fixes.reserve(system, "256M")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("fedora", "grubby --update-kernel=ALL --args='rd.luks.name=a b' && reboot"),
        ("silverblue", "rpm-ostree kargs --replace='rd.luks.name=a b' && systemctl reboot"),
        (
            "uki",
            "ukify build --cmdline='rd.luks.name=a b' "
            "--output='/boot/efi/EFI/Linux/my image.efi.extra.d/luks.addon.efi' && reboot",
        ),
        (
            "debian",
            "Put rd.luks.name=a b into GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub && reboot",
        ),
        (
            "suse",
            "update-bootloader --add-option 'rd.luks.name=a b' && update-bootloader --config && reboot",
        ),
    ],
)
def test_a_kernel_argument_is_quoted_for_the_shell(name: str, wanted: str) -> None:
    assert fixes.kernel_argument(SYSTEMS[name], "rd.luks.name=a b") == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("fedora", "grubby --update-kernel=ALL --remove-args=nokaslr && reboot"),
        ("silverblue", "rpm-ostree kargs --delete=nokaslr && systemctl reboot"),
        ("uki", "Build /boot/efi/EFI/Linux/my image.efi without nokaslr in its command line; reboot"),
        (
            "debian",
            "Take nokaslr out of /etc/default/grub and its .d directory, then update-grub && reboot",
        ),
        ("suse", "update-bootloader --del-option nokaslr && update-bootloader --config && reboot"),
    ],
)
def test_a_kernel_argument_is_taken_away(name: str, wanted: str) -> None:
    assert fixes.without_argument(SYSTEMS[name], "nokaslr") == wanted


@pytest.mark.parametrize(
    ("name", "install", "kdump", "upgrade"),
    [
        (
            "fedora",
            "dnf install jq",
            "dnf install kdump-utils && systemctl enable --now kdump",
            "dnf upgrade jq, from a release of the distribution that has 2 or newer",
        ),
        (
            "silverblue",
            "rpm-ostree install jq && systemctl reboot",
            "rpm-ostree install kdump-utils && systemctl reboot, then systemctl enable --now kdump",
            "rpm-ostree upgrade && systemctl reboot, to a release that has jq 2 or newer",
        ),
        (
            "debian",
            "apt-get install jq",
            "apt-get install kdump-tools",
            "apt-get install jq, from a release of the distribution that has 2 or newer",
        ),
        (
            "suse",
            "zypper install jq",
            "zypper install kdump && systemctl enable --now kdump",
            "zypper update jq, from a release of the distribution that has 2 or newer",
        ),
        (
            "other",
            "dnf install jq",
            "",
            "dnf upgrade jq, from a release of the distribution that has 2 or newer",
        ),
    ],
)
def test_packages_come_from_the_distributions_own_tool(
    name: str, install: str, kdump: str, upgrade: str
) -> None:
    system = SYSTEMS[name]
    assert fixes.install(system, "jq") == install
    assert fixes.install_kdump(system) == kdump
    assert fixes.upgrade(system, "jq", "2") == upgrade


def test_packages_that_debian_calls_otherwise_have_its_names() -> None:
    debian, fedora = SYSTEMS["debian"], SYSTEMS["fedora"]
    assert fixes.install_cryptsetup(debian) == "apt-get install cryptsetup-initramfs"
    assert fixes.install_cryptsetup(fedora) == "dnf install cryptsetup"
    assert fixes.install_dmsetup(debian) == "apt-get install dmsetup"
    assert fixes.install_dmsetup(fedora) == "dnf install device-mapper"


@pytest.mark.parametrize(
    ("name", "rebuild", "restart", "fadump"),
    [
        ("fedora", "kdumpctl rebuild", "systemctl restart kdump", "grubby --update-kernel=ALL"),
        ("silverblue", "kdumpctl rebuild", "systemctl restart kdump", "--delete-if-present=fadump=on"),
        ("suse", "mkdumprd -f", "systemctl restart kdump", "grubby --update-kernel=ALL"),
        (
            "debian",
            "/etc/kernel/postinst.d/kdump-tools 6.12",
            "systemctl restart kdump-tools",
            "grubby --update-kernel=ALL",
        ),
    ],
)
def test_the_image_is_made_and_loaded_by_the_distributions_kdump(
    name: str, rebuild: str, restart: str, fadump: str
) -> None:
    system = SYSTEMS[name]
    assert fixes.rebuild(system) == rebuild
    assert fixes.restart(system) == restart
    assert fadump in fixes.without_fadump(system)


def test_the_release_is_asked_for_where_it_is_not_known() -> None:
    unknown = replace(SYSTEMS["debian"], release="")
    assert fixes.rebuild(unknown) == "/etc/kernel/postinst.d/kdump-tools $(uname -r)"


def test_modules_and_units_are_named_to_what_makes_the_initramfs() -> None:
    debian, fedora = SYSTEMS["debian"], SYSTEMS["fedora"]
    assert fixes.add_module(debian, "dm-crypt") == "echo dm-crypt >> /etc/initramfs-tools/modules"
    assert fixes.add_module(fedora, "dm-crypt") == (
        "echo 'add_drivers+=\" dm_crypt \"' > /etc/dracut.conf.d/dm_crypt.conf"
    )
    assert "/etc/initramfs-tools/hooks" in fixes.add_units(debian)
    assert "/usr/lib/systemd/system/sys-kernel-config.mount" in fixes.add_units(fedora)


def test_a_file_that_could_not_be_read_is_read_as_root_or_copied_into_the_tree() -> None:
    assert fixes.to_read(FEDORA, "etc/crypttab") == "sudo -i kdumpkey kdump doctor"
    elsewhere = replace(FEDORA, is_here=False)
    assert fixes.to_read(elsewhere, "/etc/crypttab") == (
        "Copy the machine's /etc/crypttab into the tree, as root."
    )
