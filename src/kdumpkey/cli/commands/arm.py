"""kdump arm: have this machine's own kernel hand volume keys over."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import SomeDevices
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.image_choice import ImageChoice
from kdumpkey.cli.key_source import KeySource, UnlockSource
from kdumpkey.cli.machines import this_kernel
from kdumpkey.cli.opening import open_data_and_header
from kdumpkey.cli.options import FromKeyring, Json, KeyTimeout, MountConfigfs, VolumeKeyFile
from kdumpkey.cli.session import Run, Session
from kdumpkey.cli.unlocking import volume_key
from kdumpkey.errors import KeyNotFoundError, NothingToReadError
from kdumpkey.kdump.arm import KeyToArm, ready
from kdumpkey.kdump.arm import arm as arm_keys
from kdumpkey.kdump.freshness import origin_of
from kdumpkey.key_description import description_of
from kdumpkey.luks.data_access import check_data_opens

if TYPE_CHECKING:
    from kdumpkey.kernel.protocol import Keys
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer


app = typer.Typer()


@action(app, "arm", "<device> ...", example="kdumpkey kdump arm /dev/sda2 --key-file sda2.key")
def arm(
    run: Run,
    devices: SomeDevices,
    header: HeaderChoice,
    source: UnlockSource,
    image_choice: ImageChoice,
    volume_key_file: VolumeKeyFile = None,
    key_timeout: KeyTimeout = None,
    from_keyring: FromKeyring = False,
    mount_configfs: MountConfigfs = False,
    as_json: Json = False,
) -> None:
    """Unlock every device, or find its key, then load a crash image with all of the keys."""
    session = run.begin()
    keys_of = None if from_keyring else KeySource(unlock=source, volume_key_file=volume_key_file)
    kernel = this_kernel(mount_configfs=mount_configfs)
    ready(kernel)
    image = kernel.complete(image_choice.wanted)
    kernel.check(image)
    with ExitStack() as stack:
        wanted = []
        for device in devices:
            luks = stack.enter_context(open_data_and_header(device, header))
            for warning in check_data_opens(luks.header, luks.device.name):
                session.complain(f"WARNING: {warning}")
            description = description_of(luks.header.uuid)
            key = _key(session, luks, keys_of, kernel.keys, stack)
            origin = origin_of(luks, key, description, luks.device.name, header.header or "")
            wanted.append(KeyToArm(description, key, origin))
        loaded = arm_keys(kernel, wanted, image, timeout_s=key_timeout)
    names = [key.description for key in loaded.keys or ()]
    for warning in loaded.warnings:
        session.complain(f"WARNING: {warning}")
    if as_json:
        session.say(json.dumps({"keys": names, "warnings": list(loaded.warnings)}))
        return
    session.say(f"Loaded {image.kernel} with {len(names)} key{'' if len(names) == 1 else 's'}.")
    for name in names:
        session.say(f"  {name}")


def _key(
    session: Session,
    luks: LuksDevice,
    source: KeySource | None,
    keys: Keys,
    stack: ExitStack,
) -> SecretBuffer | None:
    """The device's key, checked; None: the keyring has it as a logon key, which nobody can read.

    A key in the keyring is trusted only if the user asked for that, or gave nothing else.
    """
    description = description_of(luks.header.uuid)
    if source is not None:
        try:
            return stack.enter_context(volume_key(session, luks, source))[0]
        except NothingToReadError:
            if keys.errno_of(description) and not _is_user_key(keys, description):
                raise
            session.complain(f"No passphrase was given: the key {description} is taken from the keyring.")
    key = keys.read("user", description)
    if key is not None:
        stack.enter_context(key)
        luks.verify(key)
        return key
    if number := keys.errno_of(description):
        raise KeyNotFoundError(f"The key {description} is not in the keyring.", number)
    session.complain(f"WARNING: {description} is a logon key: whether it opens the device cannot be checked.")
    return None


def _is_user_key(keys: Keys, description: str) -> bool:
    key = keys.read("user", description)
    if key is None:
        return False
    key.close()
    return True
