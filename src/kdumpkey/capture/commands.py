"""What the program does: restore the keys, take the volume's, and open, check or save by it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kdumpkey.key_description import description_of
from kdumpkey.luks.data_access import warnings_of
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.words import device_path, refusing

if TYPE_CHECKING:
    from os import PathLike

    from kdumpkey.capture.arguments import Arguments
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer
    from kdumpkey.streams import Streams

    Root = str | PathLike[str]


def run(arguments: Arguments, streams: Streams, root: Root) -> None:
    """Do what a command line says.

    Args:
        arguments: The command line.
        streams: Where to say what was done.
        root: Where the kernel's files are.

    Raises:
        WrongKeyError: No key was handed over, or none that opens the volume.
        KdumpkeyError: As the command's own functions.
    """
    match arguments.action, arguments.operands:
        case "open", (device, name):
            _open(arguments, streams, root, device, name)
        case "test", (device,):
            _test(arguments, streams, root, device)
        case "save", (device, file):
            _save(arguments, streams, root, device, file)
        case _:
            _restore(root)


def _open(arguments: Arguments, streams: Streams, root: Root, device: str, name: str) -> None:
    from kdumpkey.luks.activation import MappingOptions, map_volume, mapper_for  # noqa: PLC0415 - no other action maps

    with _opened(arguments, streams, device) as luks:
        mapper = mapper_for(luks, name, streams.environment.get("PATH"))
        with _volume_key(arguments, streams, root, luks) as key:
            _warn(streams, luks)
            map_volume(mapper, luks, key, name, MappingOptions(readonly=arguments.readonly))


def _test(arguments: Arguments, streams: Streams, root: Root, device: str) -> None:
    with _opened(arguments, streams, device) as luks, _volume_key(arguments, streams, root, luks):
        _warn(streams, luks)


def _save(arguments: Arguments, streams: Streams, root: Root, device: str, file: str) -> None:
    from kdumpkey.volume.save import save_file, saved_line  # noqa: PLC0415 - the other actions write nothing

    with open_luks(device_path(device), header=arguments.header, writable=True) as luks:
        with _volume_key(arguments, streams, root, luks) as key, luks.volume(key) as volume:
            key.close()  # the volume has its own
            nbytes = save_file(volume, file)
        luks.device.sync()
        streams.say(saved_line(nbytes, file, luks.device.name))


def _restore(root: Root) -> None:
    from kdumpkey.kernel.linux.restore import restore_keys  # noqa: PLC0415 - a volume key from a file needs none

    restore_keys(root)


def _opened(arguments: Arguments, streams: Streams, device: str) -> LuksDevice:
    path = device_path(device)
    with refusing(arguments.header or path):
        luks = open_luks(path, header=arguments.header, cut_short=True, salvage=True)
    for line in luks.losses:
        streams.complain(line)
    return luks


def _volume_key(arguments: Arguments, streams: Streams, root: Root, luks: LuksDevice) -> SecretBuffer:
    """The volume key, checked."""
    if (path := arguments.volume_key_file) is not None:
        from kdumpkey.luks.volume_key_file import read_volume_key  # noqa: PLC0415 - keys handed over are in no file

        key = read_volume_key(path, luks.header, arguments.key_size_bits)
        try:
            luks.verify(key)
        except BaseException:
            key.close()
            raise
        source = path
    else:
        from kdumpkey.luks.restored_key import restored_key  # noqa: PLC0415 - a key from a file needs no keyring

        source = arguments.key_description or description_of(luks.header.uuid)
        key = restored_key(partial(_restore, root), luks, source)
    if arguments.verbose:
        streams.say(f"The volume key of {luks.device.name} is {source}.")
    return key


def _warn(streams: Streams, luks: LuksDevice) -> None:
    for warning in warnings_of(luks):
        streams.complain(f"WARNING: {warning}")
