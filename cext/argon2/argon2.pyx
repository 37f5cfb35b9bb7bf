# cython: language_level=3, auto_pickle=False
"""Marshals between Python's buffer protocol and Argon2 in C: borrows, releases the GIL, calls once."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.number cimport PyNumber_Index
from libc.stdint cimport uint8_t, uint32_t, uint64_t

include "kdk_argon2.pxi"

cdef dict TIERS = {kdk_argon2_tier_name(i).decode(): i for i in range(KDK_ARGON2_TIERS)}
cdef dict TYPES = {"argon2i": KDK_ARGON2_I, "argon2id": KDK_ARGON2_ID}
cdef dict STATUS = {
    KDK_ARGON2_OK: "usable",
    KDK_ARGON2_ERR_NOT_BUILT: "not built",
    KDK_ARGON2_ERR_NOT_ON_CPU: "not on this cpu",
}


def tiers():
    return tuple(TIERS)


def tier_status(str name not None, /):
    return STATUS[kdk_argon2_tier_status(TIERS[name])] if name in TIERS else "unknown"


def usable_tiers():
    return tuple(name for name in TIERS if tier_status(name) == "usable")


def default_tier():
    return kdk_argon2_tier_name(kdk_argon2_default_tier()).decode()


cdef class Watcher:
    """Who is told of each slice, and what came of it."""
    cdef object progress, error


cdef int slice_done(void *context, uint64_t done, uint64_t all_slices) noexcept with gil:
    """Handle signals, and report; an exception from either cancels the computation."""
    cdef Watcher watcher = <Watcher>context
    try:
        PyErr_CheckSignals()
        if watcher.progress is not None:
            watcher.progress(done, all_slices)
    except BaseException as error:
        watcher.error = error
        return 1
    return 0


cdef class Borrowed:
    """A contiguous buffer of another object, held as long as this one lives."""
    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, source, bint writable):
        PyObject_GetBuffer(source, &self.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self.held = True

    cdef void release(self):
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)

    def __dealloc__(self):
        self.release()

    cdef kdk_argon2_input input(self):
        return kdk_argon2_input(<const uint8_t *>self.view.buf, <size_t>self.view.len)


cdef uint32_t number(str what, value) except? 0:
    value = PyNumber_Index(value)
    if not 0 <= value < 1 << 32:
        raise ValueError(f"{what} of {value} is not a number of 32 bits")
    return value


def derive_into(
    out, password, salt, *, str variant, passes, memory_kib, lanes, version=0x13, secret=b"", associated=b"",
    threads=0, bint lock=True, tier=None, progress=None,
):
    cdef kdk_argon2 job
    cdef kdk_argon2_status status
    cdef Watcher watcher = Watcher()
    cdef Borrowed tag, borrowed
    cdef list views = []
    if variant not in TYPES:
        raise ValueError("the type must be argon2i or argon2id")
    job.type = TYPES[variant]
    job.version, job.passes = number("a version", version), number("a number of passes", passes)
    job.memory_kib, job.lanes = number("memory in KiB", memory_kib), number("a number of lanes", lanes)
    job.threads, job.lock = number("a number of threads", threads), lock
    job.tier = -1 if tier is None else TIERS.get(tier, KDK_ARGON2_TIERS)
    watcher.progress = progress
    job.slice_done, job.context = slice_done, <void *>watcher
    tag = Borrowed(out, True)
    views.append(tag)
    try:
        for source in (password, salt, secret, associated):
            borrowed = Borrowed(source, False)
            views.append(borrowed)
        job.tag, job.tag_size = <uint8_t *>tag.view.buf, <size_t>tag.view.len
        job.password, job.salt = (<Borrowed>views[1]).input(), (<Borrowed>views[2]).input()
        job.secret, job.associated = (<Borrowed>views[3]).input(), (<Borrowed>views[4]).input()
        with nogil:
            status = kdk_argon2_hash(&job)
    finally:
        for borrowed in views:  # an exported view would keep a closed buffer's mapping
            borrowed.release()
    if status == KDK_ARGON2_ERR_CANCELLED:
        raise watcher.error
    if status == KDK_ARGON2_ERR_NO_MEMORY:
        raise MemoryError(kdk_argon2_message(status).decode())
    if status != KDK_ARGON2_OK:
        raise ValueError(kdk_argon2_message(status).decode())
