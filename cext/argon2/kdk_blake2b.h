/* BLAKE2b without a key (RFC 7693), in portable C: Argon2 hashes a few kilobytes with it, whatever its costs.
 */
#ifndef KDK_BLAKE2B_H
#define KDK_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

#define KDK_BLAKE2B_BLOCK 128
#define KDK_BLAKE2B_MOST 64 /* bytes of output */

struct kdk_blake2b {
    uint64_t chain[8];
    uint64_t hashed; /* bytes that went through the compression function */
    size_t buffered, size;
    uint8_t buffer[KDK_BLAKE2B_BLOCK];
};

/* `size`: bytes of output, 1 to 64. */
void kdk_blake2b_init(struct kdk_blake2b *state, size_t size);
void kdk_blake2b_update(struct kdk_blake2b *state, const void *data, size_t size);

/* Writes the `size` bytes of output and wipes the state. */
void kdk_blake2b_final(struct kdk_blake2b *state, uint8_t *out);

#endif
