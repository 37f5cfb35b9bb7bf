"""The pieces of configuration that make the hand-over work at every boot, as changes to files."""

from kdumpkey.kdump.pieces.change import Change
from kdumpkey.kdump.pieces.crypttab import crypttab
from kdumpkey.kdump.pieces.initramfs import dracut, initramfs_tools
from kdumpkey.kdump.pieces.setup import Setup
from kdumpkey.kdump.pieces.systemd import systemd
from kdumpkey.kdump.pieces.udev import udev

__all__ = ["Change", "Setup", "crypttab", "dracut", "initramfs_tools", "systemd", "udev"]
