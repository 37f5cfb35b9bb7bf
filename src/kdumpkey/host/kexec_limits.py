"""What keeps a machine from loading another kernel until it restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdumpkey.host.host import Host


def forbidden(host: Host) -> str:
    """What keeps everybody from loading an image until the machine restarts; empty: nothing.

    Source: the kernel's documentation, admin-guide/sysctl/kernel.
    """
    if host.word("proc/sys/kernel/kexec_load_disabled") == "1":
        return "kernel.kexec_load_disabled is 1"
    if host.word("proc/sys/kernel/kexec_load_limit_panic") == "0":
        return "kernel.kexec_load_limit_panic is 0"
    return ""
