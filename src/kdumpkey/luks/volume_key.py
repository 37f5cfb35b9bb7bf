"""Whether a volume key is that of a volume: its PBKDF2 is what a digest of the header says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.crypto import kdf
from kdumpkey.errors import KdfError, WrongKeyError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.luks.model import Digest, LuksHeader

_DIGEST_SIZES: Final = range(20, 65)


def verify_volume_key(header: LuksHeader, key: Buffer, *, unbound: bool = False) -> Digest:
    """Check that a volume key is this volume's.

    Args:
        header: The header.
        key: The volume key.
        unbound: Also take the key of a digest with no segment.

    Returns:
        The digest that the key fits.

    Raises:
        WrongKeyError: It fits none.
        KdfError: The costs or the salt of a digest are out of bounds.
        CipherError: A digest's hash is not implemented.
    """
    data = {segment.id for segment in header.data_segments}
    with memoryview(key) as view:
        size = view.nbytes
    for digest in header.digests.values():
        # PBKDF2 fills a short key with zeros: one that lacks zeros at its end would fit.
        if size not in (header.key_sizes(digest) or (size,)):
            continue
        if (unbound or not data.isdisjoint(digest.segments)) and fits(digest, key):
            return digest
    raise WrongKeyError("Volume key does not match the volume.")


def fits(digest: Digest, key: Buffer) -> bool:
    """Say whether a digest is that of a volume key.

    Raises:
        KdfError: Its costs or its salt are out of bounds, or it is of another type.
        CipherError: Its hash is not implemented.
    """
    if digest.type != "pbkdf2" or digest.salt is None or digest.digest is None:
        raise KdfError(f"digest {digest.id} is not a PBKDF2 digest")
    if len(digest.digest) not in _DIGEST_SIZES:  # of a few bytes, or none, a wrong key would do
        raise KdfError(f"digest {digest.id} has a value of {len(digest.digest)} bytes, not 20 to 64")
    function = kdf.Pbkdf2(hash=digest.hash, iterations=digest.iterations, salt=digest.salt)
    with kdf.derive(function, key, len(digest.digest)) as derived:
        return derived.equals(digest.digest)
