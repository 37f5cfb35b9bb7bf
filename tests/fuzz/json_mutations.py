"""Every way that a test can think of to spoil the JSON of a header and still have JSON."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from fuzz.values import DIGITS, INTS, NAMES, NUMBERS, OTHERS, SALTS, WORDS

_RAW = "@number@"
_MOST_DIGITS = 4000  # Python converts no more than 4300


def text_of(metadata: Any, *, ascii_alone: bool = True, errors: str = "strict") -> bytes:
    """The text of metadata as it stands in a header, with numbers that JSON has and Python has not."""
    text = json.dumps(metadata, separators=(",", ":"), ensure_ascii=ascii_alone).encode("utf-8", errors)
    return re.sub(rb'"@number@([^"]*)"', rb"\1", text)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value within `value` is, its own empty path first."""
    found = [path]
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        found += paths(child, (*path, key))
    return found


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _pick(random: Random, metadata: Any) -> tuple[Any, Any] | None:
    """A container somewhere in the metadata, and one of its keys."""
    found = [path for path in paths(metadata) if path]
    # Every depth alike: there are far more leaves than sections.
    depths = sorted({len(path) for path in found})
    if not depths:
        return None
    depth = random.choice(depths)
    path = random.choice([path for path in found if len(path) == depth])
    return _at(metadata, path[:-1]), path[-1]


def _value(random: Random) -> Any:
    if random.random() < 0.1:
        return _RAW + random.choice(NUMBERS)
    return copy.deepcopy(random.choice(random.choice([INTS, DIGITS, WORDS, OTHERS])))


def _set(random: Random, metadata: Any) -> None:
    if picked := _pick(random, metadata):
        picked[0][picked[1]] = _value(random)


def _retype(random: Random, metadata: Any) -> None:
    if picked := _pick(random, metadata):
        container, key = picked
        old = container[key]
        changed: list[Any] = [[old], {"0": old}, None, json.dumps(old)]
        if isinstance(old, str) and old.isdigit() and old.isascii():
            changed += [int(old), float(old[:40]), "0" + old, old + "\0", old + " ", [old, old]] * 2
        elif isinstance(old, int):
            changed += [str(old), float(min(old, 2**70)), -old, old + 2**32, old + 2**64] * 2
        elif isinstance(old, str):
            changed += [old + "\0", old + "\0x", "\0" + old, old.upper(), old[:-1], ""] * 2
        elif isinstance(old, dict):
            changed += [list(old.values()), list(old), {}] * 2
        elif isinstance(old, list):
            changed += [
                dict(enumerate(old)),
                [*old, *old],
                [*old, 1],
                [*old, None],
                [],
                [*old, "0\0", "x"],
            ] * 2
        container[key] = random.choice(changed)


def _is_countable(leaf: object) -> bool:
    """Whether it is a number, or the digits of one that Python converts."""
    if isinstance(leaf, str):
        return leaf.isdecimal() and len(leaf) < _MOST_DIGITS
    return type(leaf) is int and 0 <= leaf < 10**_MOST_DIGITS


def _nudge(random: Random, metadata: Any) -> None:
    numbers = [path for path in paths(metadata) if path and _is_countable(_at(metadata, path))]
    if numbers:
        path = random.choice(numbers)
        old = _at(metadata, path)
        step = random.choice(
            [1, -1, 512, -512, 4096, -4096, 256000, -258048, 258048, int(old), -int(old), 2**32, 2**63]
        )
        new = max(int(old) + step, -1)
        _at(metadata, path[:-1])[path[-1]] = str(new) if isinstance(old, str) else new


def _delete(random: Random, metadata: Any) -> None:
    if picked := _pick(random, metadata):
        del picked[0][picked[1]]


def _add(random: Random, metadata: Any) -> None:
    if picked := _pick(random, metadata):
        container, key = picked
        if isinstance(container, dict):
            new = random.choice([_value(random), json.loads(json.dumps(container[key]))])
            container[random.choice(NAMES)] = new
        else:
            container.insert(
                random.randrange(len(container) + 1), random.choice([_value(random), random.choice(NAMES)])
            )


def _rename(random: Random, metadata: Any) -> None:
    picked = _pick(random, metadata)
    if picked and isinstance(picked[0], dict):
        container, key = picked
        value = container.pop(key)
        container[random.choice(NAMES)] = value


def _transplant(random: Random, metadata: Any) -> None:
    source, target = _pick(random, metadata), _pick(random, metadata)
    if source and target:
        target[0][target[1]] = json.loads(json.dumps(source[0][source[1]]))


def _leaf(random: Random, metadata: Any, kind: type) -> tuple[Any, Any] | None:
    """A container, and the key of a value of this type in it."""
    found = [path for path in paths(metadata) if path and type(_at(metadata, path)) is kind]
    if not found:
        return None
    path = random.choice(found)
    return _at(metadata, path[:-1]), path[-1]


def _c_string(random: Random, metadata: Any) -> None:
    """A string that C reads as another: with a NUL, or digits with more before and behind them."""
    if picked := _leaf(random, metadata, str):
        container, key = picked
        old = container[key]
        container[key] = random.choice(
            [
                *(old + end for end in ("\0", "\x001", "\0\0", "\0\x1b", " ", "\n", "x", ".0")),
                *("0" * count + old for count in (1, 2, 18, 19, 20, 21, 300, 4300, 5000)),
                *(start + old for start in ("\0", "+", "-", " ", "\t", "\x1b")),
                old * 2,
                old * 700,
                old[:1] + "\0" + old[1:],
            ]
        )


def _c_name(random: Random, metadata: Any) -> None:
    """A member's name that C reads as another, or as another number, and often what refers to it, too."""
    if picked := _pick(random, metadata):
        container, key = picked
        if not isinstance(container, dict):
            return
        new = random.choice(
            [key + "\0", key + "\x001", "0" + key, "0" * 4400 + key, "\0" + key, key + "\x7f"]
        )
        value = container.pop(key)
        container[new] = value
        if random.random() < 0.6:
            for path in paths(metadata):
                if path and _at(metadata, path) == key and isinstance(path[-1], int):
                    _at(metadata, path[:-1])[path[-1]] = random.choice([new, key])


def _number(random: Random, metadata: Any) -> None:
    """A number as JSON allows it and no program writes it."""
    if picked := _leaf(random, metadata, int):
        old = str(picked[0][picked[1]])
        spellings = [*NUMBERS, old + ".0", old + "e0", old + "0" * 5000, old + "." + "0" * 5000]
        picked[0][picked[1]] = random.choice([_RAW, _RAW, _RAW, ""]) + random.choice(spellings)


def _salt(random: Random, metadata: Any) -> None:
    """Base64 as one reader takes it and the next does not."""
    places = [path for path in paths(metadata) if path and path[-1] in ("salt", "digest")]
    if places:
        path = random.choice(places)
        old = str(_at(metadata, path))
        at = random.randrange(len(old) + 1)
        broken = [old[:at] + each + old[at:] for each in ("\n", " ", "\t", "\0", "=", "\v", "-", "\xa0")]
        _at(metadata, path[:-1])[path[-1]] = random.choice([*SALTS, *broken, old.rstrip("="), old[:at]])


def _loose(random: Random, metadata: Any) -> None:
    """Anything at all in a member that no rule of validation binds."""
    free = ("priority", "mode", "direction", "hash", "iterations", "salt", "digest", "time", "memory", "cpus")
    free += (
        "key_description",
        "type",
        "integrity",
        "shift_size",
        "sector_size",
        "flags",
        "stripes",
        "key_size",
    )
    places = [path for path in paths(metadata) if path and path[-1] in free]
    if places:
        path = random.choice(places)
        _at(metadata, path[:-1])[path[-1]] = _value(random)


def _unknown_type(random: Random, metadata: Any) -> None:
    """A keyslot, KDF, digest or token of another type, whose other members are then nobody's."""
    places = [path for path in paths(metadata) if path and path[-1] == "type"]
    if places:
        path = random.choice(places)
        parent = _at(metadata, path[:-1])
        parent["type"] = random.choice(WORDS)
        for name in random.sample(list(parent), min(len(parent), random.randrange(3))):
            if name != "type":
                parent[name] = _value(random)


def _token(random: Random, metadata: Any) -> None:
    tokens = metadata.get("tokens")
    if isinstance(tokens, dict):
        token: dict[str, Any] = {"type": random.choice(["luks2-keyring", "luks2-x", *WORDS]), "keyslots": []}
        if isinstance(keyslots := metadata.get("keyslots"), dict) and random.random() < 0.5:
            token["keyslots"] = random.sample(list(keyslots), random.randrange(len(keyslots) + 1)) * 2
        token["key_description"] = _value(random)
        tokens[random.choice(NAMES)] = token


def _nest(random: Random, metadata: Any) -> None:
    if picked := _pick(random, metadata):
        value: Any = random.choice([[], {}, 1, "x"])
        for _ in range(random.randrange(25, 36)):
            value = random.choice([[value], {"a": value}])
        picked[0][picked[1]] = value


def _more_segments(random: Random, metadata: Any) -> None:
    segments = metadata.get("segments")
    if not isinstance(segments, dict) or not segments:
        return
    key = random.choice(list(segments))
    new = json.loads(json.dumps(segments[key]))
    if isinstance(new, dict):
        new["offset"] = str(16777216 + 512 * random.choice([-8, -1, 0, 1, 8, 2048, 32768]))
        new["size"] = random.choice(
            ["dynamic", "512", "4096", "1048576", "16777216", str(2**64 - 512), str(2**64 - 16777216)]
        )
        if random.random() < 0.3:
            new["type"] = random.choice(["linear", "crypt", "other"])
        if random.random() < 0.4:
            new["flags"] = [random.choice(["backup-final", "backup-previous", "in-reencryption", "x"])]
        else:
            new.pop("flags", None)
    name = random.choice([str(len(segments)), str(len(segments)), random.choice(NAMES)])
    segments[name] = new
    digests = metadata.get("digests")
    if isinstance(digests, dict) and digests and random.random() < 0.8:
        digest = random.choice(list(digests.values()))
        if isinstance(digest, dict) and isinstance(digest.get("segments"), list):
            digest["segments"].append(name)


def _more_keyslots(random: Random, metadata: Any) -> None:
    keyslots = metadata.get("keyslots")
    if not isinstance(keyslots, dict) or not keyslots:
        return
    new = json.loads(json.dumps(random.choice(list(keyslots.values()))))
    if isinstance(new, dict) and isinstance(new.get("area"), dict):
        new["area"]["offset"] = str(
            random.choice([806912, 806911, 548864, 290816, 32768, 16777216 - 258048, 16777216])
        )
        new["area"]["size"] = random.choice(["258048", "1", "4096", "0", str(2**64 - 32768)])
        new["type"] = random.choice(["luks2", "luks2", "reencrypt", "other"])
    name = random.choice(NAMES)
    keyslots[name] = new
    digests = metadata.get("digests")
    if isinstance(digests, dict) and digests:
        for digest in random.sample(list(digests.values()), random.randrange(len(digests) + 1)):
            if isinstance(digest, dict) and isinstance(digest.get("keyslots"), list):
                digest["keyslots"] += [name] * random.choice([1, 1, 2])


def _requirements(random: Random, metadata: Any) -> None:
    config = metadata.get("config")
    if isinstance(config, dict):
        words = random.choices(
            [word for word in WORDS if "re" in word] + [1, None, ""], k=random.randrange(4)
        )
        config["requirements"] = random.choice(
            [{"mandatory": words}, words, {"mandatory": words, "x": 1}, {}, {"mandatory": {}}]
        )


def _reencryption(random: Random, metadata: Any) -> None:
    keyslots = metadata.get("keyslots")
    for keyslot in keyslots.values() if isinstance(keyslots, dict) else ():
        if (
            isinstance(keyslot, dict)
            and keyslot.get("type") == "reencrypt"
            and isinstance(keyslot.get("area"), dict)
        ):
            area = keyslot["area"]
            area["type"] = random.choice(
                ["none", "journal", "checksum", "datashift", "datashift-checksum", "datashift-journal", "x"]
            )
            for name, values in (("hash", WORDS), ("sector_size", INTS), ("shift_size", DIGITS)):
                if random.random() < 0.5:
                    area[name] = random.choice(values)
            keyslot[random.choice(["mode", "direction", "key_size"])] = random.choice(
                ["forward", "backward", "encrypt", "decrypt", "reencrypt", 1, 64]
            )


def _grow(random: Random, metadata: Any) -> None:
    section = metadata.get(random.choice(["keyslots", "tokens", "segments", "digests"]))
    if isinstance(section, dict) and section:
        value = random.choice(list(section.values()))
        for number in range(random.choice([8, 30, 34])):
            section.setdefault(str(number), value)


JSON_MUTATIONS: list[Callable[[Random, Any], None]] = [
    *(
        _set,
        _set,
        _set,
        _retype,
        _retype,
        _retype,
        _nudge,
        _nudge,
        _nudge,
        _delete,
        _delete,
        _add,
        _add,
        _rename,
    ),
    *(
        _transplant,
        _nest,
        _more_segments,
        _more_segments,
        _more_keyslots,
        _requirements,
        _reencryption,
        _grow,
    ),
    *(
        *([_c_string] * 4),
        *([_number] * 3),
        *([_loose] * 3),
        _c_name,
        _c_name,
        _salt,
        _salt,
        _unknown_type,
        _unknown_type,
        _token,
    ),
]
