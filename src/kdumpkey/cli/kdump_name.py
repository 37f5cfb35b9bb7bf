"""Which keys `kdump name` is about: a LUKS device's, one from a file for any mapping, or a mere name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.key_source import KeySource
from kdumpkey.errors import UsageError
from kdumpkey.kdump.arm import timeout_of
from kdumpkey.key_description import description_of

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.kernel.protocol import Kernel, NamedKey
    from kdumpkey.secret import SecretBuffer


@dataclass(frozen=True)
class KeyToName:
    """A key that is to be handed over.

    Attributes:
        device: A LUKS device, or the name of a key; None: `description` names the key.
        header: Where the device's header is.
        keys: Where its volume key comes from.
        description: The key's name; None: the usual name of the device's key.
        count: How many keys to name, numbered; None: one, without a number.
        timeout_s: When the key expires; None: as is usual for the kernel.
    """

    device: str | None
    header: HeaderChoice
    keys: KeySource
    description: str | None
    count: int | None
    timeout_s: int | None


def name_keys(
    session: Session, kernel: Kernel, wanted: KeyToName
) -> tuple[tuple[NamedKey, ...], tuple[str, ...]]:
    """Find the key and put it into the keyring, if it is to be put there, and name it.

    Args:
        session: The run.
        kernel: Where it is named.
        wanted: What the options say.

    Returns:
        The keys that were named, and warnings.

    Raises:
        UsageError: The options name no key.
        KdumpkeyError: As opening a device, the keyring, and the kernel.
    """
    word = wanted.device
    if word is not None and ":" in word and "/" not in word and not Path(word).exists():
        wanted = replace(wanted, device=None, description=word)  # a key's name, not a device
    if wanted.count == 0 or (wanted.device is None and wanted.description is None):
        raise UsageError("kdump name needs a LUKS device, or --key-description.")
    with kernel.alone(loading=False):
        if wanted.device is not None:
            description, warnings = _put_device_key(session, kernel, wanted, wanted.device)
            names = _numbered(description, wanted.count)
        else:
            names = _numbered(wanted.description or "", wanted.count)
            warnings = _put_file(kernel, wanted, names)
        return tuple(kernel.name(each) for each in names), warnings


def _put_device_key(
    session: Session, kernel: Kernel, wanted: KeyToName, device: str
) -> tuple[str, tuple[str, ...]]:
    """Unlock a LUKS device and put its key into the keyring; the key's name, and warnings."""
    # A key from a file, or one that is only named, opens no device.
    from kdumpkey.cli.opening import open_data_and_header  # noqa: PLC0415 - as above
    from kdumpkey.cli.unlocking import volume_key  # noqa: PLC0415 - as above
    from kdumpkey.luks.data_access import check_data_opens  # noqa: PLC0415 - as above

    with (
        open_data_and_header(device, wanted.header) as luks,
        volume_key(session, luks, wanted.keys) as (key, _),
    ):
        warnings = check_data_opens(luks.header, luks.device.name)
        description = wanted.description or description_of(luks.header.uuid)
        return description, (*warnings, *_put(kernel, wanted, description, key))


def _put_file(kernel: Kernel, wanted: KeyToName, names: list[str]) -> tuple[str, ...]:
    """Put the key of a file, if there is one, into the keyring under each of the names."""
    path = wanted.keys.volume_key_file
    if path is None:
        return ()
    from kdumpkey.cli.keyfile import read_key_file  # noqa: PLC0415 - most keys are in no file

    warnings: tuple[str, ...] = ()
    with read_key_file(path) as key:
        for name in names:
            warnings = _put(kernel, wanted, name, key)
    return warnings


def _put(kernel: Kernel, wanted: KeyToName, name: str, key: SecretBuffer) -> tuple[str, ...]:
    keys = kernel.keys
    return keys.put(name, key, timeout_of(keys, name, wanted.timeout_s))


def _numbered(description: str, count: int | None) -> list[str]:
    return [description] if count is None else [f"{description}-{number}" for number in range(1, count + 1)]
