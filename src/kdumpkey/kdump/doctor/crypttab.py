"""Whether crypttab has the volume key put where kdump's service finds it, at every boot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.target import block_name

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor.host import CryptDevice, Host

_WHY: Final = "Nobody puts the key into the keyring then, so the image is loaded without it, or not at all."
_OPTION: Final = "link-volume-key="


def check_crypttab(host: Host, device: CryptDevice, *, has_key: bool) -> list[Finding]:
    """Find the device's line, by any of its names, and read where it has the key linked."""
    if not device.uuid:
        return []
    wanted = f"{_OPTION}@u::%logon:{device.description}"
    name = device.mapping or f"luks-{device.uuid}"
    # A key that is there serves the loads of this boot; the next boot has none.
    absent = Verdict.WARNING if has_key else Verdict.BROKEN
    text = host.text("etc/crypttab")
    fields = _line_of(host, device, text or "")
    if fields is None:
        what = "/etc/crypttab has no line for this device."
        fix = f"Add to /etc/crypttab: {name} UUID={device.uuid} none luks,{wanted}"
        return [Finding("crypttab", absent, what, _WHY, fix, device.name)]
    options = fields[3].split(",") if len(fields) > 3 else []
    links = [option for option in options if option.startswith(_OPTION)]
    fix = f"In /etc/crypttab, the line of {fields[0]}: add to its options {wanted}"
    if not links:
        what = f"The line of {fields[0]} in /etc/crypttab has no {_OPTION.rstrip('=')}."
        return [Finding("crypttab", absent, what, _WHY, fix, device.name)]
    if wanted not in links:
        what = f"The line of {fields[0]} links the key as {links[0][len(_OPTION) :]}."
        fix = f"In /etc/crypttab, the line of {fields[0]}: put {wanted} in place of {links[0]}"
        return [Finding("crypttab", absent, what, _WHY, fix, device.name)]
    what = f"The line of {fields[0]} has the key linked where it is looked for."
    return [Finding("crypttab", Verdict.GOOD, what, _WHY, "", device.name)]


def _line_of(host: Host, device: CryptDevice, text: str) -> list[str] | None:
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 2 or fields[0].startswith("#"):
            continue
        kind, tagged, value = fields[1].partition("=")
        spec = f"{kind}={value.strip(chr(34))}" if tagged else fields[1]
        by_uuid = kind == "UUID" and value.strip('"').lower() == device.uuid
        block = device.name.rpartition("/")[2]
        if by_uuid or spec in device.aliases or spec == device.name or block_name(host, spec) == block:
            return fields
    return None
