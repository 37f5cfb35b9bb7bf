"""Declaring actions: typer commands that take groups of options as dataclasses, loaded when they run."""

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    NamedTuple,
    get_args,
    get_origin,
    get_type_hints,
)

import typer
from typer.core import TyperCommand, TyperGroup

from kdumpkey.cli.declaring import Declared

if TYPE_CHECKING:
    from typing import ParamSpec

    from typer.models import CommandInfo

    _P = ParamSpec("_P")

_COMMANDS: Final = "kdumpkey.cli.commands"


class ActionCommand(TyperCommand):
    """An action, whose help also shows the options that every action takes.

    Attributes:
        wanted: How a message describes the arguments that must follow.
        ignored: Options that cryptsetup takes with the action, and that do nothing.
        lenient: Whether arguments too many are ignored, as cryptsetup ignores them.
    """

    wanted: ClassVar[str] = ""
    ignored: ClassVar[frozenset[str]] = frozenset()
    lenient: ClassVar[bool] = False

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Show the program's options after the action's own."""
        own = self.params
        self.params = [*own, *(each for each in ctx.find_root().command.params if each.expose_value)]
        try:
            super().format_help(ctx, formatter)
        finally:
            self.params = own


def action(
    app: typer.Typer,
    name: str,
    wanted: str = "",
    *,
    ignores: Sequence[Any] | None = None,
    example: str = "",
) -> "Callable[[Callable[_P, None]], Callable[_P, None]]":
    """Declare a function to be an action, a command of a typer app.

    The function takes the `Run`, the arguments and options as annotated types, and dataclasses of them.

    Args:
        app: The module's app.
        name: The action's name.
        wanted: How a message describes the arguments that must follow.
        ignores: Options, as annotated types, that cryptsetup takes here and that do nothing; None: the action
            is kdumpkey's own, and refuses what it does not use.
        example: A command line that shows its use.
    """
    attributes = {
        "wanted": wanted,
        "ignored": frozenset(name for option in ignores or () for name in option_of(option).names),
        "lenient": ignores is not None,
    }
    return app.command(
        name,
        cls=type("Action", (ActionCommand,), attributes),
        epilog=f"Example: {example}" if example else None,
        context_settings={"allow_extra_args": ignores is not None},
        add_help_option=False,
    )


class Option(NamedTuple):
    """An option as it was declared; a tuple, because every start makes all of them.

    Attributes:
        names: All spellings, the usual one first.
        is_flag: Whether it takes no value.
        parser: What makes its value from text; None: the text is the value.
    """

    names: tuple[str, ...]
    is_flag: bool
    parser: Callable[[str], object] | None


def option_of(annotation: Any) -> Option:
    """What an annotated type says of an option."""
    kind, declared = get_args(annotation)
    return Option(declared.names, kind is bool, declared.parser)


def options_in(namespace: Mapping[str, Any]) -> Iterator[Option]:
    """The options among a module's names."""
    for annotation in namespace.values():
        if get_origin(annotation) is Annotated:
            yield option_of(annotation)


class Entry(NamedTuple):
    """An action or a group of actions, as a group's help lists it; a tuple, because every start makes all.

    Attributes:
        module: The module of kdumpkey.cli.commands that has it, imported when it runs.
        panel: The heading under which help lists it.
        summary: What it does: one imperative sentence without its full stop.
        hidden: Whether help leaves it out.
    """

    module: str
    panel: str = ""
    summary: str = ""
    hidden: bool = False


class LazyGroup(TyperGroup):
    """A group that knows of its actions what help lists, and imports the module of the one that runs."""

    entries: ClassVar[Mapping[str, Entry]] = {}
    listing = False
    names: tuple[str, ...] = ()

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """The names, in the order in which help lists them."""
        return list(self.names or self.entries)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002
        """The action of a name; where actions are only listed, one that has a name and a summary alone."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        if self.listing:
            return TyperCommand(
                cmd_name,
                help=f"{entry.summary}.",
                hidden=entry.hidden,
                rich_help_panel=entry.panel or None,
                add_help_option=False,
            )
        if cmd_name not in self.commands:
            self.commands[cmd_name] = self.load(entry, cmd_name)
        return self.commands[cmd_name]

    def load(self, entry: Entry, name: str) -> Any:
        """Import an action and build its command."""
        app: typer.Typer = importlib.import_module(f"{_COMMANDS}.{entry.module}").app
        info = next(info for info in app.registered_commands if info.name == name)
        return built(info, entry)

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """List the actions without importing them."""
        self.listing = True
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> Any:  # type: ignore[override]
        """Complete the names of actions without importing them."""
        self.listing = True
        return super().shell_complete(ctx, incomplete)


def built(info: "CommandInfo", entry: Entry) -> Any:
    """The command of an action, with its dataclasses taken apart into options."""
    function = info.callback
    if function is None:
        raise TypeError(f"the action {info.name} has no function")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(
        info.name,
        cls=info.cls,
        help=f"{entry.summary}.",
        epilog=info.epilog,
        context_settings=info.context_settings,
        add_help_option=False,
        hidden=entry.hidden,
        rich_help_panel=entry.panel or None,
    )(flattened(function))
    return typer.main.get_command(app)


def flattened(function: Callable[..., None]) -> Callable[..., None]:
    """The function as typer reads it: dataclasses as the options in them, and the context for the `Run`."""
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    run, *rest = parameters
    flat = [inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for name in rest:
        flat += _taken_apart(name, hints[name], parameters[name].default)

    def command(ctx: typer.Context, **given: Any) -> None:
        ctx.obj.given = given
        values = {name: _put_together(name, hints[name], given) for name in rest}
        function(**{run: ctx.obj}, **values)

    command.__name__ = function.__name__
    command.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return command


def _taken_apart(name: str, hint: Any, default: Any) -> list[inspect.Parameter]:
    if not dataclasses.is_dataclass(hint):
        annotation = _for_typer(hint)
        return [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        ]
    hints = get_type_hints(hint, include_extras=True)
    return [
        parameter
        for each in dataclasses.fields(hint)
        for parameter in _taken_apart(f"{name}_{each.name}", hints[each.name], each.default)
    ]


def _for_typer(hint: Any) -> Any:
    """An annotated type with typer's own option in the place of the declared one."""
    if get_origin(hint) is not Annotated:
        return hint
    kind, declared = get_args(hint)
    return Annotated[kind, declared.for_typer()] if isinstance(declared, Declared) else hint


def _put_together(name: str, hint: Any, given: Mapping[str, Any]) -> Any:
    if not dataclasses.is_dataclass(hint):
        return given[name]
    hints = get_type_hints(hint, include_extras=True)
    fields = {
        each.name: _put_together(f"{name}_{each.name}", hints[each.name], given)
        for each in dataclasses.fields(hint)
    }
    return hint(**fields)  # type: ignore[operator]
