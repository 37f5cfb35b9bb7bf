"""Options: each is declared once, and what says something else on an action is like the first declaration."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from kdumpkey.cli import options
from kdumpkey.cli.action import Option, options_in

DECLARING = {"choice", "flag", "number", "size", "text"}


def test_every_spelling_is_declared_once() -> None:
    spelled = []
    for node in ast.walk(ast.parse(Path(options.__file__).read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in DECLARING:
            spelled += [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    assert len(spelled) > 150
    assert sorted(spelled) == sorted(set(spelled))


def test_declarations_of_one_spelling_take_the_same_values() -> None:
    declared: dict[str, set[Option]] = defaultdict(set)
    for option in options_in(vars(options)):
        for name in option.names:
            declared[name].add(option)
    assert {name: found for name, found in declared.items() if len(found) > 1} == {}
