"""Errors: one tree, and each says what failed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import kdumpkey
from kdumpkey import errors

SOURCE = Path(kdumpkey.__file__).parent
ERRORS = {name: each for name, each in vars(errors).items() if isinstance(each, type)}


def raised_without_message(tree: ast.AST) -> Iterator[int]:
    """The lines where an error of ours is made without a message, or with an empty one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id in ERRORS:
            yield node.lineno
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS:
            message = node.args[0] if node.args else None
            if message is None or (isinstance(message, ast.Constant) and not message.value):
                yield node.lineno


def test_the_search_finds_errors_without_a_message() -> None:
    source = (
        "raise KeyslotError\nraise KeyslotError('')\nraise KeyslotError()\nraise KeyslotError('All full.')"
    )
    assert sorted(raised_without_message(ast.parse(source))) == [1, 2, 3]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_error_is_raised_without_a_message(path: Path) -> None:
    assert list(raised_without_message(ast.parse(path.read_text()))) == []


def test_every_error_is_exported_and_has_an_exit_code() -> None:
    own = {name: each for name, each in ERRORS.items() if issubclass(each, errors.KdumpkeyError)}
    assert own.keys() <= set(kdumpkey.__all__)
    assert {each.exit_code for each in own.values()} <= {1, 2, 3, 4, 5, 10}
