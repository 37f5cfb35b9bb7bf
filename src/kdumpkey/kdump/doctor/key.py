"""Whether the volume key is in a keyring, of the right type, and for how long.

Source: keyrings(7), /proc/keys, which lists the keys that the reader may view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.image import is_loaded, recorded

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor.host import CryptDevice, Host

_WHY: Final = (
    "Every load asks the keyring for it; without it the load fails, and the image before is lost too."
)
_FIELDS: Final = 9  # serial flags usage timeout permissions uid gid type description


@dataclass(frozen=True)
class ListedKey:
    """A line of /proc/keys."""

    flags: str
    timeout: str
    uid: str
    type: str
    description: str
    permissions: int = 0


def listed_keys(host: Host) -> list[ListedKey] | None:
    """The keys that the reader may view; None: that cannot be read."""
    text = host.text("proc/keys")
    if text is None:
        return None
    rows = [line.split(None, _FIELDS - 1) for line in text.splitlines()]
    return [
        ListedKey(row[1], row[3], row[5], row[7], row[8].rpartition(": ")[0] or row[8], _hex(row[4]))
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
    return any(
        key.type == "logon" and key.description == device.description and not _problem(key)
        for key in listed_keys(host) or ()
    )


def check_key(host: Host, device: CryptDevice, *, privileged: bool, reachable: bool | None) -> list[Finding]:
    """Look for the device's key.

    Args:
        host: The machine.
        device: The device.
        privileged: Whether root's keys would be listed.
        reachable: Whether this caller's own search finds it; None: not tried.
    """
    if not device.uuid:
        what = "It has no UUID, so there is no name by which the tools would hand its key over."
        fix = "Name the key by hand: mkdir an item in configfs, and write its description."
        return [Finding("key", Verdict.UNKNOWN, what, _WHY, fix, device.name)]
    keys = listed_keys(host)
    link = (
        "cryptsetup open --test-passphrase --link-vk-to-keyring "
        f'"@u::%logon:{device.description}" {device.name}'
    )
    mine = [key for key in keys or () if key.description == device.description]
    good = [key for key in mine if key.type == "logon" and not _problem(key)]
    if keys is None or (not mine and not privileged):
        what = "This user may not see root's keys." if keys is not None else "/proc/keys cannot be read."
        return [Finding("key", Verdict.UNKNOWN, what, _WHY, "Run this as root.", device.name)]
    if good:
        return [_found(good[0], device, reachable)]
    if not mine:
        what, fix = "The key is in no keyring.", link
    elif all(key.type != "logon" for key in mine):
        what, fix = f"The key is of the type {mine[0].type}, and the kernel asks for logon.", link
    else:
        bad = next(key for key in mine if key.type == "logon")
        what, fix = f"The key {_problem(bad)}.", link
    if is_loaded(host) and device.description in recorded(host):
        what += " The image that is loaded holds it; the next load will fail."
    return [Finding("key", Verdict.BROKEN, what, _WHY, fix, device.name)]


def _found(key: ListedKey, device: CryptDevice, reachable: bool | None) -> Finding:
    if reachable is False:
        what = "The key is there, but the session keyring of this caller does not lead to it."
        fix = "keyctl link @u @s"
        return Finding("key", Verdict.WARNING, what, _WHY, fix, device.name)
    if key.timeout != "perm":
        what = f"The key is there for another {key.timeout}."
        fix = "Load within that time; for later loads, link it anew or let crypttab do so."
        return Finding("key", Verdict.WARNING, what, _WHY, fix, device.name)
    return Finding("key", Verdict.GOOD, "The key is there, as a logon key.", _WHY, "", device.name)


def _problem(key: ListedKey) -> str:
    if key.timeout == "expd":
        return "has expired"
    if "R" in key.flags:
        return "was revoked"
    return "is dead" if set(key.flags) & set("DNi") else ""
