"""Memory for keys and passphrases: locked, left out of core dumps, wiped when closed or collected.

A `SecretBuffer` has a mapping of its own and shares no page with anything else. What it promises:

- The mapping is locked (mlock); where RLIMIT_MEMLOCK refuses that, it goes on unlocked and `locked` is
  False. It is left out of core dumps (MADV_DONTDUMP).
- `close()` zeroes the content at once, also under views that are still exported: they read zeros from then
  on. The mapping itself goes back to the system with the last view, so that no view ever points at foreign
  memory. A buffer that is never closed is wiped when it is collected.
- A forked child does not inherit the content (MADV_WIPEONFORK): the child's buffer is closed to it and
  refuses use, because a key of zeros would otherwise pass for a key. A view that was exported before the
  fork reads zeros in the child. Pass a secret to a child through a pipe or a keyring, not through fork.
- Content reaches Python only through the buffer protocol: no repr, no pickle, no copy, no `bytes()`, no
  comparison by content with `==` (`equals` compares in constant time; hash and `==` go by identity).
- Methods hold the GIL while they touch the content, so a `close()` in another thread falls before or after
  each of them, never within. Code that reads an exported view without the GIL may see zeros appear when
  another thread closes the buffer, and never an unmapped page.

Python itself makes copies that nobody can wipe; docs/security.md lists them.
"""

from __future__ import annotations

from kdumpkey._native.secret import SecretBuffer, move_out, wipe

__all__ = ["SecretBuffer", "take", "wipe"]


def take(data: bytes, nbytes: int | None = None) -> SecretBuffer:
    """Move a freshly made bytes object into a SecretBuffer and zero the object's own storage.

    For what C code hands out as `bytes` and nothing else: ``take(hashlib.pbkdf2_hmac(...))``. Zeroing an
    immutable object in place is sound only while nobody else can see it, so the argument must be the call's
    result itself and not a name: any other reference (a variable, a constant, one of the interpreter's own
    short bytes objects) is refused. Where it refuses, it wipes nothing.

    Args:
        data: The bytes object, with no reference but this argument.
        nbytes: How many bytes from its start to keep (default: all); the rest is wiped with it.

    Raises:
        ValueError: `data` has another reference, or has fewer than `nbytes` bytes.
        TypeError: `data` is not bytes.
    """
    wanted = len(data) if nbytes is None else nbytes
    if not 0 <= wanted <= len(data):
        raise ValueError(f"{wanted} of {len(data)} bytes cannot be taken")
    holder = [data]
    del data  # the list's is now the only reference, if the caller keeps none
    return move_out(holder, wanted)
