"""`@dataclass(frozen=True)` in a quarter of the time; what it makes behaves as the standard one's.

The standard decorator writes the source of six methods for each class and compiles it, half a millisecond a
class: a tenth of a short run. Here `__init__` alone is compiled, and all classes share the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(*, frozen):
        """Make a class a frozen dataclass.

        Args:
            frozen: True; the standard decorator makes the others.
        """
        if not frozen:
            raise ValueError("the standard decorator makes what is not frozen")
        return _frozen

    def _frozen(cls):
        own = set(vars(cls))
        made = dataclasses.dataclass(repr=False, eq=False)(cls)
        fields = dataclasses.fields(made)
        made._names = tuple(field.name for field in fields)
        made._shown = tuple(field.name for field in fields if field.repr)
        for name in ("__setattr__", "__delattr__", "__repr__", "__eq__", "__hash__"):
            if name not in own:
                setattr(made, name, vars(_Shared)[name])
        return made

    class _Shared:
        """The methods of all frozen dataclasses."""

        def __setattr__(self, name, value):
            # __init__ assigns each field once, and nothing does afterwards.
            if name in self.__dict__ or name not in self._names:
                raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
            self.__dict__[name] = value

        def __delattr__(self, name):
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

        def __repr__(self):
            values = (f"{name}={getattr(self, name)!r}" for name in self._shown)
            return f"{type(self).__qualname__}({', '.join(values)})"

        def __eq__(self, other):
            return _values(self) == _values(other) if type(other) is type(self) else NotImplemented

        def __hash__(self):
            return hash(_values(self))

    def _values(value):
        return tuple(getattr(value, name) for name in value._names)


__all__ = ["dataclass"]
