"""Every action that changes a header, to be run on one mutated header by two programs."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random

from both import Result, ours, run
from fuzz.base_headers import BASES, SALT, base
from fuzz.images import Copy, HeaderImage
from fuzz.json_mutations import JSON_MUTATIONS, text_of
from fuzz.judges import write

VOLUME_KEY = bytes(range(64))
UUID = "0f3d1f52-5ac2-4bd1-9a3c-0123456789ab"
_CHEAP = "-q --pbkdf pbkdf2 --pbkdf-force-iterations 1000"

EDITS = (
    "config --label x --subsystem y DEV",
    "config --priority prefer -S 0 DEV",
    "config --priority normal -S 1 DEV",
    "token add --key-description a:b DEV",
    "token add --key-description a:b --token-id 0 --token-replace -S 0 DEV",
    "token import --json-file TOKEN DEV",
    "token remove --token-id 0 DEV",
    "token unassign --token-id 0 -S 0 DEV",
    "luksKillSlot -q DEV 0",
    "luksKillSlot -q DEV 1",
    f"luksAddKey {_CHEAP} --volume-key-file VK DEV NEW",
    f"luksAddKey {_CHEAP} --unbound -s 256 DEV NEW",
    "erase -q DEV",
    f"luksUUID -q --uuid {UUID} DEV",
    "convert -q --type luks1 DEV",
    "repair -q DEV",
)


@dataclass(frozen=True)
class Edited:
    """What an edit came to, and whether cryptsetup takes the header afterwards."""

    result: Result
    accepted: bool


def mutated_header(seed: int) -> HeaderImage:
    """A LUKS2 header, both copies alike; digests are those of `VOLUME_KEY` where they were not mutated."""
    random = Random(seed)
    name = random.choice(list(BASES))
    metadata = base(name)
    for _ in range(random.choice([0, 1, 1, 1, 2])):
        random.choice(JSON_MUTATIONS)(random, metadata)
    metadata_size = 32768 if name == "other sizes" else 16384
    value = hashlib.pbkdf2_hmac("sha256", VOLUME_KEY, base64.b64decode(SALT), 1000)
    digest = f'"digest":"{base64.b64encode(value).decode()}"'.encode()
    text = text_of(metadata, errors="replace").replace(f'"digest":"{SALT}"'.encode(), digest)
    seqid = random.choice([3, 3, 3, 2**63, 2**64 - 1]) if random.random() < 0.1 else 3
    first = Copy(text, hdr_size=metadata_size, seqid=seqid)
    second = Copy(text, b"SKUL\xba\xbe", hdr_size=metadata_size, hdr_offset=metadata_size, seqid=seqid)
    area = metadata_size - 4096
    size = (2 * metadata_size + int(base(name)["config"]["keyslots_size"])) + (4 << 20)
    return HeaderImage(size, ((0, first.pack(area)), (metadata_size, second.pack(area))), (text, text))


class EditFolder:
    """A folder with what the edits need."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._device = folder / "device"
        (folder / "VK").write_bytes(VOLUME_KEY)
        (folder / "NEW").write_text("new")
        (folder / "TOKEN").write_text('{"type":"some","keyslots":["0"]}')

    def put(self, image: HeaderImage) -> Path:
        """Make the image that is edited from now on, and give the device that has it."""
        self._image = image
        write(image, self._device)
        return self._device

    def edited(self, edit: str, program: str | Path | None, judge: str | Path = "cryptsetup") -> Edited:
        """Let a cryptsetup, or kdumpkey (None), edit a device with the image; another judges it."""
        device = self.put(self._image)
        names = {"DEV": device, **{name: self._folder / name for name in ("VK", "NEW", "TOKEN")}}
        words = [os.fspath(names.get(word, word)) for word in edit.split()]
        result = ours(words) if program is None else run([program, *words])
        return Edited(result, run([judge, "luksDump", device]).code == 0)


def last_line(result: Result) -> str:
    """The last line of what was said, for reports."""
    return re.sub(r"/\S*/", "", (result.err or result.out).strip().rpartition("\n")[2])
