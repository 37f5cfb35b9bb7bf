/* SHA-1, SHA-256 and SHA-512 (FIPS 180-4) of whole messages: in portable C, and SHA-256 by the processor's
 * instructions where it has them. */
#ifndef KDK_SHA_H
#define KDK_SHA_H

#include <stddef.h>
#include <stdint.h>

#define KDK_SHA_MOST_BLOCK 128
#define KDK_SHA_MOST_DIGEST 64

enum kdk_sha_kind { KDK_SHA1 = 0, KDK_SHA256 = 1, KDK_SHA512 = 2, KDK_SHA_KINDS = 3 };

/* Words in the processor's byte order; SHA-1 uses the first five of the narrow ones. */
union kdk_sha_state {
    _Alignas(64) uint32_t narrow[8];
    uint64_t wide[8];
};

struct kdk_sha {
    enum kdk_sha_kind kind;
    union kdk_sha_state state;
    uint64_t size; /* bytes of the message so far */
    uint8_t buffer[KDK_SHA_MOST_BLOCK];
};

extern const union kdk_sha_state kdk_sha_initial[KDK_SHA_KINDS];
extern const uint32_t kdk_sha256_k[64];
extern const uint64_t kdk_sha512_k[80];

/* Hashes whole blocks into a state of SHA-256; NULL in builds for other architectures. */
typedef void kdk_sha256_blocks(uint32_t *state, const uint8_t *data, size_t blocks);
extern kdk_sha256_blocks *const kdk_sha256_blocks_shani;

size_t kdk_sha_digest_size(enum kdk_sha_kind kind);
size_t kdk_sha_block_size(enum kdk_sha_kind kind);

void kdk_sha_init(struct kdk_sha *hash, enum kdk_sha_kind kind);

/* Goes on from a state that `size` bytes, whole blocks, have led to. */
void kdk_sha_resume(struct kdk_sha *hash, enum kdk_sha_kind kind, const union kdk_sha_state *state,
                    uint64_t size);
void kdk_sha_update(struct kdk_sha *hash, const void *data, size_t size);

/* Leaves the digest's words in `state` and wipes the rest. */
void kdk_sha_final(struct kdk_sha *hash, union kdk_sha_state *state);

/* The words of a digest as bytes, big-endian. */
void kdk_sha_digest(enum kdk_sha_kind kind, const union kdk_sha_state *state, uint8_t *out);

#endif
