# cython: language_level=3, auto_pickle=False
"""Marshals between Python's buffer protocol and the engine in C: validates, releases the GIL, calls once."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport UINT64_MAX, int32_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef extern from "kdk_secret.h":
    ctypedef struct kdk_secret:
        unsigned char *data
    int kdk_secret_map(kdk_secret *, size_t)
    void kdk_secret_unmap(kdk_secret *)
    bint kdk_secret_intact(const kdk_secret *)

cdef extern from "kdk_aesxts.h" nogil:
    enum: KDK_AESXTS_TIERS
    enum kdk_status:
        KDK_OK, KDK_ERR_KEY_SIZE, KDK_ERR_EQUAL_HALVES, KDK_ERR_SECTOR_SIZE, KDK_ERR_LENGTH, KDK_ERR_OVERLAP, \
            KDK_ERR_UNKNOWN_TIER, KDK_ERR_NOT_BUILT, KDK_ERR_NOT_ON_CPU, KDK_ERR_CLOSED, KDK_ERR_IV_STEP, KDK_ERR_IV_RANGE
    struct kdk_aesxts_ctx:
        int32_t tier
    struct kdk_aesxts_run:
        const uint8_t *src
        uint8_t *dst
        size_t sectors, sector_size
        uint64_t iv, iv_step, iv_mask, high
    const char *kdk_aesxts_tier_name(int)
    kdk_status kdk_aesxts_tier_status(int)
    int kdk_aesxts_default_tier()
    kdk_status kdk_aesxts_init(kdk_aesxts_ctx *, const uint8_t *, size_t, int)
    kdk_status kdk_aesxts_encrypt(const kdk_aesxts_ctx *, kdk_aesxts_run *, size_t)
    kdk_status kdk_aesxts_decrypt(const kdk_aesxts_ctx *, kdk_aesxts_run *, size_t)

cdef dict MESSAGES = {
    KDK_ERR_KEY_SIZE: "the key must have 32 or 64 bytes (two AES keys)",
    KDK_ERR_EQUAL_HALVES: "the two halves of the key are equal: encryption is refused",
    KDK_ERR_SECTOR_SIZE: "the sector size must be a multiple of 16 from 16 to 65536",
    KDK_ERR_LENGTH: "the length is not a whole number of sectors",
    KDK_ERR_OVERLAP: "source and destination overlap without being the same",
    KDK_ERR_UNKNOWN_TIER: "no tier has this name",
    KDK_ERR_NOT_BUILT: "the tier is not in this build: it is for another architecture",
    KDK_ERR_NOT_ON_CPU: "this processor or operating system does not offer the tier's instructions",
    KDK_ERR_CLOSED: "the context is closed (in a forked child: left to the parent)",
    KDK_ERR_IV_STEP: "the IV step must be at least 1",
    KDK_ERR_IV_RANGE: "the sector numbers go past 64 bits",
}
cdef dict TIERS = {kdk_aesxts_tier_name(i).decode(): i for i in range(KDK_AESXTS_TIERS)}
cdef dict STATUS = {KDK_OK: "usable", KDK_ERR_NOT_BUILT: "not built", KDK_ERR_NOT_ON_CPU: "not on this cpu"}


def tiers():
    return tuple(TIERS)


def tier_status(str name not None, /):
    return STATUS[kdk_aesxts_tier_status(TIERS[name])] if name in TIERS else "unknown"


def usable_tiers():
    return tuple(name for name in TIERS if tier_status(name) == "usable")


def default_tier():
    return kdk_aesxts_tier_name(kdk_aesxts_default_tier()).decode()


@cython.final
cdef class AesXts:
    """A pair of expanded AES keys in locked memory; see the stub for the interface."""
    cdef kdk_secret _memory
    cdef Py_ssize_t _running
    cdef bint _closed

    def __cinit__(self, key, tier=None):
        cdef Py_buffer view
        cdef kdk_status status
        cdef int number = -1
        if tier is not None:
            number = TIERS.get(tier, KDK_AESXTS_TIERS)
        if kdk_secret_map(&self._memory, sizeof(kdk_aesxts_ctx)):
            raise MemoryError("no memory for an AES-XTS context")
        PyObject_GetBuffer(key, &view, PyBUF_SIMPLE)
        status = kdk_aesxts_init(<kdk_aesxts_ctx *>self._memory.data, <const uint8_t *>view.buf, <size_t>view.len, number)
        PyBuffer_Release(&view)
        if status != KDK_OK:
            raise ValueError(MESSAGES[status])

    def __dealloc__(self):
        kdk_secret_unmap(&self._memory)

    @property
    def tier(self):
        self._check_open()
        return kdk_aesxts_tier_name((<kdk_aesxts_ctx *>self._memory.data).tier).decode()

    @property
    def closed(self):
        return self._closed or not kdk_secret_intact(&self._memory)

    def close(self):
        self._closed = True
        if self._running == 0:
            kdk_secret_unmap(&self._memory)

    def __enter__(self):
        self._check_open()
        return self

    def __exit__(self, *exc_info):
        self.close()

    def __reduce_ex__(self, *_):
        raise TypeError("an AES-XTS context is not copied or pickled")

    __copy__ = __deepcopy__ = __reduce_ex__

    cdef int _check_open(self) except -1:
        if self._closed or not kdk_secret_intact(&self._memory):
            raise ValueError(MESSAGES[KDK_ERR_CLOSED])
        return 0

    cdef int _crypt(self, src, dst, kdk_aesxts_run run, bint decrypt) except -1:
        cdef Py_buffer source, target
        cdef kdk_status status = KDK_ERR_LENGTH
        cdef const kdk_aesxts_ctx *ctx
        PyObject_GetBuffer(src, &source, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(dst, &target, PyBUF_WRITABLE)
        except BaseException:
            PyBuffer_Release(&source)
            raise
        try:
            self._check_open()
            if source.len != target.len:
                raise ValueError(f"source and destination differ in length: {source.len} and {target.len} bytes")
            run.src, run.dst = <const uint8_t *>source.buf, <uint8_t *>target.buf
            if run.sector_size == 0:
                run.sector_size = <size_t>source.len
            ctx = <const kdk_aesxts_ctx *>self._memory.data
            self._running += 1
            with nogil:
                status = (kdk_aesxts_decrypt if decrypt else kdk_aesxts_encrypt)(ctx, &run, <size_t>source.len)
            self._running -= 1
            if self._closed and self._running == 0:  # close() came meanwhile, and left this to the last user
                kdk_secret_unmap(&self._memory)
        finally:
            PyBuffer_Release(&source)
            PyBuffer_Release(&target)
        if status != KDK_OK:
            raise ValueError(MESSAGES[status])
        return 0

    def encrypt(self, src, dst, size_t sector_size, uint64_t first_sector=0, uint64_t iv_step=1, int iv_bits=64):
        self._crypt(src, dst, run_of(sector_size, first_sector, iv_step, iv_bits), False)

    def decrypt(self, src, dst, size_t sector_size, uint64_t first_sector=0, uint64_t iv_step=1, int iv_bits=64):
        self._crypt(src, dst, run_of(sector_size, first_sector, iv_step, iv_bits), True)

    def crypt_unit(self, src, dst, tweak, bint decrypt):
        cdef const uint8_t[::1] bytes16 = tweak
        cdef uint64_t halves[2]
        if bytes16.shape[0] != 16:
            raise ValueError("the tweak must have 16 bytes")
        memcpy(halves, &bytes16[0], 16)
        self._crypt(src, dst, kdk_aesxts_run(NULL, NULL, 0, 0, halves[0], 1, UINT64_MAX, halves[1]), decrypt)


cdef kdk_aesxts_run run_of(size_t sector_size, uint64_t first_sector, uint64_t iv_step, int iv_bits) except *:
    if sector_size == 0:
        raise ValueError(MESSAGES[KDK_ERR_SECTOR_SIZE])
    if iv_bits != 64 and iv_bits != 32:
        raise ValueError("the IV has 64 bits (plain64) or 32 (plain)")
    return kdk_aesxts_run(NULL, NULL, 0, sector_size, first_sector, iv_step, UINT64_MAX if iv_bits == 64 else 0xffffffff, 0)
