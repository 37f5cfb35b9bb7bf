"""LUKS2: make a header of the better copy, write a copy as bytes.

Nothing here writes to a device: where one copy is damaged, reading goes on with the other and says so in
`LuksHeader.copies`.

Source: docs/spec/luks.md "LUKS2 binary header".
"""

from typing import TYPE_CHECKING, NamedTuple

from kdumpkey.errors import HeaderError
from kdumpkey.luks import checksum, layout, luks2_copies, metadata, strict_json
from kdumpkey.luks.identity import Identity
from kdumpkey.luks.model import CopyState, HeaderCopy, Luks2Header
from kdumpkey.luks.strict_json import JsonObject
from kdumpkey.luks.validate import validated

if TYPE_CHECKING:
    from kdumpkey.luks.luks2_copies import Copies, Copy
    from kdumpkey.storage.device import Reader


class BinaryFields(NamedTuple):
    """What a binary header says: its text fields, and the length of one copy in bytes."""

    identity: Identity
    metadata_size: int = layout.LUKS2_METADATA_SIZES[0]
    seqid: int = 1
    checksum_alg: str = "sha256"

    @classmethod
    def of(cls, binary: layout.Luks2Binary) -> "BinaryFields":
        """Return the fields of a binary header."""
        identity = Identity(
            layout.text(binary.uuid), layout.text(binary.label), layout.text(binary.subsystem)
        )
        return cls(identity, binary.hdr_size, binary.seqid, layout.text(binary.csum_alg))


def read(reader: "Reader", *, ignore_signatures: bool = False, cut_short: bool = False) -> Luks2Header:
    """Read the LUKS2 header of a device: the valid copy with the higher seqid, of equals the primary.

    Args:
        reader: The device.
        ignore_signatures: Be content with one copy even on a device with a foreign signature (for repair).
        cut_short: Take a device that ends before the keyslots' area does.

    Raises:
        NotLuksError: Neither copy is there.
        AmbiguousSignatureError: One copy is damaged or older, and a foreign signature is on the device.
        HeaderError: No copy is valid, or the device is too small.
        DeviceError: The device cannot be read.
    """
    with strict_json.no_garbage_collection():
        copies = luks2_copies.read_copies(reader, ignore_signatures=ignore_signatures, cut_short=cut_short)
        return _build(copies.used, _states(copies))


def parse_copy(reader: "Reader", offset: int) -> Luks2Header:
    """Read the one copy at `offset` (0: a primary, else a secondary) and nothing else.

    Raises:
        NotLuksError: There is no copy.
        HeaderError: It is not valid.
        DeviceError: The device cannot be read.
    """
    copy = luks2_copies.read_copy(reader, offset)
    if copy.problem:
        raise copy.problem
    return _build(copy, (_state(copy, CopyState.CURRENT),))


def build(json: JsonObject, fields: BinaryFields) -> Luks2Header:
    """Make the header that JSON and a binary header make together, as for one that is to be written.

    Args:
        json: The metadata; not changed.
        fields: What the binary header says; a label that is too long is cut.

    Raises:
        HeaderError: The JSON breaks a rule.
    """
    checked = validated(json, fields.metadata_size - layout.LUKS2_HEADER_SIZE)
    copy = HeaderCopy(0, CopyState.CURRENT, seqid=fields.seqid)
    return _header(fields, strict_json.serialise(checked), checked, (copy,))


def serialise(header: Luks2Header, *, secondary: bool, salt: bytes) -> bytes:
    """Return one copy of a header as it stands on the device, checksum included.

    Args:
        header: Its `json` is written, not its `json_text`.
        secondary: Which copy.
        salt: The copy's own 64 random bytes.

    Raises:
        HeaderError: The JSON does not fit into its area.
    """
    json_size = header.metadata_size - layout.LUKS2_HEADER_SIZE
    text = strict_json.serialise(header.json)
    if len(text) >= json_size:
        raise HeaderError(
            f"the JSON text is too large: it needs {len(text)} bytes, and its area holds {json_size - 1}"
        )
    area = text.ljust(json_size, b"\0")
    binary = layout.Luks2Binary(
        magic=layout.MAGIC_SECONDARY if secondary else layout.MAGIC,
        version=2,
        hdr_size=header.metadata_size,
        seqid=header.seqid,
        label=layout.field(header.label, layout.LUKS2_LABEL_BYTES),
        csum_alg=layout.field(header.checksum_alg, layout.LUKS2_CHECKSUM_NAME_BYTES),
        salt=salt,
        uuid=layout.field(header.uuid, layout.UUID_BYTES),
        subsystem=layout.field(header.subsystem, layout.LUKS2_LABEL_BYTES),
        hdr_offset=header.metadata_size if secondary else 0,
        padding=b"",
        csum=b"",
    )
    return binary._replace(csum=checksum.digest(header.checksum_alg, binary.pack(), area)).pack() + area


def _states(copies: "Copies") -> tuple[HeaderCopy, ...]:
    result = []
    used, problems = copies.used, copies.problems
    for copy, offset in ((copies.primary, 0), (copies.secondary, used.binary.hdr_size)):
        if copy is None:
            problem = str(problems[0] if not offset else problems[-1])
            result.append(HeaderCopy(offset, CopyState.DAMAGED, problem=problem))
        elif copy.problem:
            result.append(HeaderCopy(copy.offset, CopyState.DAMAGED, problem=str(copy.problem)))
        elif copy.binary.seqid < used.binary.seqid:
            result.append(_state(copy, CopyState.OBSOLETE))
        else:
            result.append(_state(copy, CopyState.CURRENT))
    return tuple(result)


def _state(copy: "Copy", state: CopyState) -> HeaderCopy:
    return HeaderCopy(copy.offset, state, seqid=copy.binary.seqid, salt=copy.binary.salt)


def _build(copy: "Copy", copies: tuple[HeaderCopy, ...]) -> Luks2Header:
    if copy.json is None:
        raise ValueError("only a valid copy makes a header")
    used = next((i for i, state in enumerate(copies) if state.offset == copy.offset), 0)
    return _header(BinaryFields.of(copy.binary), copy.text, copy.json, copies, used)


def _header(
    fields: BinaryFields, text: bytes, json: JsonObject, copies: tuple[HeaderCopy, ...], used: int = 0
) -> Luks2Header:
    parts = metadata.build(json)
    return Luks2Header(
        version=2,
        uuid=fields.identity.uuid,
        keyslots=parts.keyslots,
        segments=parts.segments,
        digests=parts.digests,
        tokens=parts.tokens,
        copies=copies,
        used=used,
        label=layout.label(fields.identity.label),
        subsystem=layout.label(fields.identity.subsystem),
        seqid=fields.seqid,
        metadata_size=fields.metadata_size,
        checksum_alg=fields.checksum_alg,
        config=parts.config,
        json_text=text,
        json=json,
    )
