"""What a kernel that hands keys over says to each step: one table, for the simulated kernel and the real one.

Each life is a machine's, from its boot to its crash and on in the kdump kernel. `expected` is what was seen
on Linux: "ok", an errno's name, or what was read.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One call on a `Backend`, by its method's name, and what it comes to."""

    call: str
    arguments: tuple[str, ...]
    expected: str

    def __str__(self) -> str:
        shown = [word if len(word) < 24 else f"{word[:8]}...({len(word)})" for word in self.arguments]
        return "-".join([self.call, *shown]).replace("\n", "\\n").replace(" ", "_") or self.call


@dataclass(frozen=True)
class Life:
    """The steps of both kernels of one machine; where `kdump` is empty, it does not crash."""

    first: tuple[Step, ...]
    kdump: tuple[Step, ...] = ()


def _step(expected: str, call: str, *arguments: str) -> Step:
    return Step(call, arguments, expected)


_LONG = "k:" + "x" * 126  # 128 characters
_TOO_LONG = _LONG + "x"

USUAL = Life(
    first=(
        _step("0", "read", "count"),
        _step("0", "read", "reuse"),
        _step("ENOENT", "read", "restore"),
        _step("EACCES", "write", "count", "1"),
        _step("EINVAL", "write", "reuse", "1"),
        _step("EINVAL", "write", "reuse", "0"),
        # Without items a load has no keys.
        _step("ok", "load"),
        _step("1", "loaded"),
        _step("EINVAL", "write", "reuse", "1"),
        # Items and their descriptions.
        _step("ok", "mkdir", "a"),
        _step("EEXIST", "mkdir", "a"),
        _step("1", "read", "count"),
        _step("(null)", "read", "a/description"),
        _step("EINVAL", "load"),
        _step("0", "loaded"),
        _step("EINVAL", "write", "a/description", "\n"),
        _step("EINVAL", "write", "a/description", _TOO_LONG),
        _step("(null)", "read", "a/description"),
        _step("ok", "write", "a/description", _LONG),
        _step(_LONG, "read", "a/description"),
        _step("ok", "add", "logon", _LONG, "32"),
        _step("ENOKEY", "load"),
        # It is cut to 127 characters when it is asked for.
        _step("ok", "add", "logon", _LONG[:127], "32"),
        _step("ok", "load"),
        _step("ok", "write", "a/description", "k:a\nmore"),
        _step("k:a", "read", "a/description"),
        _step("ok", "write", "a/description", "k:a "),
        _step("k:a ", "read", "a/description"),
        _step("ok", "add", "logon", "k:a", "32"),
        _step("ENOKEY", "load"),
        _step("ok", "drop", "logon", "k:a"),
        _step("ok", "write", "a/description", "k:a\n"),
        # The keyring.
        _step("EINVAL", "add", "logon", "noprefix", "32"),
        _step("ENOKEY", "load"),
        _step("ok", "add", "user", "k:a", "32"),
        _step("ENOKEY", "load"),
        _step("ok", "drop", "user", "k:a"),
        _step("ok", "add", "logon", "k:a", "32"),
        _step("ok", "load"),
        _step("1", "loaded"),
        _step("ok", "forbid", "k:a"),
        _step("EACCES", "load"),
        _step("0", "loaded"),
        _step("ok", "drop", "logon", "k:a"),
        _step("ok", "add", "logon", "k:a", "32"),
        _step("ok", "revoke", "k:a"),
        _step("EKEYREVOKED", "load"),
        _step("ok", "add", "logon", "k:a", "32"),
        _step("ok", "expire", "k:a"),
        _step("ENOKEY", "load"),
        _step("ok", "add", "logon", "k:a", "257"),
        _step("EINVAL", "load"),
        _step("ok", "add", "logon", "k:a", "256"),
        _step("ok", "load"),
        _step("ok", "unload"),
        _step("0", "loaded"),
        _step("EINVAL", "write", "reuse", "1"),
        _step("ok", "unload"),
        _step("ok", "load"),
        _step("ok", "lonely"),
        _step("ENOKEY", "load"),
        _step("ok", "reunite"),
        _step("ok", "load"),
        # Reuse: the keyring is not asked.
        _step("EINVAL", "write", "reuse", "x"),
        _step("ok", "write", "reuse", "1"),
        _step("1", "read", "reuse"),
        _step("ok", "drop", "logon", "k:a"),
        _step("ok", "load"),
        _step("1", "read", "reuse"),
        _step("ok", "load"),
        _step("ok", "write", "reuse", "0"),
        _step("ENOKEY", "load"),
        _step("0", "loaded"),
        _step("EINVAL", "write", "reuse", "1"),
        _step("ok", "add", "logon", "k:a", "256"),
        _step("ok", "load"),
        # Reuse with all items removed: no keys, and no word of it.
        _step("ok", "write", "reuse", "y"),
        _step("ok", "rmdir", "a"),
        _step("ENOENT", "rmdir", "a"),
        _step("ok", "load"),
        _step("1", "loaded"),
        _step("1", "read", "reuse"),
        _step("EINVAL", "write", "reuse", "0"),
        _step("ok", "mkdir", "a"),
        _step("ok", "write", "a/description", "k:a"),
    ),
)

RESTORED = Life(
    first=(
        _step("ok", "add", "logon", "k:b", "32"),
        _step("ok", "add", "logon", "k:a", "64"),
        _step("ok", "mkdir", "two"),
        _step("ok", "write", "two/description", "k:b"),
        _step("ok", "mkdir", "one"),
        _step("ok", "write", "one/description", "k:a"),
        _step("ok", "mkdir", "same"),
        _step("ok", "write", "same/description", "k:b"),
        _step("3", "read", "count"),
        _step("ok", "load"),
        # What is named or taken away later does not change what is loaded.
        _step("ok", "rmdir", "one"),
        _step("ok", "drop", "logon", "k:b"),
        _step("1", "loaded"),
    ),
    kdump=(
        _step("ENOENT", "read", "count"),
        _step("ENOENT", "read", "reuse"),
        _step("EPERM", "mkdir", "a"),
        _step("0", "read", "restore"),
        _step("none", "keys"),
        _step("EINVAL", "write", "restore", "x"),
        _step("user:k:b:32 user:k:a:64", "keys"),
        _step("0", "read", "restore"),
        _step("ok", "drop", "user", "k:a"),
        _step("ok", "write", "restore", "0"),
        _step("user:k:b:32 user:k:a:64", "keys"),
        _step("0", "read", "restore"),
        _step("ok", "write", "restore", "1"),
        _step("1", "read", "restore"),
        _step("ok", "drop", "user", "k:a"),
        _step("ok", "write", "restore", "1"),
        _step("user:k:b:32", "keys"),
        _step("EINVAL", "write", "restore", "x"),
        _step("user:k:b:32", "keys"),
        _step("ok", "write", "restore", "0"),
        _step("ok", "write", "restore", "y"),
        _step("user:k:b:32 user:k:a:64", "keys"),
    ),
)

# One more than are restored can be named and loaded, and then none comes back.
TOO_MANY = Life(
    first=(
        _step("ok", "add", "logon", "k:a", "32"),
        *(
            step
            for number in range(129)
            for step in (
                _step("ok", "mkdir", f"i{number}"),
                _step("ok", "write", f"i{number}/description", "k:a"),
            )
        ),
        _step("129", "read", "count"),
        _step("EINVAL", "mkdir", "i129"),
        _step("ok", "load"),
        _step("1", "loaded"),
    ),
    kdump=(
        _step("ok", "write", "restore", "1"),
        _step("1", "read", "restore"),
        _step("none", "keys"),
    ),
)

# An image without keys: nothing was handed over.
WITHOUT = Life(
    first=(_step("ok", "load"), _step("1", "loaded")),
    kdump=(
        _step("0", "read", "restore"),
        _step("ok", "write", "restore", "1"),
        _step("1", "read", "restore"),
        _step("none", "keys"),
    ),
)

# Reuse with fewer items than keys were saved.
FEWER = Life(
    first=(
        _step("ok", "add", "logon", "k:a", "32"),
        _step("ok", "add", "logon", "k:b", "64"),
        _step("ok", "mkdir", "a"),
        _step("ok", "write", "a/description", "k:a"),
        _step("ok", "mkdir", "b"),
        _step("ok", "write", "b/description", "k:b"),
        _step("ok", "load"),
        _step("ok", "write", "reuse", "1"),
        _step("ok", "rmdir", "a"),
        _step("ok", "load"),
        _step("1", "loaded"),
    ),
    kdump=(
        _step("0", "read", "restore"),
        _step("ok", "write", "restore", "1"),
        _step("1", "read", "restore"),
        _step("user:k:a:32", "keys"),
    ),
)

LIVES = {"usual": USUAL, "restored": RESTORED, "fewer": FEWER, "too-many": TOO_MANY, "without": WITHOUT}
