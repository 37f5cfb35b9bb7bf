"""The kernel's interface for keys in configfs: where it is, and how to tell that configfs is mounted.

It imports nothing, because the program of the kdump kernel needs these names when every import takes time.

Source: kernel documentation, filesystems/configfs, and admin-guide/kdump.
"""

from typing import Final

MOUNT_POINT: Final = "sys/kernel/config"
NAME: Final = "crash_dm_crypt_keys"
DIRECTORY: Final = f"{MOUNT_POINT}/{NAME}"
NO_DESCRIPTION: Final = ("", "(null)")  # what an item's description reads as before one is written


def is_mounted(mounts: str) -> bool:
    """Whether configfs is mounted in its place.

    Args:
        mounts: The text of /proc/mounts.
    """
    return any(line.split()[1:3] == [f"/{MOUNT_POINT}", "configfs"] for line in mounts.splitlines())
