"""Whether a crash image is loaded, and whether it holds the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.record import RECORD, parse_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdumpkey.kdump.doctor.host import CryptDevice, Host

_LOADED: Final = "sys/kernel/kexec_crash_loaded"
_WHY: Final = "Without a loaded image the machine only restarts: there is no dump."
_WHY_KEYS: Final = "An image without the key boots, and then cannot open the device: no dump."
_LOAD: Final = "Load it while the key is in the keyring: systemctl restart kdump"


def is_loaded(host: Host) -> bool | None:
    """Whether an image is loaded; None: the kernel does not say."""
    return {"1": True, "0": False}.get(host.word(_LOADED) or "")


def recorded(host: Host) -> frozenset[str]:
    """The descriptions that the record of the last load since boot names."""
    record = parse_record(host.text(RECORD) or "")
    boot = host.word("proc/sys/kernel/random/boot_id")
    return frozenset(record.descriptions) if record and record.boot_id == boot else frozenset()


def check_image(host: Host, devices: Sequence[CryptDevice]) -> list[Finding]:
    """Look at what the kernel tells, and for the keys at the record: of those the kernel tells nothing."""
    loaded = is_loaded(host)
    if loaded is None:
        fix = f"See that /{_LOADED} can be read."
        return [Finding("image", Verdict.UNKNOWN, f"/{_LOADED} cannot be read.", _WHY, fix)]
    if not loaded:
        return [Finding("image", Verdict.BROKEN, "No crash image is loaded.", _WHY, _LOAD)]
    found = [Finding("image", Verdict.GOOD, "A crash image is loaded.", _WHY)]
    held = recorded(host)
    for device in devices:
        if device.description in held:
            what, verdict, fix = "By the record of the load, the image holds the key.", Verdict.GOOD, ""
        elif held:
            what, verdict = "By the record of the load, the image does not hold this key.", Verdict.BROKEN
            fix = _LOAD
        else:
            what = "No record says whether the image holds the key, and the kernel does not tell."
            verdict, fix = Verdict.UNKNOWN, _LOAD
        found.append(Finding("image-key", verdict, what, _WHY_KEYS, fix, device.name))
    return found
