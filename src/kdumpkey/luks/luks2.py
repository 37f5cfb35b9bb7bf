"""LUKS2: read its two copies, take the better one in memory, write a copy as bytes.

Nothing here writes to a device: where one copy is damaged, reading goes on with the other and says so in
`LuksHeader.copies`.

Source: docs/spec/luks.md "LUKS2 binary header".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import AmbiguousSignatureError, HeaderError, NotLuksError
from kdumpkey.luks import checksum, layout, metadata, strict_json
from kdumpkey.luks.identity import Identity
from kdumpkey.luks.model import CopyState, HeaderCopy, Luks2Header
from kdumpkey.luks.validate import validated

if TYPE_CHECKING:
    from kdumpkey.luks.strict_json import JsonObject
    from kdumpkey.storage.device import Reader


_ZEROS: Final = bytes(1 << 16)


@dataclass(frozen=True, slots=True)
class BinaryFields:
    """What a binary header says: its text fields, and the length of one copy in bytes."""

    identity: Identity
    metadata_size: int = layout.LUKS2_METADATA_SIZES[0]
    seqid: int = 1
    checksum_alg: str = "sha256"

    @classmethod
    def of(cls, binary: layout.Luks2Binary) -> BinaryFields:
        """Return the fields of a binary header."""
        identity = Identity(
            layout.text(binary.uuid), layout.text(binary.label), layout.text(binary.subsystem)
        )
        return cls(identity, binary.hdr_size, binary.seqid, layout.text(binary.csum_alg))


@dataclass(frozen=True, slots=True)
class _Copy:
    """A copy whose checksum is right, with what it says if that is valid, and the problem if not."""

    offset: int
    binary: layout.Luks2Binary
    text: bytes = b""
    json: JsonObject | None = None
    problem: HeaderError | None = None


def read(reader: Reader, *, ignore_signatures: bool = False, cut_short: bool = False) -> Luks2Header:
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
        header = _best(reader)
    if reader.size < header.areas_end and not cut_short:
        raise HeaderError(f"Device {reader.name} is too small. Need at least {header.areas_end} bytes.")
    if not ignore_signatures and any(copy.state is not CopyState.CURRENT for copy in header.copies):
        _check_signatures(reader)
    return header


def parse_copy(reader: Reader, offset: int) -> Luks2Header:
    """Read the one copy at `offset` (0: a primary, else a secondary) and nothing else.

    Raises:
        NotLuksError: There is none.
        HeaderError: It is not valid.
        DeviceError: The device cannot be read.
    """
    copy = _read_copy(reader, offset)
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


def _best(reader: Reader) -> Luks2Header:
    problems: list[HeaderError] = []
    primary = _try_copy(reader, 0, problems)
    if primary:
        secondary = _try_copy(reader, primary.binary.hdr_size, problems, primary)
    else:
        found = (_try_copy(reader, offset, problems) for offset in layout.LUKS2_METADATA_SIZES)
        secondary = next((copy for copy in found if copy), None)
    candidates = [copy for copy in (primary, secondary) if copy and copy.json is not None]
    if not candidates:
        raise _most_telling(primary, secondary, problems)
    used = max(candidates, key=lambda copy: copy.binary.seqid)  # of equals the first
    return _build(used, _states(primary, secondary, used, problems))


def _try_copy(
    reader: Reader, offset: int, problems: list[HeaderError], twin: _Copy | None = None
) -> _Copy | None:
    try:
        return _read_copy(reader, offset, twin)
    except HeaderError as error:
        problems.append(error)
        return None


def _read_copy(reader: Reader, offset: int, twin: _Copy | None = None) -> _Copy:
    """Read a copy; where its text is that of `twin`, a copy of the same size, nothing is judged again."""
    which = "secondary" if offset else "primary"
    if offset + layout.LUKS2_HEADER_SIZE > reader.size:
        raise NotLuksError(f"the device ends before the end of the {which} header")
    block = bytearray(layout.LUKS2_HEADER_SIZE)
    reader.pread_into(block, offset)
    binary = layout.Luks2Binary.unpack(block)
    if binary.magic != (layout.MAGIC_SECONDARY if offset else layout.MAGIC):
        raise NotLuksError(f"no {which} LUKS2 header at byte {offset}")
    if binary.version != 2:
        raise HeaderError(f"the {which} LUKS2 header has the version {binary.version}")
    if binary.hdr_offset != offset:
        raise HeaderError(f"the {which} header at byte {offset} claims to be at byte {binary.hdr_offset}")
    if binary.hdr_size not in layout.LUKS2_METADATA_SIZES or (offset and binary.hdr_size != offset):
        raise HeaderError(f"the {which} header has an impossible size of {binary.hdr_size} bytes")
    if offset + binary.hdr_size > reader.size:
        raise HeaderError(f"the device ends within the {which} header")
    area = bytearray(binary.hdr_size - layout.LUKS2_HEADER_SIZE)
    reader.pread_into(area, offset + layout.LUKS2_HEADER_SIZE)
    block[layout.LUKS2_CHECKSUM] = bytes(len(binary.csum))
    csum = checksum.digest(layout.text(binary.csum_alg), block, area)
    if csum != binary.csum[: len(csum)]:  # nothing in it is secret
        raise HeaderError(f"the {which} header's checksum is wrong")
    try:
        text = _text_of(area)
        if twin and twin.json is not None and twin.text == text:
            return replace(twin, offset=offset, binary=binary)
        json = validated(strict_json.parse(text), len(area))
    except HeaderError as problem:
        return _Copy(offset, binary, problem=problem)
    return _Copy(offset, binary, text, json)


def _text_of(area: bytearray) -> bytes:
    end = area.find(0)
    if end < 0:
        raise HeaderError("the JSON text fills its area: no NUL ends it")
    rest = (len(area) - end) % len(_ZEROS)
    if not area.startswith(_ZEROS[:rest], end) or not all(
        area.startswith(_ZEROS, start) for start in range(end + rest, len(area), len(_ZEROS))
    ):
        raise HeaderError("the JSON area has other bytes than NUL after its text")
    with memoryview(area) as view:
        return bytes(view[:end])


def _check_signatures(reader: Reader) -> None:
    from kdumpkey.luks.signatures import PARTITION_TABLE, foreign_signature  # noqa: PLC0415  (hardly ever needed)

    signature = foreign_signature(reader)
    if signature:
        raise AmbiguousSignatureError(
            "Device contains ambiguous signatures, cannot auto-recover LUKS2. "
            f"Not both of its headers are valid and up to date, and it may hold {signature} now.",
            is_table=signature == PARTITION_TABLE,
        )


def _most_telling(primary: _Copy | None, secondary: _Copy | None, problems: list[HeaderError]) -> HeaderError:
    read_and_judged = [copy.problem for copy in (primary, secondary) if copy and copy.problem]
    there = [problem for problem in problems if not isinstance(problem, NotLuksError)]
    return (read_and_judged + there + problems)[0]


def _states(
    primary: _Copy | None, secondary: _Copy | None, used: _Copy, problems: list[HeaderError]
) -> tuple[HeaderCopy, ...]:
    result = []
    for copy, offset in ((primary, 0), (secondary, used.binary.hdr_size)):
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


def _state(copy: _Copy, state: CopyState) -> HeaderCopy:
    return HeaderCopy(copy.offset, state, seqid=copy.binary.seqid, salt=copy.binary.salt)


def _build(copy: _Copy, copies: tuple[HeaderCopy, ...]) -> Luks2Header:
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
