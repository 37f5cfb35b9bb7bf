"""A new keyslot: sealed before the header is locked, and written while it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self, assert_never

from kdumpkey.crypto.cipher_spec import CipherSpec, is_null_cipher
from kdumpkey.crypto.kdf import Pbkdf2
from kdumpkey.errors import CipherError, KdfError, KeyslotError
from kdumpkey.luks import header_changes, layout, luks1
from kdumpkey.luks.layout import LUKS1_SLOTS, SECTOR
from kdumpkey.luks.model import REENCRYPTION, Area, Luks1Header, Luks1Slot, Luks2Header
from kdumpkey.luks.seal import AreaCipher, Recipe, seal

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.crypto.kdf import Kdf
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.luks.store import HeaderStore
    from kdumpkey.luks.strict_json import JsonObject
    from kdumpkey.secret import SecretBuffer

_DEFAULT_ENCRYPTION: Final = "aes-xts-plain64"
_DEFAULT_KEY_SIZE: Final = 64
_NOT_IN_LUKS1: Final = "Requested PBKDF type is not supported for LUKS1."


def area_cipher(encryption: str, key_size: int) -> AreaCipher:
    """Check the encryption that was asked for the area of a LUKS2 keyslot.

    Args:
        encryption: The cipher's specification.
        key_size: Bytes of its key.

    Raises:
        CipherError: It protects nothing, is not implemented, or cryptsetup does not take it for keyslots.
    """
    if is_null_cipher(encryption) or encryption.startswith("capi:"):
        raise CipherError("Keyslot encryption parameters are not compatible with LUKS2 keyslot encryption.")
    try:
        spec = CipherSpec.parse(encryption, keyslot=True)
        spec.check_key_size(key_size)
    except CipherError as error:
        raise CipherError(f"{error}\nCannot use {encryption} cipher for keyslot encryption.") from error
    if not spec.is_cryptsetups(key_size):  # which opens it by means of dm-crypt at best
        raise CipherError(f"Cannot use {encryption} cipher for keyslot encryption.")
    return AreaCipher(encryption, key_size)


@dataclass(frozen=True)
class SealedKeyslot:
    """The content of a keyslot's area and all that the header must say of it; close it, or use `with`."""

    area: SecretBuffer
    key_size: int
    cipher: AreaCipher
    af_hash: str
    kdf: Kdf

    def json(self, offset: int) -> JsonObject:
        """The keyslot's object in a LUKS2 header, with its area at `offset`."""
        area = Area(
            "raw", offset, layout.area_bytes(self.key_size), self.cipher.encryption, self.cipher.key_size
        )
        return header_changes.keyslot_json(self.key_size, area, self.af_hash, self.kdf)

    def slot(self, old: Luks1Slot) -> Luks1Slot:
        """The keyslot in a LUKS1 header, in the place of `old`.

        Raises:
            KdfError: It was sealed for LUKS2, with Argon2.
        """
        if not isinstance(self.kdf, Pbkdf2):
            raise KdfError(_NOT_IN_LUKS1)
        return Luks1Slot(
            active=True,
            iterations=self.kdf.iterations,
            salt=self.kdf.salt,
            key_material_offset=old.key_material_offset,
            stripes=old.stripes,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.area.close()


def seal_keyslot(header: LuksHeader, volume_key: Buffer, passphrase: Buffer, recipe: Recipe) -> SealedKeyslot:
    """Make a keyslot for a header, which is not changed yet.

    Args:
        header: Its header.
        volume_key: The key that it gives.
        passphrase: What opens it.
        recipe: How it is made.

    Raises:
        KdfError: LUKS1 cannot say this function.
        KdumpkeyError: As `luks.seal.seal`.
    """
    with memoryview(volume_key) as view:
        key_size = view.nbytes
    kdf = recipe.kdf
    match header:
        case Luks1Header():
            if not isinstance(kdf, Pbkdf2) or kdf.hash != header.hash_spec:
                raise KdfError(_NOT_IN_LUKS1)
            af_hash = header.hash_spec
            cipher = AreaCipher(header.encryption, header.key_size)
        case Luks2Header():
            af_hash = recipe.af_hash
            cipher = recipe.cipher or data_cipher(header, _data_key_size(header) or key_size)
        case _:
            assert_never(header)
    area = seal(volume_key, passphrase, replace(recipe, af_hash=af_hash), cipher)
    return SealedKeyslot(area, key_size, cipher, af_hash, kdf)


def data_cipher(header: LuksHeader, key_size: int) -> AreaCipher:
    """The cipher of a header's data, for keyslot areas too; the default one where that cannot be."""
    segments = [segment for segment in header.data_segments if segment.encryption]
    if segments and segments[0].integrity is None:
        encryption = segments[0].encryption
        try:
            spec = CipherSpec.parse(encryption, keyslot=True)
            spec.check_key_size(key_size)
        except CipherError:
            pass
        else:
            if spec.is_cryptsetups(key_size):
                return AreaCipher(encryption, key_size)
    return AreaCipher(_DEFAULT_ENCRYPTION, _DEFAULT_KEY_SIZE)


def _data_key_size(header: LuksHeader) -> int:
    """Bytes of the data's key as some keyslot says it, or 0."""
    sizes = (slot.key_size for slot in header.keyslots.values() if not header.is_unbound(slot.id))
    return next(sizes, 0)


def choose_number(header: LuksHeader, wanted: int | None) -> int:
    """The number of a keyslot to be made: the wanted one, or the lowest free one.

    Raises:
        KeyslotError: It is taken or impossible, or none is free.
    """
    limit = LUKS1_SLOTS if header.version == 1 else header_changes.MAX_KEYSLOTS
    if wanted is None:
        number = next((number for number in range(limit) if number not in header.keyslots), None)
        if number is None:
            raise KeyslotError("All key slots full.")
        return number
    if not 0 <= wanted < limit:
        raise KeyslotError(f"Key slot {wanted} is invalid, please select between 0 and {limit - 1}.")
    if wanted in header.keyslots:
        raise KeyslotError(f"Key slot {wanted} is full, please select another one.")
    return wanted


def write_keyslot(
    store: HeaderStore, header: LuksHeader, sealed: SealedKeyslot, number: int, digest: int
) -> LuksHeader:
    """Write a sealed keyslot's area where there is room, and then the header with the keyslot in it.

    Args:
        store: Within its `changing`.
        header: What `changing` gave, or a header made from that.
        sealed: The keyslot.
        number: Its number, which is free.
        digest: The digest that its key fits.

    Raises:
        KeyslotError: There is no room for the area.
        HeaderError: There is no room in the JSON area.
        DeviceError: The device cannot be written.
    """
    match header:
        case Luks1Header():
            slot = sealed.slot(header.slots[number])
            store.write_area(slot.key_material_offset * SECTOR, sealed.area)
            return store.write(luks1.with_slot(header, number, slot))
        case Luks2Header():
            offset = room_for(header, sealed)
            changed = header_changes.with_keyslot(header, number, sealed.json(offset), digest)
            store.check_fits(changed)
            store.write_area(offset, sealed.area)
            return store.write(changed)
        case _:
            assert_never(header)


def room_for(header: Luks2Header, sealed: SealedKeyslot) -> int:
    """Where the area of a sealed keyslot fits, in bytes.

    Raises:
        KeyslotError: Nowhere.
    """
    offset = header_changes.free_area(header, layout.area_bytes(sealed.key_size))
    if offset is None:
        raise KeyslotError("No space for new keyslot.")
    return offset


def remove(store: HeaderStore, header: LuksHeader, *numbers: int) -> LuksHeader:
    """Wipe keyslots' areas, and when that is on the medium write the header without the keyslots.

    Raises:
        DeviceError: The device cannot be written.
    """
    changed = without_keyslots(header, *numbers)  # before anything is wiped for a header that cannot be
    for number in numbers:
        area = header.keyslots[number].area
        store.wipe_area(area.offset, area.size)
    return store.write(changed)


def without_keyslots(header: LuksHeader, *numbers: int) -> LuksHeader:
    """The header without these keyslots."""
    for number in numbers:
        match header:
            case Luks1Header():
                slot = luks1.inactive_slot(header.slots[number].key_material_offset)
                header = luks1.with_slot(header, number, slot)
            case Luks2Header():
                header = header_changes.without_keyslot(header, number)
            case _:
                assert_never(header)
    return header


def every_area(header: LuksHeader) -> list[tuple[int, int]]:
    """Where keyslots with keys are or may have been: offsets and sizes in bytes."""
    match header:
        case Luks1Header():
            size = layout.round_up(layout.stripes_bytes(header.key_size), layout.LUKS1_AREA_ALIGNMENT)
            return [(slot.key_material_offset * SECTOR, size) for slot in header.slots]
        case Luks2Header():
            kept = sorted(
                (slot.area.offset, slot.area.offset + slot.area.size)
                for slot in header.keyslots.values()
                if slot.type == REENCRYPTION
            )
            bounds = [header.areas_start, *(at for area in kept for at in area), header.areas_end]
            runs = zip(bounds[::2], bounds[1::2], strict=True)
            return [(start, stop - start) for start, stop in runs if start < stop]
        case _:
            assert_never(header)
