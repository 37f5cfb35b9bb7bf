"""The words of the command line, read strictly: options stand before, between or after the arguments."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from kdumpkey.errors import UsageError
from kdumpkey.outcome import OptionError

# Each action, with what it takes.
ACTIONS: Final = {
    "open": ("<device>", "<name>"),
    "test": ("<device>",),
    "save": ("<device>", "<file>"),
    "restore": (),
}
_VALUES: Final = ("--header", "--volume-key-file", "--key-size", "--key-description")
_FLAGS: Final = ("--readonly", "--verbose", "--help", "--version")
_SHORT: Final = {"-r": "--readonly", "-v": "--verbose", "-?": "--help", "-V": "--version", "-s": "--key-size"}
_FOR_OPEN: Final = "--readonly"
_FOR_KEYS: Final = ("--header", "--volume-key-file", "--key-size", "--key-description", _FOR_OPEN)
_BYTE: Final = 8  # bits
_LARGEST_KEY: Final = 512  # bytes: cryptsetup's bound
_LONGEST_NUMBER: Final = 9  # digits


class Arguments(NamedTuple):
    """A command line that was accepted.

    Attributes:
        action: One of `ACTIONS`; empty: only help or the version is asked for.
        operands: What the action takes.
        header: The detached header's path.
        volume_key_file: The file with the volume key itself, in place of the key handed over.
        key_size_bits: The volume key's size, for a header that does not say it.
        key_description: The key's name in the keyring; None: the one by which kdump's tools know it.
        readonly: Whether the mapping takes no writes.
        verbose: Whether more than the result is wanted.
        show: ``help`` or ``version``, which are shown in place of any action; empty: neither.
    """

    action: str
    operands: tuple[str, ...] = ()
    header: str | None = None
    volume_key_file: str | None = None
    key_size_bits: int | None = None
    key_description: str | None = None
    readonly: bool = False
    verbose: bool = False
    show: str = ""


def parse_arguments(words: Sequence[str]) -> Arguments:
    """Read a command line.

    Args:
        words: Those after the program's name.

    Raises:
        UsageError: It has no action or an unknown one, too few or too many arguments, or an option that the
            action does not take.
        OptionError: An option is unknown, lacks its value, or has a value and takes none.
    """
    options, operands = _taken_apart(words)
    if "--help" in options or "--version" in options:
        return Arguments("", show="help" if "--help" in options else "version")
    if not operands:
        raise UsageError("Argument <action> missing.")
    action, *rest = operands
    if action not in ACTIONS:
        raise UsageError("Unknown action.")
    wanted = ACTIONS[action]
    if len(rest) < len(wanted):
        raise UsageError(f"{action}: requires {' '.join(wanted)} as arguments")
    if len(rest) > len(wanted):
        raise UsageError(f"{action} takes no {rest[len(wanted)]!r}.")
    _check_allowed(action, options)
    return Arguments(
        action,
        tuple(rest),
        options.get("--header"),
        options.get("--volume-key-file"),
        _bits(options.get("--key-size")),
        options.get("--key-description"),
        "--readonly" in options,
        "--verbose" in options,
    )


def _check_allowed(action: str, options: dict[str, str]) -> None:
    for name in _FOR_KEYS:
        if name in options and (action == "restore" or (name == _FOR_OPEN and action != "open")):
            raise UsageError(f"Option {name} is not allowed with {action} action.")
    if "--volume-key-file" in options and "--key-description" in options:
        raise UsageError("Options --volume-key-file and --key-description are mutually exclusive.")
    if "--key-size" in options and "--volume-key-file" not in options:
        raise UsageError("Option --key-size needs --volume-key-file.")


def _taken_apart(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The options, each with its value or an empty one, and the operands."""
    options: dict[str, str] = {}
    operands: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--":
            operands += left
        elif word.startswith("-") and word != "-":
            name, value = _option(word, left)
            options[name] = value
        else:
            operands.append(word)
    return options, operands


def _option(word: str, left: Iterator[str]) -> tuple[str, str]:
    spelling, has_value, value = word.partition("=")
    name = _SHORT.get(spelling, spelling)
    if name in _FLAGS:
        if has_value:
            raise OptionError(f"{word}: option does not take an argument")
        return name, ""
    if name not in _VALUES:
        raise OptionError(f"{word}: unknown option")
    if not has_value:
        following = next(left, None)
        if following is None:
            raise OptionError(f"{word}: missing argument")
        value = following
    return name, value


def _bits(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
        raise UsageError("invalid numeric value")
    if int(text) % _BYTE:
        raise UsageError("Key size must be a multiple of 8 bits")
    if not 0 < int(text) <= _LARGEST_KEY * _BYTE:
        raise UsageError("invalid numeric value")
    return int(text)
