"""The command line as words: popt's rules, so that every order and spelling that scripts use is understood.

Options stand anywhere, also after the action's arguments; short ones bundle (``-qs512``) and take their value
after ``=`` too (``-d=file``); ``--`` ends them; no name may be cut short. Facts: what cryptsetup 2.6.1
answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kdumpkey.cli import actions, options
from kdumpkey.cli.actions import Action
from kdumpkey.cli.options import Kind, Option
from kdumpkey.cli.values import convert
from kdumpkey.errors import UsageError

_AT_ONCE: Final = ("help", "usage", "version")  # what these ask for is done where they stand

_ANY: Final = -1  # a number that leaves the choice open, as if the option were not there
_ANY_OF: Final = ("new-key-slot", "new-token-id", "token-id")


class OptionError(UsageError):
    """An option is not one, lacks its value, or has one and takes none; the message begins with the word."""


@dataclass(frozen=True)
class Words:
    """The command line taken apart: options by their full names, and the other words in their order.

    `at_once` is ``help``, ``usage`` or ``version`` where that was asked for: nothing after it was read.
    `repeated` has the names of options that were given more than once: the last one counts.
    """

    values: Mapping[str, str | int]
    others: tuple[str, ...]
    at_once: str | None = None
    repeated: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Invocation:
    """An action, its arguments, and the options given, known to be allowed together with it."""

    action: Action
    arguments: tuple[str, ...]
    values: Mapping[str, str | int]

    def flag(self, name: str) -> bool:
        """Whether an option without value was given."""
        return name in self.values

    def text(self, name: str) -> str | None:
        """The text given for an option, or None."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """The number given for an option, or None."""
        value = self.values.get(name)
        return value if isinstance(value, int) else None


def split_words(argv: Sequence[str]) -> Words:
    """Tell options, their values and other words apart.

    Args:
        argv: The words after the program's name.

    Raises:
        OptionError: An option that there is not, a missing value, or one too many.
        UsageError: A value that its option cannot have.
    """
    return _Reader(argv).read()


def resolve(words: Words) -> Invocation:
    """Find the action that the words name, and check that arguments and options suit it.

    Raises:
        UsageError: No or no known action, arguments missing, an option not allowed, or an action of
            cryptsetup's that kdumpkey does not do.
    """
    if not words.others:
        raise UsageError("Argument <action> missing.")
    name, *arguments = words.others
    if name in actions.GROUPS and arguments:
        name = f"{name} {arguments.pop(0)}"
    values = dict(words.values)
    if alias := actions.ALIASES.get(name):
        name = alias.action
        if alias.type:
            values["type"] = alias.type
    action = actions.BY_NAME.get(name)
    if action is None:
        raise UsageError("Unknown action.")
    if len(arguments) < action.minimum:
        raise UsageError(f"{action.name}: requires {action.arguments} as arguments")
    for given in sorted(values):
        allowed = options.BY_NAME[given].actions
        if allowed is not None and action.name not in allowed:
            raise UsageError(f"Option --{given} is not allowed with {action.name} action.")
    if "key-file" in words.repeated and values.get("type") != "tcrypt":
        raise UsageError("Only one --key-file argument is allowed.")
    return Invocation(action, tuple(arguments), values)


class _Reader:
    """One pass over the words."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv
        self._next = 0
        self._values: dict[str, str | int] = {}
        self._others: list[str] = []
        self._at_once: str | None = None
        self._repeated: set[str] = set()

    def read(self) -> Words:
        while self._next < len(self._argv) and self._at_once is None:
            word = self._argv[self._next]
            self._next += 1
            if word == "--":
                self._others += self._argv[self._next :]
                break
            if word.startswith("--"):
                self._long(word)
            elif word.startswith("-") and word != "-":
                self._bundle(word)
            else:
                self._others.append(word)
        return Words(self._values, tuple(self._others), self._at_once, frozenset(self._repeated))

    def _long(self, word: str) -> None:
        name, separator, value = word[2:].partition("=")
        option = options.BY_NAME.get(name)
        if option is None:
            raise OptionError(f"{word}: unknown option")
        self._take(option, word, value if separator else None)

    def _bundle(self, word: str) -> None:
        letters = word[1:]
        while letters and self._at_once is None:
            option = options.BY_SHORT.get(letters[0])
            if option is None:
                raise OptionError(f"{word}: unknown option")
            letters = letters[1:]
            value = None
            if letters.startswith("=") or (letters and option.kind is not Kind.FLAG):
                value, letters = letters.removeprefix("="), ""
            self._take(option, word, value)

    def _take(self, option: Option, word: str, value: str | None) -> None:
        if option.kind is Kind.FLAG:
            if value is not None:
                raise OptionError(f"{word}: option does not take an argument")
            if option.name in _AT_ONCE:
                self._at_once = option.name
            self._put(option, 1)
            return
        if value is None:
            if self._next == len(self._argv):
                raise OptionError(f"{word}: missing argument")
            value = self._argv[self._next]
            self._next += 1
        self._put(option, convert(option, value))

    def _put(self, option: Option, value: str | int) -> None:
        name = options.SAME_AS.get(option.name, option.name)
        if name in self._values:
            self._repeated.add(name)
        self._values[name] = value
        if value == _ANY and name in _ANY_OF:
            del self._values[name]
