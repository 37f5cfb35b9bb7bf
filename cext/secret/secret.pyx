# cython: language_level=3, auto_pickle=False
"""Marshals between Python's buffer protocol and kdk_secret.c; every operation on content is in C."""

cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_SIMPLE, PyBUF_STRIDES, PyBUF_WRITABLE
from cpython.buffer cimport PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)
    PyObject *PyList_GetItem(object, Py_ssize_t) except NULL  # Cython's own would add a reference
    int PyBytes_AsStringAndSize(PyObject *, char **, Py_ssize_t *) except -1

include "kdk_secret.pxi"


@cython.final
cdef class SecretBuffer:
    """Bytes in a locked mapping of their own, wiped when closed or collected; see kdumpkey.secret."""
    cdef kdk_secret _secret
    cdef Py_ssize_t _length, _exports

    def __cinit__(self, Py_ssize_t nbytes, /):
        if nbytes < 0:
            raise ValueError(f"a secret buffer cannot have {nbytes} bytes")
        if kdk_secret_map(&self._secret, <size_t>nbytes):
            raise MemoryError(f"no memory for a secret buffer of {nbytes} bytes")
        self._length = nbytes

    def __dealloc__(self):
        kdk_secret_unmap(&self._secret)

    @staticmethod
    def copy_of(buffer, /, Py_ssize_t nbytes=-1):
        cdef Py_buffer view
        cdef SecretBuffer made
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
        try:
            if nbytes != -1 and nbytes < view.len:
                raise ValueError(f"{view.len} bytes do not fit into a secret buffer of {nbytes}")
            made = SecretBuffer(view.len if nbytes == -1 else nbytes)
            kdk_secret_copy(made._secret.data, view.buf, <size_t>view.len)
        finally:
            PyBuffer_Release(&view)
        return made

    @staticmethod
    def random(Py_ssize_t nbytes, /):
        cdef SecretBuffer made = SecretBuffer(nbytes)
        if kdk_secret_random(&made._secret):
            raise MemoryError("the kernel's random number generator gave nothing")
        return made

    def close(self):
        kdk_secret_wipe(&self._secret)
        if self._exports == 0:
            kdk_secret_unmap(&self._secret)

    cdef int _check_open(self) except -1:
        if not kdk_secret_intact(&self._secret):
            raise ValueError("the secret buffer is closed (in a forked child: left to the parent)")

    def xor(self, other, /, Py_ssize_t offset=0):
        cdef Py_buffer view
        PyObject_GetBuffer(other, &view, PyBUF_SIMPLE)
        try:
            self._check_open()
            if offset < 0 or offset > self._length or view.len > self._length - offset:
                raise ValueError(f"{view.len} bytes at offset {offset} do not fit into {self._length} bytes")
            kdk_secret_xor(self._secret.data + offset, view.buf, <size_t>view.len)
        finally:
            PyBuffer_Release(&view)

    def equals(self, other, /):
        cdef Py_buffer view
        PyObject_GetBuffer(other, &view, PyBUF_SIMPLE)
        try:
            self._check_open()
            return self._length == view.len and kdk_secret_equal(self._secret.data, view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    @property
    def closed(self):
        return not kdk_secret_intact(&self._secret)

    @property
    def locked(self):
        return self._secret.locked and kdk_secret_intact(&self._secret)

    def __len__(self):
        return self._length

    def __repr__(self):
        state = "closed" if self.closed else "locked" if self.locked else "not locked"
        return f"<SecretBuffer {self._length} bytes, {state}>"

    def __enter__(self):
        self._check_open()
        return self

    def __exit__(self, *exc_info):
        self.close()

    def __reduce_ex__(self, *_):
        raise TypeError("a secret buffer is not copied, pickled or turned into bytes")

    __copy__ = __deepcopy__ = __bytes__ = __reduce_ex__

    def __getbuffer__(self, Py_buffer *view, int flags):
        self._check_open()
        view.obj, view.buf, view.len, view.itemsize = self, self._secret.data, self._length, 1
        view.readonly, view.ndim, view.suboffsets, view.internal = 0, 1, NULL, NULL
        view.format = <char *>b"B" if flags & PyBUF_FORMAT else <char *>NULL
        view.shape = &view.len if flags & PyBUF_ND == PyBUF_ND else NULL
        view.strides = &view.itemsize if flags & PyBUF_STRIDES == PyBUF_STRIDES else NULL
        self._exports += 1

    def __releasebuffer__(self, Py_buffer *view):
        self._exports -= 1
        if self._exports == 0 and not kdk_secret_intact(&self._secret):
            kdk_secret_unmap(&self._secret)


def wipe(buffer, /):
    cdef Py_buffer view
    PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
    kdk_wipe(view.buf, <size_t>view.len)
    PyBuffer_Release(&view)


def move_out(list holder not None, Py_ssize_t nbytes, /):
    cdef char *storage
    cdef Py_ssize_t size
    cdef PyObject *item = PyList_GetItem(holder, 0)
    PyBytes_AsStringAndSize(item, &storage, &size)
    if Py_REFCNT(item) != 1:
        raise ValueError("the bytes object has another reference: take the call's result, not a name")
    try:
        return SecretBuffer.copy_of(memoryview(holder[0])[:nbytes])
    finally:
        kdk_wipe(storage, <size_t>size)


def forbid_dumps():
    return kdk_secret_undumpable_process()
