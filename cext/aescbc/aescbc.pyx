# cython: language_level=3, auto_pickle=False
"""Marshals between Python's buffer protocol and the engine in C: validates, releases the GIL, calls once."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.number cimport PyNumber_Index
from libc.stdint cimport UINT64_MAX, int32_t, uint8_t, uint64_t

include "kdk_aescbc.pxi"

cdef dict TIERS = {kdk_aescbc_tier_name(i).decode(): i for i in range(KDK_AESCBC_TIERS)}
cdef dict STATUS = {
    KDK_AESCBC_OK: "usable",
    KDK_AESCBC_ERR_NOT_BUILT: "not built",
    KDK_AESCBC_ERR_NOT_ON_CPU: "not on this cpu",
}


cdef str message(kdk_aescbc_status status):
    return kdk_aescbc_message(status).decode()


def tiers():
    return tuple(TIERS)


def tier_status(str name not None, /):
    return STATUS[kdk_aescbc_tier_status(TIERS[name])] if name in TIERS else "unknown"


def usable_tiers():
    return tuple(name for name in TIERS if tier_status(name) == "usable")


def default_tier():
    return kdk_aescbc_tier_name(kdk_aescbc_default_tier()).decode()


@cython.final
cdef class AesCbc:
    """Expanded AES keys in locked memory; see the stub for the interface."""
    cdef kdk_secret _memory
    cdef Py_ssize_t _running
    cdef bint _closed

    def __cinit__(self, key, iv_key=None, tier=None):
        cdef Py_buffer view, iv_view
        cdef kdk_aescbc_status status
        cdef int number = -1 if tier is None else TIERS.get(tier, KDK_AESCBC_TIERS)
        if kdk_secret_map(&self._memory, sizeof(kdk_aescbc_ctx)):
            raise MemoryError("no memory for an AES-CBC context")
        PyObject_GetBuffer(key, &view, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(b"" if iv_key is None else iv_key, &iv_view, PyBUF_SIMPLE)
        except BaseException:
            PyBuffer_Release(&view)
            raise
        status = kdk_aescbc_init(
            <kdk_aescbc_ctx *>self._memory.data, <const uint8_t *>view.buf, <size_t>view.len,
            <const uint8_t *>iv_view.buf, <size_t>iv_view.len, number)
        PyBuffer_Release(&view)
        PyBuffer_Release(&iv_view)
        if status != KDK_AESCBC_OK:
            raise ValueError(message(status))

    def __dealloc__(self):
        kdk_secret_unmap(&self._memory)

    @property
    def tier(self):
        self._check_open()
        return kdk_aescbc_tier_name((<kdk_aescbc_ctx *>self._memory.data).tier).decode()

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
        raise TypeError("an AES-CBC context is not copied or pickled")

    __copy__ = __deepcopy__ = __reduce_ex__

    cdef int _check_open(self) except -1:
        if self._closed or not kdk_secret_intact(&self._memory):
            raise ValueError(message(KDK_AESCBC_ERR_CLOSED))
        return 0

    cdef int _crypt(self, src, dst, kdk_aescbc_run run, bint decrypt) except -1:
        cdef Py_buffer source, target
        cdef kdk_aescbc_status status = KDK_AESCBC_ERR_LENGTH
        cdef const kdk_aescbc_ctx *ctx
        PyObject_GetBuffer(src, &source, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(dst, &target, PyBUF_WRITABLE)
        except BaseException:
            PyBuffer_Release(&source)
            raise
        try:
            self._check_open()
            if source.len != target.len:
                raise ValueError(f"src and dst differ in length: {source.len} and {target.len} bytes")
            run.src, run.dst = <const uint8_t *>source.buf, <uint8_t *>target.buf
            if run.sector_size == 0:
                run.sector_size = <size_t>source.len
            ctx = <const kdk_aescbc_ctx *>self._memory.data
            self._running += 1
            with nogil:
                status = (kdk_aescbc_decrypt if decrypt else kdk_aescbc_encrypt)(ctx, &run, source.len)
            self._running -= 1
            if self._closed and self._running == 0:  # close() came meanwhile: the last user does it
                kdk_secret_unmap(&self._memory)
        finally:
            PyBuffer_Release(&source)
            PyBuffer_Release(&target)
        if status != KDK_AESCBC_OK:
            raise ValueError(message(status))
        return 0

    def encrypt(self, src, dst, sector_size, first_iv=0, iv_step=1, iv_bits=64, big_endian=False):
        self._crypt(src, dst, run_of(sector_size, first_iv, iv_step, iv_bits, big_endian), False)

    def decrypt(self, src, dst, sector_size, first_iv=0, iv_step=1, iv_bits=64, big_endian=False):
        self._crypt(src, dst, run_of(sector_size, first_iv, iv_step, iv_bits, big_endian), True)

    def crypt_unit(self, src, dst, iv, bint decrypt):
        cdef const uint8_t[::1] bytes16 = iv
        cdef uint64_t halves[2]
        if bytes16.shape[0] != 16:
            raise ValueError("the IV must have 16 bytes")
        halves[0] = int.from_bytes(bytes16[:8], "little")
        halves[1] = int.from_bytes(bytes16[8:], "little")
        run = kdk_aescbc_run(NULL, NULL, 0, 0, halves[0], 1, UINT64_MAX, halves[1], 0)
        self._crypt(src, dst, run, decrypt)


cdef kdk_aescbc_run run_of(sector_size, first_iv, iv_step, iv_bits, bint big_endian) except *:
    cdef uint64_t mask = UINT64_MAX if iv_bits == 64 else 0xffffffff
    cdef kdk_aescbc_run run = kdk_aescbc_run(NULL, NULL, 0, 0, 0, 0, mask, 0, big_endian)
    if iv_bits != 64 and iv_bits != 32:
        raise ValueError("the IV's number has 64 bits or 32")
    try:  # PyNumber_Index: a float, which Cython would cut off, is no number of sectors
        run.sector_size = PyNumber_Index(sector_size)
        run.iv = PyNumber_Index(first_iv)
        run.iv_step = PyNumber_Index(iv_step)
    except OverflowError:
        raise ValueError("a sector size, an IV's number or its step is negative or past 64 bits") from None
    if run.sector_size == 0:
        raise ValueError(message(KDK_AESCBC_ERR_SECTOR_SIZE))
    return run
