"""What the kdump-utils that are installed can do for encrypted targets, by their own scripts.

Source: kdump-utils: kdumpctl (prepare_luks, setup_crypttab), dracut/99kdumpbase (kdump_check_crypt_targets),
kdump-udev-throttler.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.host.settings import KDUMP_CONF

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_HOOK: Final = "kexec-crypt-setup.sh"
_MODULES: Final = "usr/lib/dracut/modules.d"
_KDUMPCTL: Final = ("usr/bin/kdumpctl", "usr/sbin/kdumpctl", "bin/kdumpctl", "sbin/kdumpctl")
_GATE: Final = re.compile(r"uname -m[^\n]*!=[^\n]*x86_64")
_THROTTLERS: Final = ("usr/lib/udev/kdump-udev-throttler", "lib/udev/kdump-udev-throttler")
_INVERTED: Final = re.compile(r"\[\[? -[ef] \S*REUSE\S* \]\]? *\|\|")
_RULES: Final = ("98-kexec.rules", "50-kdump-tools.rules")
_SHIPPED: Final = ("usr/lib/udev/rules.d", "lib/udev/rules.d")
_KERNEL_DOES_IT: Final = ("cpu", "memory")


@dataclass(frozen=True)
class KdumpUtils:
    """kdump-utils, as installed.

    Attributes:
        configured: kdump.conf exists, so that they manage kdump here.
        knows_keys: They are of a version that can hand keys over.
        only_x86_64: They do so on x86_64 alone, or kdumpctl cannot be read, and all so far do.
        forgets_on_hotplug: A hot-plug of processors or memory reloads the image, without its keys once these
            are no longer in the keyring.
    """

    configured: bool
    knows_keys: bool
    only_x86_64: bool
    forgets_on_hotplug: bool


def read_kdump_utils(host: Host) -> KdumpUtils:
    """Read their scripts."""
    kdumpctl = next((text for path in _KDUMPCTL if (text := host.text(path))), None)
    knows = any(host.exists(f"{_MODULES}/{name}/{_HOOK}") for name in host.names(_MODULES, "*kdumpbase"))
    return KdumpUtils(
        host.exists(KDUMP_CONF),
        knows,
        kdumpctl is None or _GATE.search(kdumpctl) is not None,
        _forgets(host),
    )


def _forgets(host: Host) -> bool:
    """Whether hot-plug reloads by a script that should reuse the keys, and never does."""
    text = next((text for path in _THROTTLERS if (text := host.text(path))), "")
    if _INVERTED.search(text) is None:
        return False
    if any(host.exists(f"etc/udev/rules.d/{name}") for name in _RULES):
        return False  # kdump generate udev puts a rule of its own there
    kernel = [host.word(f"sys/devices/system/{what}/crash_hotplug") == "1" for what in _KERNEL_DOES_IT]
    return not all(kernel)
