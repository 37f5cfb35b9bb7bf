"""Whether the header of an encrypted device lets anything open it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor import fixes
from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.host.system import System
    from kdumpkey.kdump.facts.devices import HeaderFacts
    from kdumpkey.luks.data_access import DataAccess
    from kdumpkey.luks.model import LuksHeader

_WHY: Final = "The header decides what can open the device."
_IMAGE_OF_HEADER: Final = (
    "There: cryptsetup luksHeaderBackup DEVICE --header-backup-file FILE; then name FILE as the device."
)
_CAPTURE_BY_KDUMPKEY: Final = (
    "Have the kdump kernel run kdumpkey-capture save, or encrypt with another cipher."
)


def check_header(system: System, about: HeaderFacts) -> list[Finding]:
    """Judge what was read of a device's header."""
    if about.header is None or about.access is None:
        return [_unread(system, about)]
    found = _replaced(about) or _opal(about) or _judged(about, about.header, about.access)
    return [found]


def _finding(about: HeaderFacts, verdict: Verdict, what: str, fix: str = "") -> Finding:
    return Finding("header", verdict, what, _WHY, fix, about.device.name)


def _unread(system: System, about: HeaderFacts) -> Finding:
    device = about.device
    if not about.error:
        return _finding(about, Verdict.GOOD, f"It is mapped as {device.kind}, without a LUKS header.")
    what = f"The header: {about.error}"
    if not about.damaged:
        fix = fixes.to_read(system, device.name) if system.is_here else _IMAGE_OF_HEADER
        return _finding(about, Verdict.UNKNOWN, what, fix)
    if not device.uuid:
        return _finding(
            about, Verdict.BROKEN, what, "Name the LUKS device itself: lsblk --fs shows which is one."
        )
    return _finding(about, Verdict.BROKEN, what, _restored(about))


def _named(header: LuksHeader) -> str:
    return f"LUKS{header.version}, UUID {header.uuid}"


def _restored(about: HeaderFacts) -> str:
    return f"cryptsetup luksHeaderRestore {about.device.name} --header-backup-file FILE"


def _opal(about: HeaderFacts) -> Finding | None:
    if about.header is None or about.device.kind != "LUKS2-OPAL":
        return None
    what = f"{_named(about.header)}; the disk itself encrypts it too, and is locked by a reset."
    return _finding(about, Verdict.UNKNOWN, what, "Dump to a device that is encrypted by software alone.")


def _replaced(about: HeaderFacts) -> Finding | None:
    if about.header is None or not about.is_replaced or about.device.kind == "LUKS2-OPAL":
        return None
    what = f"{_named(about.header)}; but what is mapped has the UUID {about.device.uuid}: "
    fix = f"reboot, and then {fixes.arm([about.device])}"
    return _finding(about, Verdict.BROKEN, f"{what}the device has been reformatted since.", fix)


def _judged(about: HeaderFacts, header: LuksHeader, access: DataAccess) -> Finding:
    named, kind = _named(header), f"LUKS{header.version}"
    if not access.possible:
        what = f"{named}, whose data cannot be opened: {access.user_space}."
        if header.requirements:
            what = f"{kind} demands {', '.join(header.requirements)}: {access.user_space}."
        elif access.dm_crypt != access.user_space:
            what += f" By dm-crypt: {access.dm_crypt}."
        return _finding(about, Verdict.BROKEN, what, access.step.replace("DEVICE", about.device.name))
    if not header.keyslots:
        what = f"{named}, without a keyslot: nobody can open it once its key is lost."
        return _finding(about, Verdict.WARNING, what, _restored(about))
    if access.dm_crypt:
        what = f"{named}, whose data only kdumpkey opens, with kdump save. By dm-crypt: {access.dm_crypt}."
        return _finding(about, Verdict.WARNING, what, _CAPTURE_BY_KDUMPKEY)
    what = f"{named}, {about.largest_kib // 1024} MiB for its largest keyslot."
    if access.user_space:
        what += f" Only dm-crypt opens its data, if the kdump kernel has the cipher: {access.user_space}."
    return _finding(about, Verdict.GOOD, what)
