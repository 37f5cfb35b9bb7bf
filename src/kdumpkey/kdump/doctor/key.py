"""Whether the volume key is in a keyring, of the right type, for how long, and who finds it there.

Source: keyrings(7), /proc/keys, which lists the keys that the reader may view.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.host.later_loads import moment
from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.image import is_loaded, recorded
from kdumpkey.kernel.linux.restore import DIRECTORY

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice, Host

_WHY: Final = (
    "Every load asks the keyring for it; without it the load fails, and the image before is lost too."
)
_WHY_REACH: Final = (
    "A load looks in the keyrings of whoever calls it; what those do not lead to it cannot find, and a load "
    "that fails takes the image before it along."
)
_FIELDS: Final = 9  # serial flags usage timeout permissions uid gid type description
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
ROOTS: Final = "0"


@dataclass(frozen=True)
class Reach:
    """What a search in this machine's keyrings found, as root; None: it was not tried.

    Attributes:
        caller: Whether this caller's keyrings lead to the key, or while there is none, to root's keyring.
        user: Whether root's user keyring has the key, which is where the service looks.
    """

    caller: bool | None = None
    user: bool | None = None


@dataclass(frozen=True)
class ListedKey:
    """A line of /proc/keys."""

    serial: str
    flags: str
    timeout: str
    uid: str
    type: str
    description: str
    permissions: int = 0

    @property
    def remaining_s(self) -> int | None:
        """How long it lasts at least, as far as its line tells; None: for ever, or it is over."""
        unit = _UNITS_S.get(self.timeout[-1:])
        return int(self.timeout[:-1]) * unit if unit and self.timeout[:-1].isdecimal() else None

    @property
    def problem(self) -> str:
        """Why a load could not use it; empty: it could."""
        if self.timeout == "expd":
            return "has expired"
        if "R" in self.flags:
            return "was revoked"
        return "is dead" if set(self.flags) & set("DNi") else ""


def listed_keys(host: Host) -> list[ListedKey] | None:
    """The keys that the reader may view; None: that cannot be read."""
    text = host.text("proc/keys")
    if text is None:
        return None
    rows = [line.split(None, _FIELDS - 1) for line in text.splitlines()]
    return [
        ListedKey(row[0], row[1], row[3], row[5], row[7], row[8].rpartition(": ")[0] or row[8], _hex(row[4]))
        for row in rows
        if len(row) == _FIELDS
    ]


def _hex(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0


def has_key(host: Host, device: CryptDevice) -> bool:
    """Whether a key that a load could use is listed."""
    return any(key.type == "logon" and not key.problem for key in _of(host, device))


def check_key(
    host: Host, device: CryptDevice, *, privileged: bool, reach: Reach, now: float, service: bool
) -> list[Finding]:
    """Look for the device's key, and for who finds it.

    Args:
        host: The machine.
        device: The device.
        privileged: Whether root's keys would be listed.
        reach: What a search found.
        now: Seconds since the epoch.
        service: Whether kdump's service shares root's user keyring.
    """
    if not device.uuid:
        if not device.kind:
            what, fix = "Its UUID, which its key is named by, is not known.", fixes.to_read(host, device.name)
            return [Finding("key", Verdict.UNKNOWN, what, _WHY, fix, device.name)]
        what = "It has no UUID, so there is no name by which the tools would hand its key over."
        fix = "kdumpkey kdump name DESCRIPTION, with the description of its logon key; then load."
        return [Finding("key", Verdict.UNKNOWN, what, _WHY, fix, device.name)]
    keys = listed_keys(host)
    mine = _of(host, device)
    good = [key for key in mine if key.type == "logon" and not key.problem]
    if keys is None or (not mine and not privileged):
        what = "This user may not see root's keys." if keys is not None else "/proc/keys cannot be read."
        return [Finding("key", Verdict.UNKNOWN, what, _WHY, fixes.to_read(host, "proc/keys"), device.name)]
    found = _check_reach(device, reach, good, service=service)
    if good:
        return [_lasting(good[0], device, now), *found]
    load = fixes.arm([device])
    if not mine:
        what = "The key is in no keyring."
    elif all(key.type != "logon" for key in mine):
        what = f"The key is of the type {mine[0].type}, and the kernel asks for logon."
    else:
        what = f"The key {next(key for key in mine if key.type == 'logon').problem}."
    if is_loaded(host):
        holds = "holds" if device.description in recorded(host) else "may hold"
        what += f" The image that is loaded {holds} it; the next load will fail."
    return [Finding("key", Verdict.BROKEN, what, _WHY, load, device.name), *found]


def check_items(host: Host) -> list[Finding]:
    """Look for items whose key is gone, as a killed arming leaves them; root's keys must be listed."""
    keys = listed_keys(host)
    usable = {key.description for key in keys or () if key.type == "logon" and not key.problem}
    lost = {}
    for item in host.names(DIRECTORY, "*") if keys is not None else ():
        description = (host.text(f"{DIRECTORY}/{item}/description") or "").removesuffix("\n")
        if description not in ("", "(null)") and description not in usable:
            lost[item] = description
    if not lost:
        return []
    item, description = next(iter(lost.items()))
    more = f", and {len(lost) - 1} more such" if len(lost) > 1 else ""
    what = f"The item {item} names {description}, which is in no keyring{more}."
    fix = shlex.join(["rmdir", *(f"/{DIRECTORY}/{each}" for each in lost)])
    return [Finding("items", Verdict.BROKEN, what, _WHY, fix)]


def _of(host: Host, device: CryptDevice) -> list[ListedKey]:
    return [
        key
        for key in listed_keys(host) or ()
        if key.uid == ROOTS
        and key.type in ("logon", "user", "encrypted", "trusted")
        and key.description == device.description
    ]


def _lasting(key: ListedKey, device: CryptDevice, now: float) -> Finding:
    if key.remaining_s is None:
        return Finding("key", Verdict.GOOD, "The key is there, as a logon key.", _WHY, "", device.name)
    end = moment(now + key.remaining_s)
    what = f"The key expires in {key.timeout}, about {end}; what is loaded until then keeps it."
    fix = f"keyctl timeout 0x{key.serial} 0"
    return Finding("key", Verdict.WARNING, what, _WHY, fix, device.name)


def _check_reach(device: CryptDevice, reach: Reach, good: list[ListedKey], *, service: bool) -> list[Finding]:
    """Whether this caller, and kdump's service, find the key."""
    found = []
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
        what = "A load by this caller would look where the key belongs."
        found.append(Finding("reach", Verdict.GOOD, what, _WHY_REACH, "", device.name))
    return found
