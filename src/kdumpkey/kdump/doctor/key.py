"""Whether the volume key is in a keyring, of which type, for how long, and who can find it there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from kdumpkey.host.configfs import DIRECTORY, NO_DESCRIPTION
from kdumpkey.host.later_loads import moment
from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.key_description import description_of

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice
    from kdumpkey.host.keys import ListedKey
    from kdumpkey.kdump.facts.host_facts import DeviceFacts, HostFacts

_WHY: Final = (
    "Every load asks the keyring for it; without it the load fails, and the previous image is lost too."
)
_WHY_REACH: Final = (
    "A load searches only the keyrings of its caller; if it does not find the key it fails, and a load that "
    "fails destroys the previous image."
)


def check_key(facts: HostFacts, about: DeviceFacts) -> list[Finding]:
    """Judge the device's key, and who can find it."""
    device = about.device
    if not device.uuid:
        return [_nameless(facts, device)]
    mine, good = facts.keys_named(about.names), facts.usable(about.names)
    if facts.keys is None or (not mine and not facts.privileged):
        what = (
            "This user may not see root's keys." if facts.keys is not None else "/proc/keys cannot be read."
        )
        fix = fixes.to_read(facts.system, "proc/keys")
        return [Finding("key", Verdict.UNKNOWN, what, _WHY, fix, device.name)]
    found = _check_reach(facts, about, good)
    if good:
        return [_lasting(facts, good[0], about), *found]
    if not mine:
        what = "The key is in no keyring."
    elif all(key.type != "logon" for key in mine):
        what = f"The key is of the type {mine[0].type}, and the kernel asks for logon."
    else:
        what = f"The key {next(key for key in mine if key.type == 'logon').problem}."
    if facts.memory.is_loaded:
        holds = "may hold" if facts.record.descriptions.isdisjoint(about.names) else "holds"
        what += f" The image that is loaded {holds} it; the next load will fail."
    return [Finding("key", Verdict.BROKEN, what, _WHY, fixes.arm([device]), device.name), *found]


def check_items(facts: HostFacts) -> list[Finding]:
    """Look for items whose key is gone, which a killed arming leaves; only root can tell."""
    if facts.keys is None or not facts.privileged:
        return []
    usable = {key.description for key in facts.keys if key.type == "logon" and not key.problem}
    lost = [
        item
        for item in facts.interface.items
        if item.description is not None and item.description not in {*NO_DESCRIPTION, *usable}
    ]
    if not lost:
        return []
    more = f", and {len(lost) - 1} more such" if len(lost) > 1 else ""
    what = f"The item {lost[0].name} names {lost[0].description}, which is in no keyring{more}."
    fix = shlex.join(["rmdir", *(f"/{DIRECTORY}/{each.name}" for each in lost)])
    return [Finding("items", Verdict.BROKEN, what, _WHY, fix)]


def _nameless(facts: HostFacts, device: CryptDevice) -> Finding:
    if not device.kind:
        what = "Its UUID, by which its key is named, is not known."
        fix = fixes.to_read(facts.system, device.name)
        return Finding("key", Verdict.UNKNOWN, what, _WHY, fix, device.name)
    what = "It has no UUID, so the tools have no name by which to hand its key over."
    fix = "kdumpkey kdump name DESCRIPTION, with the description of its logon key; then load."
    return Finding("key", Verdict.UNKNOWN, what, _WHY, fix, device.name)


def _lasting(facts: HostFacts, key: ListedKey, about: DeviceFacts) -> Finding:
    device = about.device
    if key.remaining_s is None:
        what = "The key is there, as a logon key."
        if key.description != description_of(device.uuid):
            what = f"The key is there, as the logon key {key.description}, and the kernel is told of it."
        return Finding("key", Verdict.GOOD, what, _WHY, "", device.name)
    end = moment(facts.now + key.remaining_s)
    what = f"The key expires in {key.timeout}, about {end}; what is loaded until then keeps it."
    fix = f"keyctl timeout 0x{key.serial} 0"
    return Finding("key", Verdict.WARNING, what, _WHY, fix, device.name)


def _check_reach(facts: HostFacts, about: DeviceFacts, good: list[ListedKey]) -> list[Finding]:
    """Whether this caller, and kdump's service, find the key."""
    found, reach, device = [], about.reach, about.device
    service = facts.shares_keyring
    if good and reach.user is False:
        what = "The key is in another keyring than root's user keyring, where kdump's service looks."
        verdict = Verdict.WARNING if reach.caller else Verdict.BROKEN
        fix = f"keyctl link 0x{good[0].serial} @u"
        found.append(Finding("reach", verdict, what, _WHY_REACH, fix, device.name))
    if reach.caller is False:
        what = "The session keyring of this caller does not lead to root's user keyring: a load by it fails."
        verdict = Verdict.WARNING if service else Verdict.BROKEN
        if service:
            what += " kdump's service would find the key there."
        found.append(Finding("reach", verdict, what, _WHY_REACH, "keyctl link @u @s", device.name))
    elif reach.caller and not found:
        what = "A load by this caller searches the keyring that the key belongs in."
        found.append(Finding("reach", Verdict.GOOD, what, _WHY_REACH, "", device.name))
    return found
