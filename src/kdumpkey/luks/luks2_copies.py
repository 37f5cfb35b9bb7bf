"""The two copies of a LUKS2 header: read, judged, and the better one taken; nothing is made of it yet.

Source: docs/spec/luks.md "LUKS2 binary header".
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from kdumpkey.errors import AmbiguousSignatureError, HeaderError, NotLuksError
from kdumpkey.luks import checksum, layout, strict_json
from kdumpkey.luks.rules import object_member, strtoull_member
from kdumpkey.luks.strict_json import JsonObject
from kdumpkey.luks.validate import validated

if TYPE_CHECKING:
    from kdumpkey.storage.device import Reader

_ZEROS: Final = bytes(1 << 16)


class Copy(NamedTuple):
    """A copy whose checksum is right, with what it says if that is valid, and the problem if not."""

    offset: int
    binary: layout.Luks2Binary
    text: bytes = b""
    json: JsonObject | None = None
    problem: HeaderError | None = None

    @property
    def areas_end(self) -> int:
        """The end of the keyslot areas in bytes; of a valid copy."""
        config = object_member(self.json or {}, "config", "")
        return 2 * self.binary.hdr_size + strtoull_member(config, "keyslots_size", "config")


class Copies(NamedTuple):
    """Both copies, or None for one that is missing; the better one; and what was wrong, in reading order."""

    primary: Copy | None
    secondary: Copy | None
    used: Copy
    problems: list[HeaderError]

    @property
    def are_current(self) -> bool:
        """Whether both are valid and up to date."""
        return all(
            copy is not None and copy.problem is None and copy.binary.seqid >= self.used.binary.seqid
            for copy in (self.primary, self.secondary)
        )


def read_copies(reader: "Reader", *, ignore_signatures: bool = False, cut_short: bool = False) -> Copies:
    """Read both copies; the better one is the valid copy with the higher seqid, of equals the primary.

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
    copies = _both(reader)
    if reader.size < copies.used.areas_end and not cut_short:
        raise HeaderError(f"Device {reader.name} is too small. Need at least {copies.used.areas_end} bytes.")
    if not ignore_signatures and not copies.are_current:
        _check_signatures(reader)
    return copies


def _both(reader: "Reader") -> Copies:
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
    return Copies(primary, secondary, used, problems)


def _try_copy(
    reader: "Reader", offset: int, problems: list[HeaderError], twin: Copy | None = None
) -> Copy | None:
    try:
        return read_copy(reader, offset, twin)
    except HeaderError as error:
        problems.append(error)
        return None


def read_copy(reader: "Reader", offset: int, twin: Copy | None = None) -> Copy:
    """Read the copy at `offset` (0: the primary).

    Args:
        reader: The device.
        offset: Where the copy begins.
        twin: A copy of the same size; where it has the same text, nothing is judged again.

    Raises:
        NotLuksError: The device has no LUKS header.
        HeaderError: Its binary header is not valid; what is wrong with its JSON is the result's `problem`.
        DeviceError: The device cannot be read.
    """
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
            return twin._replace(offset=offset, binary=binary)
        json = validated(strict_json.parse(text), len(area))
    except HeaderError as problem:
        return Copy(offset, binary, problem=problem)
    return Copy(offset, binary, text, json)


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


def _check_signatures(reader: "Reader") -> None:
    from kdumpkey.luks.signatures import PARTITION_TABLE, foreign_signature  # noqa: PLC0415  (hardly ever needed)

    signature = foreign_signature(reader)
    if signature:
        raise AmbiguousSignatureError(
            "Device contains ambiguous signatures, cannot auto-recover LUKS2. "
            f"Not both of its headers are valid and up to date, and it may hold {signature} now.",
            is_table=signature == PARTITION_TABLE,
        )


def _most_telling(primary: Copy | None, secondary: Copy | None, problems: list[HeaderError]) -> HeaderError:
    read_and_judged = [copy.problem for copy in (primary, secondary) if copy and copy.problem]
    there = [problem for problem in problems if not isinstance(problem, NotLuksError)]
    return (read_and_judged + there + problems)[0]
