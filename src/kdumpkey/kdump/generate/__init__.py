"""The pieces of configuration that make the hand-over work at every boot, as changes to files."""

from kdumpkey.kdump.generate.change import Change
from kdumpkey.kdump.generate.crypttab import crypttab
from kdumpkey.kdump.generate.initramfs import dracut, initramfs_tools
from kdumpkey.kdump.generate.kdump_conf import kdump_conf
from kdumpkey.kdump.generate.setup import Setup
from kdumpkey.kdump.generate.systemd import systemd
from kdumpkey.kdump.generate.udev import udev

__all__ = ["Change", "Setup", "crypttab", "dracut", "initramfs_tools", "kdump_conf", "systemd", "udev"]
