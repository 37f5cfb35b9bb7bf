# cython: language_level=3, auto_pickle=False
"""Marshals between Python and kdk_region.c: validates, calls once; no loop over draws or pages."""

cimport cython
from cpython.array cimport array, clone
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES, PyBUF_WRITABLE
from cpython.number cimport PyNumber_Index
from libc.stdint cimport uint32_t, uint64_t

import os

include "kdk_region.pxi"

PAGE = KDK_REGION_PAGE
FAILED = 0xffffffff
cdef dict POLICIES = {"upstream": KDK_REGION_UPSTREAM, "hardened": KDK_REGION_HARDENED}
cdef dict MESSAGES = {
    KDK_REGION_BAD_SEGMENT: "a segment is empty or too large, or its alignment is no power of two of pages",
    KDK_REGION_TOO_MANY: "there are too many segments, or more than one of keys",
    KDK_REGION_BAD_REGION: "a region is whole pages, more than none, within the address space",
}
cdef array COUNTS = array("I")


@cython.final
cdef class Plan:
    """A region and what is to be placed in it; see the stub for the interface."""
    cdef kdk_region_plan _plan

    def __cinit__(self, base, nbytes, segments, policy):
        cdef kdk_region_status status
        if policy not in POLICIES:
            raise ValueError(f"no placement policy is called {policy!r}")
        segments = tuple(segments)
        if len(segments) > KDK_REGION_SEGMENTS:
            raise ValueError(MESSAGES[KDK_REGION_TOO_MANY])
        self._plan.policy = POLICIES[policy]
        self._plan.count = len(segments)
        try:
            self._plan.base, self._plan.bytes = PyNumber_Index(base), PyNumber_Index(nbytes)
            for i, (size, alignment, top_down, keys) in enumerate(segments):
                self._plan.segments[i] = kdk_region_segment(
                    PyNumber_Index(size), PyNumber_Index(alignment), bool(top_down), bool(keys))
        except OverflowError:
            raise ValueError("an address or a size is negative or past 64 bits") from None
        status = kdk_region_check(&self._plan)
        if status != KDK_REGION_OK:
            raise ValueError(MESSAGES[status])

    @property
    def draws(self):
        return kdk_region_draws(&self._plan)

    def place(self, draw):
        cdef uint64_t starts[32]
        cdef size_t failed = 0
        if kdk_region_place(&self._plan, draw, starts, &failed) != KDK_REGION_OK:
            return None, failed
        return tuple(starts[i] for i in range(self._plan.count)), None

    def distribution(self):
        cdef array counts = clone(COUNTS, <Py_ssize_t>(self._plan.bytes // KDK_REGION_PAGE), zero=False)
        cdef kdk_region_summary summary
        with nogil:
            kdk_region_distribution(&self._plan, counts.data.as_uints, &summary)
        return (counts, summary.draws, summary.failures, summary.reachable,
                summary.shannon_bits, summary.min_bits)

    def sample(self, Py_ssize_t n, seed=None):
        cdef array pages = clone(COUNTS, n, zero=False)
        cdef uint64_t state[4]
        cdef uint64_t *chosen = NULL
        cdef int error
        if seed is not None:
            for i in range(4):
                state[i] = (seed * 0x9e3779b97f4a7c15 + (i + 1) * 0xbf58476d1ce4e5b9) & 0xffffffffffffffff
            chosen = state
        with nogil:
            error = kdk_region_sample(&self._plan, chosen, pages.data.as_uints, <size_t>n)
        if error:
            raise OSError(error, os.strerror(error))
        return pages


@cython.final
cdef class LoadedMapping:
    """A loaded region's file, mapped read-only and the keys' pages not at all; see the stub."""
    cdef void *_data
    cdef Py_ssize_t _length, _exports
    cdef readonly bint locked

    def __cinit__(self, int fd, Py_ssize_t nbytes, Py_ssize_t hidden, Py_ssize_t hidden_bytes):
        cdef int locked = 0
        if nbytes <= 0 or hidden < 0 or hidden_bytes < 0 or hidden > nbytes - hidden_bytes or (
                (nbytes | hidden | hidden_bytes) % KDK_REGION_PAGE):
            raise ValueError("a mapping and what is hidden of it are whole pages, one within the other")
        error = kdk_region_map(fd, <size_t>nbytes, <size_t>hidden, <size_t>hidden_bytes, &self._data, &locked)
        if error:
            raise OSError(error, os.strerror(error))
        self._length, self.locked = nbytes, bool(locked)

    def __dealloc__(self):
        kdk_region_unmap(self._data, <size_t>self._length)

    def close(self):
        if self._exports:
            raise BufferError("the mapping is in use")
        kdk_region_unmap(self._data, <size_t>self._length)
        self._data = NULL

    def __len__(self):
        return self._length

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def __getbuffer__(self, Py_buffer *view, int flags):
        if self._data == NULL:
            raise ValueError("the mapping is closed")
        if flags & PyBUF_WRITABLE:
            raise BufferError("a loaded region is read-only")
        view.obj, view.buf, view.len, view.itemsize = self, self._data, self._length, 1
        view.readonly, view.ndim, view.suboffsets, view.internal = 1, 1, NULL, NULL
        view.format = <char *>b"B" if flags & PyBUF_FORMAT else <char *>NULL
        view.shape = &view.len if flags & PyBUF_ND == PyBUF_ND else NULL
        view.strides = &view.itemsize if flags & PyBUF_STRIDES == PyBUF_STRIDES else NULL
        self._exports += 1

    def __releasebuffer__(self, Py_buffer *view):
        self._exports -= 1
