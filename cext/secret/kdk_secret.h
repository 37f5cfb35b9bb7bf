/* Locked, undumpable, wiped memory for keys, and the three operations that keys need without leaving it. */
#ifndef KDK_SECRET_H
#define KDK_SECRET_H

#include <stddef.h>

#include "kdk_wipe.h"

/* One mapping of its own: no neighbour of another length or lifetime shares a page with a key. */
typedef struct {
    unsigned char *data; /* NULL where nothing is mapped */
    size_t length;       /* bytes the owner asked for */
    size_t mapped;       /* bytes of the mapping: whole pages, at least one more byte than `length` */
    int locked;          /* whether mlock was granted; refused is not an error */
} kdk_secret;

/* Maps `length` zero bytes. Returns 0, or the errno of the refusal (ENOMEM for lengths that no mapping can
 * have). */
int kdk_secret_map(kdk_secret *secret, size_t length);

/* Zeroes the whole mapping and leaves it mapped; clears the vector registers, too. */
void kdk_secret_wipe(kdk_secret *secret);

/* Clears the vector registers of the calling thread. */
void kdk_secret_clear_registers(void);

/* Zeroes, then gives the mapping back. Harmless when nothing is mapped. */
void kdk_secret_unmap(kdk_secret *secret);

/* 1 while the content is what the owner wrote; 0 after a wipe, and in a forked child, where the kernel wiped
 * it. */
int kdk_secret_intact(const kdk_secret *secret);

/* Fills the buffer from the kernel's generator. Returns 0 or the errno of getrandom. */
int kdk_secret_random(kdk_secret *secret);

/* dst[i] = src[i], through general registers alone; the two do not overlap. */
void kdk_secret_copy(unsigned char *dst, const unsigned char *src, size_t n);

/* dst[i] ^= src[i]; the two are the same or do not overlap. */
void kdk_secret_xor(unsigned char *dst, const unsigned char *src, size_t n);

/* 1 if the n bytes are equal, in a time that depends on n alone. */
int kdk_secret_equal(const unsigned char *a, const unsigned char *b, size_t n);

/* PR_SET_DUMPABLE 0: no core, and no ptrace or /proc/PID/mem by others of this user. Returns 0 or errno. */
int kdk_secret_undumpable_process(void);

#endif
