"""Mapping a volume under a name, for open and unlock --map: what is checked before a key is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.cli.commands.mapping import device_mapper
from kdumpkey.errors import DeviceMapperError, UsageError
from kdumpkey.mapping.dmsetup import DIRECTORY, running_as_root
from kdumpkey.ops.map import FLAGS, check_mappable, map_volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdumpkey.cli.session import Session
    from kdumpkey.ops.open import LuksDevice
    from kdumpkey.secret import SecretBuffer

_NOT_DONE: Final = ("refresh", "persistent")


def mapping_to(session: Session, luks: LuksDevice, name: str) -> Callable[[SecretBuffer], str]:
    """See that the volume can be mapped; what is returned maps it with its key, and says where it then is.

    Raises:
        DeviceMapperError: There is no device-mapper, or not for this user.
        KdumpkeyError: As `check_mappable`.
    """
    options = session.invocation
    for option in _NOT_DONE:
        if options.flag(option):
            raise UsageError(f"kdumpkey does not do open --{option}; cryptsetup does.")
    if options.flag("disable-keyring"):
        raise UsageError("kdumpkey gives dm-crypt a key by the kernel's keyring alone, never in the table.")
    try:
        mapper = device_mapper(session)
    except DeviceMapperError as error:
        lines = [str(error), f"Cannot use device {name}, name is invalid or still in use."]
        if running_as_root():
            lines.append(f"kdumpkey unlock {luks.device.name} --to FILE decrypts without device-mapper.")
        raise DeviceMapperError("\n".join(lines)) from error
    check_mappable(mapper, luks, name)

    def map_it(volume_key: SecretBuffer) -> str:
        flags = [flag for flag in FLAGS if options.flag(_option_of(flag))]
        map_volume(mapper, luks, volume_key, name, readonly=options.flag("readonly"), flags=flags)
        return f"{DIRECTORY}/{name}"

    return map_it


def _option_of(flag: str) -> str:
    return "allow-discards" if flag == "allow_discards" else f"perf-{flag}"
