# cython: language_level=3, auto_pickle=False
"""Marshals between Python's buffer protocol and windows onto files in C."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint64_t

import os

include "kdk_fileio.pxi"


@cython.final
cdef class FileWindow:
    """A mapping that moves over a file; see the stub for the interface."""
    cdef kdk_window _window
    cdef Py_ssize_t _views

    def __cinit__(self, size_t length):
        cdef int error = kdk_window_open(&self._window, length)
        if error:
            raise OSError(error, os.strerror(error))

    def __dealloc__(self):
        kdk_window_close(&self._window)

    def move(self, int fd, uint64_t offset, size_t length):
        cdef int error
        if self._views:
            raise BufferError("a view of the window is still there")
        self._views = 1  # no other thread moves, closes or views it meanwhile
        with nogil:
            error = kdk_window_move(&self._window, fd, offset, length)
        self._views = 0
        if error:
            raise OSError(error, os.strerror(error))

    def intact(self):
        return bool(kdk_window_intact(&self._window))

    def close(self):
        if self._views:
            raise BufferError("a view of the window is still there")
        kdk_window_close(&self._window)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if self._window.data == NULL:
            raise ValueError("the window shows nothing")
        PyBuffer_FillInfo(buffer, self, self._window.data, <Py_ssize_t>self._window.length, 1, flags)
        self._views += 1

    def __releasebuffer__(self, Py_buffer *buffer):
        self._views -= 1

    def __reduce_ex__(self, *_):
        raise TypeError("a window is not copied or pickled")

    __copy__ = __deepcopy__ = __reduce_ex__


def data_runs(buffer, size_t block):
    cdef Py_buffer view
    cdef size_t at = 0, start = 0, end = 0
    if block == 0:
        raise ValueError("a block has at least one byte")
    runs = []
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        while kdk_next_data(<const uint8_t *>view.buf, <size_t>view.len, block, &at, &start, &end):
            runs.append((start, end))
    finally:
        PyBuffer_Release(&view)
    return runs


def allocate(int fd, uint64_t length):
    cdef int error
    with nogil:
        error = kdk_allocate(fd, length)
    if error:
        raise OSError(error, os.strerror(error))
