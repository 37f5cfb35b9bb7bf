"""Every way that a test can think of to spoil the JSON of a header and still have JSON."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

from fuzz.values import DIGITS, INTS, NAMES, OTHERS, WORDS


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


def _nudge(random: Random, metadata: Any) -> None:
    numbers = [
        path
        for path in paths(metadata)
        if path and isinstance(leaf := _at(metadata, path), (int, str)) and str(leaf).isdecimal()
    ]
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
]
