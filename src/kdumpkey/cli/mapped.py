"""Mapping a volume under a name, for open and unlock --map: what is checked before a key is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.errors import KdumpkeyError
from kdumpkey.luks.activation import FLAGS, MappingOptions, map_volume, mapper_for
from kdumpkey.luks.configure import set_flags
from kdumpkey.luks.store import open_store
from kdumpkey.mapping.dmsetup import DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kdumpkey.cli.mapping_flags import MappingFlags
    from kdumpkey.cli.session import Session
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer

_NOT_PERSISTENT: Final = "Device activated but cannot make flags persistent."


def mapping_to(
    session: Session, luks: LuksDevice, name: str, wanted: MappingFlags, *, persistent: bool = False
) -> Callable[[SecretBuffer], str]:
    """See that the volume can be mapped; what is returned maps it with its key, and says where it then is.

    Args:
        session: The run.
        luks: The open device.
        name: The mapping's name.
        wanted: How it is mapped.
        persistent: Whether the header is to keep the flags.

    Raises:
        OverlapError: The data would begin inside the header.
        DeviceMapperError: Device-mapper is missing, or this user may not use it.
        KdumpkeyError: As `mapper_for`.
    """
    mapper = mapper_for(luks, name, session.streams.environment.get("PATH"))
    asked = {
        flag
        for flag, given in (
            ("allow_discards", wanted.allow_discards),
            ("same_cpu_crypt", wanted.same_cpu_crypt),
            ("submit_from_crypt_cpus", wanted.submit_from_crypt_cpus),
            ("no_read_workqueue", wanted.no_read_workqueue),
            ("no_write_workqueue", wanted.no_write_workqueue),
            ("high_priority", wanted.high_priority),
        )
        if given
    }

    def map_it(volume_key: SecretBuffer) -> str:
        flags = [flag for flag in FLAGS if flag in asked]
        options = MappingOptions(wanted.readonly, flags, stored_flags=not persistent)
        map_volume(mapper, luks, volume_key, name, options)
        if persistent:
            _keep_flags(session, luks, flags)
        return f"{DIRECTORY}/{name}"

    return map_it


def _keep_flags(session: Session, luks: LuksDevice, flags: Sequence[str]) -> None:
    """Write the flags into the header for the next time; the device is open whether that succeeds or not."""
    try:
        with open_store(luks.header_device.name, version=2) as store:
            set_flags(store, flags)
    except KdumpkeyError as error:
        session.complain(f"{error}\n{_NOT_PERSISTENT}" if str(error) else _NOT_PERSISTENT)
