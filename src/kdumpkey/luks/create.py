"""Making a device a LUKS device."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from kdumpkey.crypto import hashes, kdf
from kdumpkey.crypto.cipher_spec import NULL_CIPHER, CipherSpec, dm_crypt_refusal
from kdumpkey.crypto.kdf import Pbkdf2
from kdumpkey.errors import CipherError, DeviceError, KdfError, KeyslotError, UsageError, WriteError
from kdumpkey.luks import layout, new_header
from kdumpkey.luks.choose_kdf import KdfRequest, choose_kdf, measured_iterations
from kdumpkey.luks.header_changes import VolumeKeyDigest
from kdumpkey.luks.identity import Identity, checked_uuid, new_uuid
from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.model import Luks1Header, Luks2Header
from kdumpkey.luks.new_header import DataStart, Geometry
from kdumpkey.luks.new_keyslot import choose_number, seal_keyslot
from kdumpkey.luks.put_header import before_data, bytes_written, put_header
from kdumpkey.luks.seal import AreaCipher, Recipe
from kdumpkey.secret import SecretBuffer
from kdumpkey.storage.device import Device, open_readonly, open_readwrite

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.luks.model import LuksHeader

_SALT: Final = 32
_DIGEST_MS: Final = 125
_DIGEST_FORCED: Final = 1000
_LARGE: Final = 4096
_DEFAULT_BITS: Final = {"xts": 512}
_OTHER_BITS: Final = 256
_NOTHING_ASKED: Final = KdfRequest()


@dataclass(frozen=True)
class Format:
    """What is to be made; None: cryptsetup's default.

    Sizes, `offset` and `alignment` are in bytes; `header` is the device or file for a detached header.
    """

    version: int = 2
    header: str | None = None
    encryption: str = "aes-xts-plain64"
    key_size: int | None = None
    request: KdfRequest = _NOTHING_ASKED
    uuid: str | None = None
    label: str = ""
    subsystem: str = ""
    sector_size: int | None = None
    offset: int | None = None
    alignment: int | None = None
    metadata_size: int | None = None
    keyslots_size: int | None = None
    area_cipher: AreaCipher | None = None
    keyslot: int | None = None
    check_memory: bool = True


def canonical_cipher(name: str) -> str:
    """A cipher's specification in full: ``aes`` alone means ``aes-cbc-plain``, as it always has.

    Raises:
        CipherError: It is not implemented, or no program would take it.
    """
    if not name:
        raise CipherError("No known cipher specification pattern detected.")
    encryption = _in_full(name)
    if CipherSpec.parse(encryption).names_needless_iv:
        raise CipherError(f"Cipher {encryption} names an IV, and ECB takes none.")
    return encryption


def _in_full(name: str) -> str:
    if name in ("null", NULL_CIPHER):
        return f"{NULL_CIPHER}-ecb"
    if name.startswith("capi:"):
        return name
    cipher, _, mode = name.partition("-")
    return f"{cipher}-cbc-plain" if mode in ("", "plain") else name


def cipher_warnings(encryption: str) -> list[str]:
    """What to know before a cipher is used: that it protects nothing, or that Linux cannot map it."""
    warnings = []
    if CipherSpec.parse(encryption).is_null:
        warnings.append(f"{encryption} encrypts nothing: the data will be readable without any key.")
    if reason := dm_crypt_refusal(encryption):
        warnings.append(f"dm-crypt will not open the data: {reason}.")
    return warnings


def volume_key_size(what: Format) -> int:
    """Bytes of the volume key.

    Raises:
        CipherError: The cipher does not take such a key.
    """
    spec = CipherSpec.parse(what.encryption)
    bits = _DEFAULT_BITS.get(spec.mode, _OTHER_BITS)
    size = what.key_size or bits // 8
    spec.check_key_size(size)
    return size


def format_device(
    path: str,
    passphrase: Buffer,
    what: Format,
    *,
    volume_key: Buffer | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> int:
    """Make a device a LUKS device; what was on it is lost.

    An older LUKS2 header opens until the new one does: the new keyslot is first put where no old one is.

    Args:
        path: The device or file; a file that is too small for header and keyslots is grown.
        passphrase: What opens the new keyslot.
        what: What is to be made.
        volume_key: The volume key; default: random.
        warn: Told what is worth knowing.

    Returns:
        The number of the keyslot.

    Raises:
        UsageError: The sizes do not go together.
        CipherError: The cipher is not implemented, or does not take such a key.
        KdfError: The costs are out of bounds.
        DeviceError: A device cannot be written, is in use, or is too small.
        HeaderError: The header does not fit its own area.
        KeyslotError: The keyslot does not fit the keyslots' area.
    """
    key_size = volume_key_size(what)
    _check_hash(what)
    with (
        _key(volume_key, key_size) as key,
        open_readwrite(what.header or path, exclusive=True) as device,
    ):
        data_size = device.size
        if what.header is not None:
            with open_readonly(path) as data:
                data_size = data.size
        made = _empty_header(what, key, data_size)
        recipe = Recipe(
            choose_kdf(what.request, made), what.request.af_hash, what.area_cipher, what.check_memory
        )
        number = choose_number(made, what.keyslot)
        areas = _keyslots_size(made)
        if areas is not None and layout.area_bytes(key_size) > areas:
            raise KeyslotError("No space for new keyslot.")
        with seal_keyslot(made, key, passphrase, recipe) as sealed:
            _grow(device, made, warn, data=what.header is None)
            if areas is not None and areas < new_header.SMALL_AREA:
                warn(
                    f"WARNING: keyslots area ({areas} bytes) is very small, "
                    "available LUKS2 keyslot count is very limited."
                )
            put_header(device, made, sealed, number)
    return number


def _keyslots_size(header: LuksHeader) -> int | None:
    """Bytes for all keyslot areas of a LUKS2 header; None: LUKS1 has room for its eight."""
    match header:
        case Luks1Header():
            return None
        case Luks2Header():
            return header.config.keyslots_size
        case _:
            assert_never(header)


def _check_hash(what: Format) -> None:
    name = what.request.af_hash
    try:
        size = hashes.find(name).size
    except CipherError as error:
        message = f"Requested hash {name} is not supported.\nFailed to set pbkdf parameters."
        raise KdfError(message) from error
    if size < layout.LUKS1_DIGEST_BYTES:  # a header with it would be refused ever after
        kind = "LUKS " if what.version == 1 else ""
        raise KdfError(f"Requested {kind}hash {name} is not supported.")


def _key(volume_key: Buffer | None, size: int) -> SecretBuffer:
    if volume_key is None:
        return SecretBuffer.random(size)
    with memoryview(volume_key) as view:
        if view.nbytes != size:
            raise UsageError(f"The volume key has {view.nbytes} bytes, and not {size}.")
        return SecretBuffer.copy_of(view)


def _empty_header(what: Format, key: SecretBuffer, data_size: int) -> LuksHeader:
    uuid = new_uuid() if what.uuid is None else checked_uuid(what.uuid)
    identity = Identity(uuid, what.label, what.subsystem)
    data = DataStart(what.offset, what.alignment, detached=what.header is not None)
    if what.offset and what.offset % _LARGE:
        raise UsageError(f"Data offset is not multiple of {_LARGE} bytes.")
    if what.version == 1:
        if what.sector_size not in (None, SECTOR):
            raise UsageError("Unsupported encryption sector size.")
        return new_header.luks1_header(
            identity,
            encryption=what.encryption,
            key_size=len(key),
            digest=_digest(what, key, layout.LUKS1_DIGEST_BYTES),
            data=data,
        )
    geometry = new_header.geometry(data, metadata_size=what.metadata_size, keyslots_size=what.keyslots_size)
    sector_size = _sector_size(what, geometry, data_size)
    if geometry.data_offset % sector_size:
        raise UsageError(f"Data offset is not multiple of {sector_size} bytes.")
    digest = _digest(what, key, hashes.find(what.request.af_hash).size)
    return new_header.luks2_header(
        geometry, identity, encryption=what.encryption, sector_size=sector_size, digest=digest
    )


def _sector_size(what: Format, geometry: Geometry, data_size: int) -> int:
    """As cryptsetup chooses: the largest that fits a file evenly."""
    if what.sector_size is not None:
        return what.sector_size
    rest = data_size - geometry.data_offset
    return SECTOR if rest % _LARGE or (what.alignment or 0) % _LARGE else _LARGE


def _digest(what: Format, key: SecretBuffer, size: int) -> VolumeKeyDigest:
    """The check value of the volume key, of `size` bytes."""
    name = what.request.af_hash
    if what.request.iterations is not None:
        iterations = _DIGEST_FORCED
    else:
        iterations = max(_DIGEST_FORCED, measured_iterations(name, size, _DIGEST_MS))
    salt = os.urandom(_SALT)
    with kdf.derive(Pbkdf2(name, iterations, salt), key, size) as value:
        return VolumeKeyDigest(name, iterations, salt, bytes(memoryview(value)))


def _grow(device: Device, header: LuksHeader, warn: Callable[[str], None], *, data: bool) -> None:
    """A file is made large enough for the header, and has room for it; a device must be."""
    needed, before = max(bytes_written(header), before_data(header) if data else 0), device.size
    if before < needed:
        if device.is_block or not stat.S_ISREG(os.fstat(device.fileno()).st_mode):
            raise DeviceError(f"Device {device.name} is too small. (LUKS needs at least {needed} bytes.)")
        try:
            os.ftruncate(device.fileno(), needed)
        except OSError as error:
            raise DeviceError(f"Device {device.name} cannot be grown: {error.strerror}.") from error
        device.size = needed
    try:
        device.reserve(0, bytes_written(header))
    except WriteError:
        os.ftruncate(device.fileno(), before)
        raise
    if data and device.size <= header.data_offset:
        warn(f"Device {device.name} is too small for activation, there is no remaining space for data.")
