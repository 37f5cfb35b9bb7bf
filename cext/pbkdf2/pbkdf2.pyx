# cython: language_level=3, auto_pickle=False
"""Marshals between Python's buffer protocol and PBKDF2 in C: borrows, releases the GIL, calls once."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.number cimport PyNumber_Index
from libc.stdint cimport uint8_t, uint32_t

include "kdk_pbkdf2.pxi"

cdef extern from "kdk_secret.h" nogil:
    void kdk_secret_clear_registers()

cdef Py_ssize_t WITHOUT_GIL = 1 << 16  # bytes that take longer to hash than to let other threads run

cdef dict HASHES = {"sha1": KDK_SHA1, "sha256": KDK_SHA256, "sha512": KDK_SHA512}
cdef dict TIERS = {kdk_pbkdf2_tier_name(i).decode(): i for i in range(KDK_PBKDF2_TIERS)}
cdef dict STATUS = {
    KDK_PBKDF2_OK: "usable",
    KDK_PBKDF2_ERR_NOT_BUILT: "not built",
    KDK_PBKDF2_ERR_NOT_ON_CPU: "not on this cpu",
    KDK_PBKDF2_ERR_NOT_FOR_HASH: "not for this hash",
}


cdef kdk_sha_kind kind_of(str name) except *:
    if name not in HASHES:
        raise ValueError("the hash must be sha1, sha256 or sha512")
    return HASHES[name]


def hashes():
    return tuple(HASHES)


def tiers():
    return tuple(TIERS)


def tier_status(str name not None, str hash not None, /):
    return STATUS[kdk_pbkdf2_tier_status(TIERS[name], kind_of(hash))] if name in TIERS else "unknown"


def usable_tiers(str hash not None, /):
    return tuple(name for name in TIERS if tier_status(name, hash) == "usable")


def default_tier(str hash not None, Py_ssize_t nbytes, /):
    return kdk_pbkdf2_tier_name(kdk_pbkdf2_default_tier(kind_of(hash), <size_t>nbytes)).decode()


cdef class Sha:
    cdef kdk_sha state

    def __cinit__(self, str name not None, data=b""):
        kdk_sha_init(&self.state, kind_of(name))
        self.update(data)

    def update(self, data, /):
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        if view.len >= WITHOUT_GIL:
            with nogil:
                kdk_sha_update(&self.state, view.buf, <size_t>view.len)
        else:
            kdk_sha_update(&self.state, view.buf, <size_t>view.len)
        kdk_secret_clear_registers()
        PyBuffer_Release(&view)

    def copy(self):
        cdef Sha other = Sha.__new__(Sha, "sha1")
        other.state = self.state
        return other

    def digest(self):
        cdef kdk_sha state = self.state
        cdef kdk_sha_state last
        cdef uint8_t out[KDK_SHA_MOST_DIGEST]
        kdk_sha_final(&state, &last)
        kdk_sha_digest(self.state.kind, &last, out)
        kdk_secret_clear_registers()
        kdk_wipe(&last, sizeof(last))
        try:
            return (<char *>out)[:kdk_sha_digest_size(self.state.kind)]
        finally:
            kdk_wipe(out, sizeof(out))

    def __dealloc__(self):
        kdk_wipe(&self.state, sizeof(self.state))


cdef class Caught:
    """What a signal's handler raised."""
    cdef object error


cdef int batch_done(void *context) noexcept with gil:
    """Handle signals; an exception from a handler cancels the computation."""
    try:
        PyErr_CheckSignals()
    except BaseException as error:
        (<Caught>context).error = error
        return 1
    return 0


def derive_into(out, password, salt, *, str hash, iterations, tier=None):
    cdef kdk_pbkdf2 job
    cdef kdk_pbkdf2_status status
    cdef Caught caught = Caught()
    cdef Py_buffer views[3]
    cdef int held = 0
    job.hash = kind_of(hash)
    iterations = PyNumber_Index(iterations)
    if not 0 <= iterations < 1 << 32:
        raise ValueError(f"{iterations} iterations are not a number of 32 bits")
    job.iterations = iterations
    job.tier = -1 if tier is None else TIERS.get(tier, KDK_PBKDF2_TIERS)
    job.batch_done, job.context = batch_done, <void *>caught
    try:
        PyObject_GetBuffer(out, &views[0], PyBUF_WRITABLE)
        held = 1
        PyObject_GetBuffer(password, &views[1], PyBUF_SIMPLE)
        held = 2
        PyObject_GetBuffer(salt, &views[2], PyBUF_SIMPLE)
        held = 3
        job.out, job.out_size = <uint8_t *>views[0].buf, <size_t>views[0].len
        job.password, job.password_size = <const uint8_t *>views[1].buf, <size_t>views[1].len
        job.salt, job.salt_size = <const uint8_t *>views[2].buf, <size_t>views[2].len
        with nogil:
            status = kdk_pbkdf2_derive(&job)
    finally:
        while held:
            held -= 1
            PyBuffer_Release(&views[held])
    if status == KDK_PBKDF2_ERR_CANCELLED:
        raise caught.error
    if status != KDK_PBKDF2_OK:
        raise ValueError(kdk_pbkdf2_message(status).decode())
