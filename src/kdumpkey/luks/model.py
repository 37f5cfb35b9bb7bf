"""What a LUKS header says: frozen values, the same for both versions where both have them.

A LUKS1 header is given the segment, the digest and the keyslots that the same volume would have in LUKS2, so
that one keyslot loop and one dump of plaintext serve both; its own fields are kept beside them.

They are tuples with names, not dataclasses: the kdump kernel's program reads a header, and to import
dataclasses and make these would take it longer than Python's own start. For that reason, too, this module's
annotations are not text, which each would be compiled.
"""

import enum
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple, TypeAlias

from kdumpkey.crypto.kdf import Argon2, Pbkdf2
from kdumpkey.luks import layout
from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.strict_json import JsonObject
from kdumpkey.printable import printable, shown

MAX_KEY_SIZE = 512  # bytes of a volume key: 4096 bits, cryptsetup's limit
PRIORITY_IGNORE = 0
PRIORITY_NORMAL = 1
PRIORITY_PREFER = 2
REENCRYPTION = "reencrypt"  # the type of the keyslot that has no key, but what a reencryption needs to go on
KEYRING_TOKEN = "luks2-keyring"  # noqa: S105 - a type's name


class CopyState(enum.Enum):
    """What one copy of a LUKS2 header is worth; a LUKS1 header has one copy, and it is CURRENT."""

    CURRENT = "current"
    OBSOLETE = "obsolete"  # valid, but the other one has a higher seqid
    DAMAGED = "damaged"


class HeaderCopy(NamedTuple):
    """One copy of the header on the device.

    `seqid` and `salt` are those of a valid copy; `problem` says what is wrong with a damaged one.
    """

    offset: int
    state: CopyState
    seqid: int | None = None
    salt: bytes = b""
    problem: str = ""

    def __repr__(self) -> str:
        return shown(self, "salt")


class UnknownKdf(NamedTuple):
    """A KDF that cannot be run: an unknown type, or (`problem`) parameters that mean nothing.

    The rest is what the header says of its costs, for those who want to see it; `salt` is None where it is
    not base64.
    """

    type: str
    problem: str = ""
    hash: str = ""
    iterations: int = 0
    time: int = 0
    memory_kib: int = 0
    parallel: int = 0
    salt: bytes | None = b""

    def __repr__(self) -> str:
        return shown(self, "salt")


Kdf: TypeAlias = Pbkdf2 | Argon2 | UnknownKdf


class Area(NamedTuple):
    """Where a keyslot's bytes are (`offset`, `size` in bytes) and their encryption (`key_size` in bytes)."""

    type: str
    offset: int
    size: int
    encryption: str = ""
    key_size: int = 0


class Af(NamedTuple):
    """The anti-forensic split of a keyslot's key."""

    type: str
    stripes: int
    hash: str


class Reencryption(NamedTuple):
    """What a keyslot of the type "reencrypt" says of the reencryption that it is kept for.

    `hash` and `sector_size` (in bytes) belong to the resilience "checksum", `shift_size` to "datashift"; the
    resilience is the type of the keyslot's area.
    """

    mode: str
    direction: str
    hash: str = ""
    sector_size: int = 0
    shift_size: str = ""


class Keyslot(NamedTuple):
    """One keyslot; `key_size` is the volume key's length in bytes; af and kdf are None where not given.

    `digests` are the names of the digests that list it, as often as they do, in the header's own order;
    `opens_data` says whether the first of them is a regular segment's, too. Both are of LUKS2 alone.
    """

    id: int
    type: str
    key_size: int
    area: Area
    af: Af | None = None
    kdf: Kdf | None = None
    priority: int = PRIORITY_NORMAL
    reencryption: Reencryption | None = None
    digests: tuple[str, ...] = ()
    opens_data: bool = True


class EncryptionClaim(NamedTuple):
    """What a segment of any type says of its encryption, to be shown; None: nothing."""

    encryption: str | None = None
    sector_size: int | None = None
    integrity: str | None = None


class Segment(NamedTuple):
    """A run of the data device; `offset` and `size` in bytes, `size` None for "dynamic": to the device's end.

    `iv_tweak` counts 512-byte sectors. `encryption`, `sector_size` and `iv_tweak` are empty and 0 unless
    `type` is "crypt"; `integrity` is the algorithm of a segment with authenticated encryption.
    """

    id: int
    type: str
    offset: int
    size: int | None
    flags: tuple[str, ...] = ()
    encryption: str = ""
    sector_size: int = 0
    iv_tweak: int = 0
    integrity: str | None = None
    claim: EncryptionClaim = EncryptionClaim()

    @property
    def is_backup(self) -> bool:
        """Whether the segment only keeps what a reencryption replaces (a "backup-…" flag)."""
        return any(flag.startswith("backup-") for flag in self.flags)


class Digest(NamedTuple):
    """The check value of a volume key, and what that key belongs to.

    `salt` and `digest` are None where the text is not base64.
    """

    id: int
    type: str
    keyslots: tuple[int, ...]
    segments: tuple[int, ...]
    hash: str = ""
    iterations: int = 0
    salt: bytes | None = None
    digest: bytes | None = None

    def __repr__(self) -> str:
        return shown(self, "salt", "digest")


class Token(NamedTuple):
    """A token: who else may know how to open `keyslots`; `json` is the whole object.

    `keyslot_names` are all that it lists, also those that no number addresses; `key_description` is that of a
    token of the type "luks2-keyring" that has one.
    """

    id: int
    type: str
    keyslots: tuple[int, ...]
    json: JsonObject
    keyslot_names: tuple[str, ...] = ()
    key_description: str | None = None

    def __repr__(self) -> str:
        return shown(self, "json")


class Config(NamedTuple):
    """The header's own sizes in bytes, its flags, and what a program must be able to do to use the device."""

    json_size: int
    keyslots_size: int
    flags: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()


class CommonHeader:
    """What headers of both versions have; the fields are those of the tuples that both also are.

    `keyslots`, `segments`, `digests` and `tokens` are in the header's own order.

    `copies` lists the copies by offset, `used` is the index of the one that was read.
    """

    version: int
    uuid: str
    keyslots: Mapping[int, Keyslot]
    segments: Mapping[int, Segment]
    digests: Mapping[int, Digest]
    tokens: Mapping[int, Token]
    copies: tuple[HeaderCopy, ...]
    used: int

    def __repr__(self) -> str:
        slots = ", ".join(map(str, self.keyslots)) or "none"
        return f"<{type(self).__name__} {printable(self.uuid)}, keyslots {slots}>"

    @property
    def requirements(self) -> tuple[str, ...]:
        """The requirements, all of them unmet: kdumpkey implements none."""
        return ()

    @property
    def data_segments(self) -> tuple[Segment, ...]:
        """The regular segments by id: what the opened volume is made of."""
        return tuple(self.segments[i] for i in sorted(self.segments) if not self.segments[i].is_backup)

    @property
    def data_offset(self) -> int:
        """Where the data begins, in bytes; 0 for a detached header whose data is the whole device."""
        return min((segment.offset for segment in self.data_segments), default=0)

    def digest_of_keyslot(self, keyslot: int) -> Digest | None:
        """Return the digest that checks the key of a keyslot, or None."""
        return self._owners[0].get(keyslot)

    def digest_of_segment(self, segment: int) -> Digest | None:
        """Return the digest that checks the key of a segment, or None."""
        return self._owners[1].get(segment)

    @cached_property
    def _owners(self) -> tuple[dict[int, Digest], dict[int, Digest]]:
        """The first digest of every keyslot and of every segment that has one."""
        keyslots: dict[int, Digest] = {}
        segments: dict[int, Digest] = {}
        for digest in self.digests.values():
            for keyslot in digest.keyslots:
                keyslots.setdefault(keyslot, digest)
            for segment in digest.segments:
                segments.setdefault(segment, digest)
        return keyslots, segments

    def key_sizes(self, digest: Digest) -> tuple[int, ...]:
        """Return the length in bytes of a digest's key, as each of its keyslots gives it."""
        return tuple(self.keyslots[number].key_size for number in digest.keyslots if number in self.keyslots)

    def is_unbound(self, keyslot: int) -> bool:
        """Say whether a keyslot's key opens no segment of this header."""
        digest = self.digest_of_keyslot(keyslot)
        return digest is None or not digest.segments


class _Luks2Fields(NamedTuple):
    version: int
    uuid: str
    keyslots: Mapping[int, Keyslot]
    segments: Mapping[int, Segment]
    digests: Mapping[int, Digest]
    tokens: Mapping[int, Token]
    copies: tuple[HeaderCopy, ...]
    used: int
    label: str
    subsystem: str
    seqid: int
    metadata_size: int
    checksum_alg: str
    config: Config
    json_text: bytes
    json: JsonObject


class Luks2Header(CommonHeader, _Luks2Fields):
    """A LUKS2 header. `metadata_size` is the length of one copy: 4096 bytes and the JSON area.

    `json_text` is the text on the device without its padding; `json` what it says, after "leftover" KDF keys
    were dropped: this is what is edited and written back, and what `--dump-json-metadata` prints.
    """

    @property
    def requirements(self) -> tuple[str, ...]:
        """The mandatory requirements, all of them unmet: kdumpkey implements none."""
        return self.config.requirements

    @property
    def copies_end(self) -> int:
        """The end of both copies in bytes."""
        return 2 * self.metadata_size

    @property
    def areas_start(self) -> int:
        """The byte at which the keyslot areas begin."""
        return self.copies_end

    @property
    def areas_end(self) -> int:
        """The end of the keyslot areas in bytes: a header device is at least this long."""
        return self.areas_start + self.config.keyslots_size


class Luks1Slot(NamedTuple):
    """One of the eight slots as it stands on the device; `key_material_offset` counts 512-byte sectors."""

    active: bool
    iterations: int
    salt: bytes
    key_material_offset: int
    stripes: int

    def __repr__(self) -> str:
        return shown(self, "salt")


class _Luks1Fields(NamedTuple):
    version: int
    uuid: str
    keyslots: Mapping[int, Keyslot]
    segments: Mapping[int, Segment]
    digests: Mapping[int, Digest]
    tokens: Mapping[int, Token]
    copies: tuple[HeaderCopy, ...]
    used: int
    cipher_name: str
    cipher_mode: str
    hash_spec: str
    payload_offset: int
    key_size: int
    mk_digest: bytes
    mk_digest_salt: bytes
    mk_digest_iterations: int
    slots: tuple[Luks1Slot, ...]


class Luks1Header(CommonHeader, _Luks1Fields):
    """A LUKS1 header, fields as on the device: `payload_offset` in 512-byte sectors, `key_size` in bytes."""

    def key_sizes(self, digest: Digest) -> tuple[int, ...]:  # noqa: ARG002 - there is one digest
        """Return the length of the volume key, which the header itself gives."""
        return (self.key_size,)

    @property
    def encryption(self) -> str:
        """The cipher's specification, such as ``aes-xts-plain64``."""
        return f"{self.cipher_name}-{self.cipher_mode}"

    @property
    def copies_end(self) -> int:
        """The end of the header itself in bytes, with the rest of its second sector."""
        return layout.LUKS1_HEADER_SIZE

    @property
    def areas_start(self) -> int:
        """The byte at which the first keyslot area begins."""
        return min(slot.key_material_offset for slot in self.slots) * SECTOR

    @property
    def areas_end(self) -> int:
        """The end of the last keyslot area in bytes, in use or not: a header device is at least this long."""
        areas = ((slot.key_material_offset, slot.stripes) for slot in self.slots)
        return layout.luks1_areas_end(self.key_size, areas)

    @property
    def aligned_areas_end(self) -> int:
        """The end of the areas as a multiple of 4096 bytes, where backups end and LUKSMETA begins."""
        return layout.round_up(self.areas_end, layout.LUKS1_AREA_ALIGNMENT)


LuksHeader: TypeAlias = Luks1Header | Luks2Header
