"""Whether kdump's service, which loads the image, reaches the keyring that holds the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.kdump.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor.host import Host

# As systemd ranks them, the weakest first.
_FOLDERS: Final = ("lib/systemd/system", "usr/lib/systemd/system", "run/systemd/system", "etc/systemd/system")
_UNITS: Final = ("kdump.service", "kdump-tools.service")
_WHY: Final = (
    "systemd gives a service a session keyring of its own; unless that is linked to root's, the load finds "
    "no key, fails with ENOKEY, and takes the image before it along."
)


def check_service(host: Host) -> list[Finding]:
    """Read KeyringMode from the unit and its drop-ins; the last one counts."""
    for unit in _UNITS:
        bodies = [text for folder in _FOLDERS if (text := host.text(f"{folder}/{unit}")) is not None]
        if not bodies:
            continue
        # A unit file in a stronger directory takes the whole place of the weaker; drop-ins add up by name.
        dropins: dict[str, str] = {}
        for folder in _FOLDERS:
            for name in host.names(f"{folder}/{unit}.d", "*.conf"):
                dropins[name] = host.text(f"{folder}/{unit}.d/{name}") or ""
        texts = [bodies[-1], *(dropins[name] for name in sorted(dropins))]
        mode = "private"
        for line in "\n".join(texts).splitlines():
            key, _, value = line.strip().partition("=")
            if key.strip() == "KeyringMode":
                mode = value.strip() or "private"
        if mode == "shared":
            return [Finding("service", Verdict.GOOD, f"{unit} has KeyringMode=shared.", _WHY)]
        fix = f"systemctl edit {unit}, and there: [Service] and on the next line KeyringMode=shared"
        return [Finding("service", Verdict.BROKEN, f"{unit} has KeyringMode={mode}.", _WHY, fix)]
    what = "There is no kdump service, so nothing loads the image at boot."
    fix = "Install kdump-utils (Fedora, RHEL) or kdump-tools (Debian)."
    return [Finding("service", Verdict.WARNING, what, "After a reboot, no image is loaded: no dump.", fix)]
