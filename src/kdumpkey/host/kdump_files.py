"""Where distributions keep the kernel and the initramfs that kdump loads; ``{}`` stands for the release.

Source: kdump-utils' prepare_kdump_bootinfo; kdump-config of Debian's kdump-tools; SUSE's kdump(7).
"""

from __future__ import annotations

from typing import Final

KERNELS: Final = (
    "boot/vmlinuz-{}",
    "usr/lib/modules/{}/vmlinuz",
    "lib/modules/{}/vmlinuz",
    "boot/vmlinux-{}",
    "var/lib/kdump/kernel",
)
INITRAMFS: Final = (
    "boot/initramfs-{}kdump.img",
    "var/lib/kdump/initramfs-{}kdump.img",
    "boot/initrd-{}kdump",
    "boot/initrd-{}-kdump",
    "boot/initrdkdump",
    "var/lib/kdump/initrd.img-{}",
    "var/lib/kdump/initrd.img",
    "var/lib/kdump/initramfs-tools/initrd.img-{}",
    "var/lib/kdump/initrd",
)
