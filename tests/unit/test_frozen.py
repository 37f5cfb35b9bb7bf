"""The frozen dataclasses made quickly are what the standard ones are."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import FrozenInstanceError, field, replace

import pytest

from kdumpkey import frozen

BOTH = pytest.mark.parametrize(
    "decorator", [frozen.dataclass, dataclasses.dataclass], ids=["ours", "standard"]
)


@frozen.dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


def _classes(decorator: object) -> tuple[type, type]:
    @decorator(frozen=True)  # type: ignore[operator]
    class Base:
        a: int
        b: tuple[int, ...] = ()
        c: list[int] = field(default_factory=list, repr=False)

    @decorator(frozen=True)  # type: ignore[operator]
    class Derived(Base):
        d: str = "d"

    return Base, Derived


@BOTH
def test_fields_defaults_and_repr(decorator: object) -> None:
    base, derived = _classes(decorator)
    assert repr(derived(1, d="e")).endswith("Derived(a=1, b=(), d='e')")
    assert base(1).c == []
    assert base(1).c is not base(1).c
    assert [each.name for each in dataclasses.fields(derived)] == ["a", "b", "c", "d"]
    assert derived.__match_args__ == ("a", "b", "c", "d")
    with pytest.raises(TypeError):
        base()
    with pytest.raises(TypeError):
        base(1, unknown=2)


@BOTH
def test_values_compare_by_fields_within_one_class(decorator: object) -> None:
    base, derived = _classes(decorator)
    assert base(1) == base(1) != base(2)
    assert base(1) != derived(1)
    assert replace(derived(1), a=2) == derived(2)
    assert dataclasses.asdict(base(1)) == {"a": 1, "b": (), "c": []}
    with pytest.raises(TypeError):
        hash(base(1))  # it has a list


@BOTH
def test_nothing_is_assigned_or_deleted_afterwards(decorator: object) -> None:
    value = _classes(decorator)[1](1)
    for change in (
        lambda: setattr(value, "a", 2),
        lambda: setattr(value, "d", 2),
        lambda: setattr(value, "new", 2),
        lambda: delattr(value, "a"),
    ):
        with pytest.raises(FrozenInstanceError):
            change()
    assert value.a == 1


def test_equal_values_have_one_hash_and_copies_are_equal() -> None:
    assert len({Point(1), Point(1, 0), Point(2)}) == 2
    for other in (copy.copy(Point(1)), copy.deepcopy(Point(1))):
        assert other == Point(1)


def test_what_is_not_frozen_is_left_to_the_standard_decorator() -> None:
    with pytest.raises(ValueError, match="standard"):
        frozen.dataclass(frozen=False)
