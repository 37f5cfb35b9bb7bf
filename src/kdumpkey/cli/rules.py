"""Options that do not go together: what cryptsetup refuses before it acts, in its words and order."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kdumpkey.cli.argv import Invocation
from kdumpkey.errors import UsageError

_TESTABLE = ("luks", "luks1", "luks2", "tcrypt", "bitlk", "fvault2")
_LUKS = ("luks", "luks1", "luks2")


def check(invocation: Invocation) -> None:
    """Refuse an invocation whose options contradict each other.

    Raises:
        UsageError: They do.
    """
    _check_costs(invocation)
    match invocation.action.name:
        case "open":
            _check_open(invocation)
        case "unlock":
            _check_unlock(invocation)
        case "config":
            _check_config(invocation)
        case "token":
            _check_token(invocation)
        case "luksFormat":
            _check_format(invocation)
        case "luksDump" if invocation.flag("unbound") and not invocation.flag("key-slot"):
            raise UsageError("Keyslot specification is required.")
        case "luksKillSlot" if slot_number(invocation.arguments[1]) < 0:
            raise UsageError("Key slot is invalid.")
        case "luksAddKey" if invocation.flag("unbound") and not invocation.number("key-size"):
            raise UsageError("Key size is required with --unbound option.")


def slot_number(text: str) -> int:
    """A keyslot's number as cryptsetup reads it: the digits at the beginning, without any 0."""
    found = re.match(r"\s*([-+]?[0-9]+)", text)
    return int(found[1]) if found else 0


def _check_costs(invocation: Invocation) -> None:
    flag = invocation.flag
    _refuse_first(
        (
            (
                flag("keyslot-cipher") != flag("keyslot-key-size"),
                "Options --keyslot-cipher and --keyslot-key-size must be used together.",
            ),
            (
                flag("pbkdf-force-iterations") and flag("iter-time"),
                "PBKDF forced iterations cannot be combined with iteration time option.",
            ),
        )
    )


def _check_format(invocation: Invocation) -> None:
    flag = invocation.flag
    _refuse_first(
        (
            (
                flag("align-payload") and flag("offset"),
                "Options --align-payload and --offset cannot be combined.",
            ),
            (
                flag("integrity-no-wipe") and not flag("integrity"),
                "Option --integrity-no-wipe can be used only for format action with integrity extension.",
            ),
            (
                flag("use-random") and flag("use-urandom"),
                "Only one of --use-[u]random options is allowed.",
            ),
        )
    )


def _check_open(invocation: Invocation) -> None:
    flag = invocation.flag
    device_type = invocation.text("type")
    device_type = "luks" if device_type is None else device_type
    test = flag("test-passphrase")
    plain = device_type in ("plain", "loopaes")
    refusals = (
        (flag("persistent") and test, "Option --persistent is not allowed with --test-passphrase."),
        (flag("refresh") and test, "Options --refresh and --test-passphrase are mutually exclusive."),
        (flag("device-size") and flag("size"), "Options --device-size and --size cannot be combined."),
        (
            flag("shared") and device_type != "plain",
            "Option --shared is allowed only for open of plain device.",
        ),
        (
            flag("skip") and not plain,
            "Option --skip is supported only for open of plain and loopaes devices.",
        ),
        (
            flag("offset") and not plain,
            "Option --offset with open action is only supported for plain and loopaes devices.",
        ),
        (
            test and device_type not in _TESTABLE and not device_type.startswith("luks"),
            "Option --test-passphrase is allowed only for open of LUKS, TCRYPT, BITLK and FVAULT2 devices.",
        ),
        (
            any(flag(name) for name in ("tcrypt-hidden", "tcrypt-system", "tcrypt-backup"))
            and device_type != "tcrypt",
            "Option --tcrypt-hidden, --tcrypt-system or --tcrypt-backup is supported only for TCRYPT device.",
        ),
        (
            (flag("veracrypt") or flag("disable-veracrypt")) and device_type != "tcrypt",
            "Option --veracrypt or --disable-veracrypt is supported only for TCRYPT device type.",
        ),
        (
            flag("unbound") and device_type not in _LUKS,
            "Option --unbound is allowed only for open of luks device.",
        ),
        (flag("unbound") and not test, "Option --unbound cannot be used without --test-passphrase."),
        (
            flag("sector-size") and device_type != "plain",
            "Sector size option with open action is supported only for plain devices.",
        ),
        (
            flag("iv-large-sectors") and device_type != "plain",
            "Large IV sectors option is supported only for opening plain type device with sector size larger"
            " than 512 bytes.",
        ),
    )
    _refuse_first(refusals)


def _check_config(invocation: Invocation) -> None:
    if invocation.flag("priority") and not invocation.flag("key-slot"):
        raise UsageError("Keyslot specification is required.")


def _check_token(invocation: Invocation) -> None:
    flag, verb = invocation.flag, invocation.arguments[0]
    refusals = (
        (verb not in ("add", "remove", "import", "export", "unassign"), "Invalid token action."),
        (
            verb == "add" and not flag("key-description"),
            "--key-description parameter is mandatory for token add action.",
        ),
        (
            verb in ("remove", "export", "unassign") and not flag("token-id"),
            "Action requires specific token. Use --token-id parameter.",
        ),
        (
            verb == "unassign" and not flag("key-slot"),
            "Action requires specific keyslot. Use --key-slot parameter.",
        ),
        (
            verb == "add" and flag("key-slot") and flag("unbound"),
            "Options --key-slot and --unbound cannot be combined.",
        ),
    )
    _refuse_first(refusals)


def _check_unlock(invocation: Invocation) -> None:
    flag = invocation.flag
    output = invocation.text("to")
    refusals: list[tuple[bool, str]] = [
        (flag("test") and output is not None, "Options --test and --to are mutually exclusive."),
        (flag("map") and flag("unbound"), "Option --unbound is not allowed with --map."),
        (
            flag("volume-key-file") and flag("volume-key-keyring"),
            "Options --volume-key-file and --volume-key-keyring are mutually exclusive.",
        ),
        (
            flag("map") and (output is not None or flag("test")),
            "Option --map is not possible with --to or --test.",
        ),
        (flag("sparse") and output == "-", "Option --sparse needs a file to write to."),
        (flag("json") and output == "-", "Option --json is not possible with --to -."),
    ]
    refusals += [
        (flag(name) and output is None, f"Option --{name} needs --to.")
        for name in ("from", "length", "sparse", "force")
    ]
    _refuse_first(refusals)


def _refuse_first(refusals: Iterable[tuple[bool, str]]) -> None:
    for applies, message in refusals:
        if applies:
            raise UsageError(message)
