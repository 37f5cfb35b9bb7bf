"""cryptsetup's manners: how it reads a command line, what it refuses, and in which words.

Options stand before, between or after the action and its arguments; short ones bundle (``-qs512``) and take
their value after ``=`` too (``-d=file``); ``--`` ends them; no name may be cut short; of an option given
twice the last value counts. Facts: what cryptsetup 2.6.1 answered.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

import typer
from typer.core import TyperCommand

from kdumpkey.cli import options
from kdumpkey.cli.action import ActionCommand, LazyGroup, Option, options_in
from kdumpkey.errors import UsageError
from kdumpkey.outcome import OptionError

_KEY_FILE: Final = "--key-file"
_TYPE: Final = "--type"
_INSTEAD_OF_AN_ACTION: Final = ("--help", "--usage", "--version")
_DECLARED: Final = {name: option for option in options_in(vars(options)) for name in option.names}
SPELLINGS: Final[Mapping[str, Option]] = _DECLARED | {
    name: _DECLARED[usual] for name, usual in options.OTHER_SPELLINGS.items()
}


class Alias(NamedTuple):
    """Another name of an action, and the options that it implies, with their values."""

    action: str
    implied: tuple[tuple[str, str | None], ...] = ()


class Line:
    """A command line taken apart.

    Attributes:
        given: The options in their order, by their usual names; without value: None.
        words: The other words in their order.
        instead: ``--help``, ``--usage`` or ``--version`` where it stands: nothing after it was read.
    """

    def __init__(self, words: Sequence[str] = (), instead: str | None = None) -> None:
        self.given: list[tuple[str, str | None]] = []
        self.words = list(words)
        self.instead = instead


class CryptsetupGroup(LazyGroup):
    """A group of actions that are called as cryptsetup's are.

    Attributes:
        aliases: Other names of actions.
    """

    aliases: ClassVar[Mapping[str, Alias]] = {}

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put the words into the order that typer reads: program's options, action, its options, arguments.

        Raises:
            UsageError: cryptsetup would refuse the line.
        """
        if ctx.resilient_parsing:  # a shell completes: nothing is refused
            return super().parse_args(ctx, _tolerated(args))
        if args and self._is_typers_own(args[0]):
            return super().parse_args(ctx, args[:1])
        line = read_line(args)
        if line.instead is not None:
            self.answer(ctx, line)
            raise typer.Exit
        name, command = self.find(ctx, line.words)
        if not isinstance(command, ActionCommand):  # a group alone
            self.answer(ctx, Line(words=name, instead="--help"))
            raise typer.Exit(1)
        return super().parse_args(ctx, self._ordered(line, name, command))

    def _is_typers_own(self, word: str) -> bool:
        return word not in SPELLINGS and any(word in parameter.opts for parameter in self.params)

    def answer(self, ctx: typer.Context, line: Line) -> None:
        """Give the help, the usage or the version that a line asks for."""
        raise NotImplementedError

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """The action of a name, or of another name that it has."""
        alias = self.aliases.get(cmd_name)
        if alias is None or not self.listing:
            return super().get_command(ctx, alias.action if alias else cmd_name)
        return TyperCommand(cmd_name, help=f"Another name of {alias.action}.", add_help_option=False)

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> Any:  # type: ignore[override]
        """Complete the other names of actions, too."""
        self.names = (*self.entries, *self.aliases)
        return super().shell_complete(ctx, incomplete)

    def find(self, ctx: typer.Context, words: Sequence[str]) -> tuple[list[str], Any]:
        """The action that words name, with its name as the words that typer wants.

        Raises:
            UsageError: There is no such action.
        """
        if not words:
            raise UsageError("Argument <action> missing.")
        alias = self.aliases.get(words[0])
        name = alias.action if alias else words[0]
        command = self.get_command(ctx, name)
        if command is None:
            raise UsageError(_unknown(words[0], [*self.entries, *self.aliases]))
        if not isinstance(command, LazyGroup) or len(words) < 2:
            return [name], command
        inner = command.get_command(ctx, words[1])
        if inner is None:
            raise UsageError(_unknown(words[1], list(command.entries), f"{name} {words[1]}"))
        return [name, words[1]], inner

    def _ordered(self, line: Line, name: Sequence[str], command: ActionCommand) -> list[str]:
        own = {spelling for parameter in self.params for spelling in parameter.opts}
        program = [_word(*each) for each in line.given if each[0] in own]
        given = [each for each in line.given if each[0] not in own]
        arguments = line.words[len(name) :]
        if alias := self.aliases.get(line.words[0]):
            given += alias.implied
        _check_arguments(command, " ".join(name), arguments)
        taken = {spelling for parameter in command.params for spelling in parameter.opts}
        for option in sorted({option for option, _ in given}):
            if option not in taken and option not in command.ignored:
                raise UsageError(f"Option {option} is not allowed with {' '.join(name)} action.")
        if sum(option == _KEY_FILE for option, _ in given) > 1 and dict(given).get(_TYPE) != "tcrypt":
            raise UsageError("Only one --key-file argument is allowed.")
        action = [_word(*each) for each in given if each[0] in taken]
        return [*program, *name, *action, "--", *arguments]


def read_line(args: Sequence[str]) -> Line:
    """Tell options, their values and other words apart, and check the values.

    Args:
        args: The words after the program's name.

    Raises:
        OptionError: An unknown option, a missing value, or one too many.
        UsageError: A value that its option cannot have.
    """
    line, words = Line(), iter(args)
    for word in words:
        if word == "--":
            line.words += words
        elif word == "-" or not word.startswith("-"):
            line.words.append(word)
        else:
            for spelling, value in _options_of(word):
                option = SPELLINGS.get(spelling)
                if option is None:
                    raise OptionError(f"{word}: unknown option")
                line.given.append((option.names[0], _value(option, word, value, words)))
                if option.names[0] in _INSTEAD_OF_AN_ACTION:
                    line.instead = option.names[0]
                    return line
    return line


def _options_of(word: str) -> list[tuple[str, str | None]]:
    """The options in a word, each as it is spelled, and the value that the last of them has in the word."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return [(name, value if equals else None)]
    found: list[tuple[str, str | None]] = []
    for index, letter in enumerate(word[1:], 1):
        option = SPELLINGS.get(f"-{letter}")
        rest = word[index + 1 :]
        if rest.startswith("=") or (rest and option is not None and not option.is_flag):
            return [*found, (f"-{letter}", rest.removeprefix("="))]
        found.append((f"-{letter}", None))
    return found


def _value(option: Option, word: str, value: str | None, words: Any) -> str | None:
    if option.is_flag:
        if value is not None:
            raise OptionError(f"{word}: option does not take an argument")
        return None
    if value is None:
        value = next(words, None)
        if value is None:
            raise OptionError(f"{word}: missing argument")
    if option.parser is not None:
        option.parser(value)
    return str(value)


def _word(option: str, value: str | None) -> str:
    return option if value is None else f"{option}={value}"


def _check_arguments(command: ActionCommand, name: str, arguments: Sequence[str]) -> None:
    expected = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    if len(arguments) < sum(parameter.required for parameter in expected):
        raise UsageError(f"{name}: requires {command.wanted} as arguments")
    if command.lenient or any(parameter.nargs == -1 for parameter in expected):
        return
    if len(arguments) > len(expected):
        raise UsageError(f"{name} takes no {arguments[len(expected)]!r}.")


def _unknown(word: str, known: Sequence[str], shown: str | None = None) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"Unknown action {shown or word!r}. Did you mean {near[0]}?" if near else "Unknown action."


def _tolerated(args: Sequence[str]) -> list[str]:
    """The words of a line that a shell completes, with the action first."""
    line: list[str] = []
    before: list[str] = []
    words = iter(args)
    for word in words:
        if line or not word.startswith("-"):
            return [word, *before, *words]
        before.append(word)
        option = SPELLINGS.get(word)
        if option is not None and not option.is_flag:
            before += [value for value in [next(words, None)] if value is not None]
    return [*line, *before]
