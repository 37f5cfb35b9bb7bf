"""By which system call kdump's tools load the image: the old one, kexec_load, passes no keys.

Source: kexec(8), -c, -s and -a; kdump-utils' prepare_kexec_args; kdump-config(8); SUSE's kdump(5).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from kdumpkey.host.settings import KDUMP_CONF, KDUMP_TOOLS, SYSCONFIG, shell_settings

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

# Each file with its variables, and whether an empty value still decides the options of a load.
_SETTINGS: Final = (
    (SYSCONFIG, ("KEXEC_ARGS",), True),
    (SYSCONFIG, ("KEXEC_OPTIONS",), False),
    (KDUMP_TOOLS, ("KDUMP_KEXEC_ARGS", "KEXEC_ARGS"), False),
    ("etc/default/kexec", ("KEXEC_ARGS", "KDUMP_KEXEC_ARGS"), False),
)
_PROGRAMS: Final = ("usr/sbin/kexec", "usr/bin/kexec", "sbin/kexec")
_AUTO_IS_DEFAULT: Final = b"understand the image (default)"  # what --help says of -a
_EFI: Final = "sys/firmware/efi/efivars"
_VALUE: Final = 4  # bytes of attributes come before it


class SystemCall(Enum):
    """Which system call a load makes."""

    FILE = "kexec_file_load"
    OLD = "kexec_load"
    EITHER = "kexec_file_load, and kexec_load where that fails"


@dataclass(frozen=True)
class KexecCall:
    """The options for kexec in a file of settings.

    Attributes:
        file: The file.
        variable: Its variable.
        options: What it is set to.
        call: The system call that they choose.
    """

    file: str
    variable: str
    options: str
    call: SystemCall


def read_kexec_calls(host: Host) -> tuple[KexecCall, ...]:
    """Read the settings of every kdump that this machine has; variables that are not set are left out."""
    found = []
    for file, variables, counts_empty in _SETTINGS:
        settings = shell_settings(host.text(file) or "")
        for variable in variables:
            if variable in settings and (settings[variable].strip() or counts_empty):
                options = settings[variable].strip()
                found.append(KexecCall(file, variable, options, _call(host, file, options)))
    return tuple(found)


def _call(host: Host, file: str, options: str) -> SystemCall:
    # kdump-utils append -s if only signed kernels may be loaded.
    if file == SYSCONFIG and host.exists(KDUMP_CONF) and _only_signed(host):
        return SystemCall.FILE
    call = None
    for word in _words(options):
        call = _chosen(word) or call
    return call or _default(host)


def _words(options: str) -> list[str]:
    try:
        return shlex.split(options)
    except ValueError:
        return options.split()


def _chosen(word: str) -> SystemCall | None:
    """What an option chooses; the last one counts."""
    long = {
        "--kexec-syscall": SystemCall.OLD,
        "--kexec-file-syscall": SystemCall.FILE,
        "--kexec-syscall-auto": SystemCall.EITHER,
    }
    if word.startswith("--"):
        return long.get(word)
    letters = {"c": SystemCall.OLD, "s": SystemCall.FILE, "a": SystemCall.EITHER}
    short = [letters[letter] for letter in word[1:] if letter in letters] if word.startswith("-") else []
    return short[-1] if short else None


def _default(host: Host) -> SystemCall:
    """What kexec does by default: kexec_load, or since 2021 whichever call works."""
    texts = (host.content(path) for path in _PROGRAMS)
    return SystemCall.EITHER if any(text and _AUTO_IS_DEFAULT in text for text in texts) else SystemCall.OLD


def _only_signed(host: Host) -> bool:
    """Whether Secure Boot is enforced."""
    return _efi(host, "SecureBoot") == 1 and _efi(host, "SetupMode") == 0


def _efi(host: Host, variable: str) -> int | None:
    for name in host.names(_EFI, f"{variable}-*"):
        value = host.content(f"{_EFI}/{name}") or b""
        if len(value) > _VALUE:
            return value[_VALUE]
    return None
