/* Argon2i and Argon2id (RFC 9106): the C interface.
 *
 * One file per tier fills a segment; kdk_argon2.c has everything around that: the memory, the threads, the
 * first and the last hash. */
#ifndef KDK_ARGON2_H
#define KDK_ARGON2_H

#include <stddef.h>
#include <stdint.h>

#define KDK_ARGON2_SLICES 4
#define KDK_ARGON2_WORDS 128  /* of 64 bits: a block of 1 KiB */
#define KDK_ARGON2_TOGETHER 4 /* lanes that one thread fills in turn, block by block */

enum kdk_argon2_tier { /* slowest first */
                       KDK_ARGON2_PORTABLE = 0,
                       KDK_ARGON2_NEON = 1,
                       KDK_ARGON2_AVX2 = 2,
                       KDK_ARGON2_AVX512 = 3,
                       KDK_ARGON2_TIERS = 4
};

enum kdk_argon2_type { /* RFC 9106, section 3.1; Argon2d, whose addresses all depend on the password, is left
                          out */
                       KDK_ARGON2_I = 1,
                       KDK_ARGON2_ID = 2
};

enum kdk_argon2_status {
    KDK_ARGON2_OK = 0,
    KDK_ARGON2_ERR_TYPE = 1,
    KDK_ARGON2_ERR_VERSION = 2,
    KDK_ARGON2_ERR_PASSES = 3,
    KDK_ARGON2_ERR_LANES = 4,
    KDK_ARGON2_ERR_MEMORY = 5,    /* fewer than 8 KiB a lane */
    KDK_ARGON2_ERR_SALT = 6,      /* fewer than 8 bytes */
    KDK_ARGON2_ERR_TAG = 7,       /* fewer than 4 bytes */
    KDK_ARGON2_ERR_LENGTH = 8,    /* an input, or the tag, of 4 GiB or more */
    KDK_ARGON2_ERR_NO_MEMORY = 9, /* the system does not give it */
    KDK_ARGON2_ERR_CANCELLED = 10,
    KDK_ARGON2_ERR_UNKNOWN_TIER = 11,
    KDK_ARGON2_ERR_NOT_BUILT = 12, /* the tier is for another architecture */
    KDK_ARGON2_ERR_NOT_ON_CPU = 13 /* the processor or the operating system lacks it */
};

struct kdk_argon2_input {
    const uint8_t *data;
    size_t size;
};

struct kdk_argon2 {
    enum kdk_argon2_type type;
    uint32_t version; /* 0x13, or 0x10 */
    uint32_t passes, memory_kib, lanes;
    struct kdk_argon2_input password, salt, secret, associated;
    uint8_t *tag;
    size_t tag_size;
    int tier;         /* < 0: the default */
    uint32_t threads; /* at most so many, the caller's own included; 0: the processors of the affinity mask */
    int lock;         /* try to keep the memory out of swap */
    /* Called after each slice (four a pass) from the caller's own thread; other than 0 cancels. May be NULL.
     */
    int (*slice_done)(void *context, uint64_t done, uint64_t all);
    void *context;
};

/* The memory as RFC 9106, section 3.2, has it: a row of blocks for each lane. */
struct kdk_argon2_matrix {
    uint64_t *blocks;
    uint32_t lanes, lane_blocks, segment_blocks, passes;
    enum kdk_argon2_type type;
    uint32_t version;
};

/* Where one lane is within a segment, and the source of its addresses where they do not depend on the
 * password. */
struct kdk_argon2_lane {
    _Alignas(64) uint64_t addresses[KDK_ARGON2_WORDS];
    _Alignas(64) uint64_t counter[KDK_ARGON2_WORDS];
    const uint64_t *previous, *reference;
    uint32_t number;
};

struct kdk_argon2_ops {
    /* One slice of one pass, of `count` lanes (at most KDK_ARGON2_TOGETHER), whose numbers are set. */
    void (*fill)(const struct kdk_argon2_matrix *matrix, uint32_t pass, uint32_t slice,
                 struct kdk_argon2_lane *lanes, uint32_t count);
};

/* A tier that this build lacks has a NULL table. */
extern const struct kdk_argon2_ops *const kdk_argon2_portable;
extern const struct kdk_argon2_ops *const kdk_argon2_neon;
extern const struct kdk_argon2_ops *const kdk_argon2_avx2;
extern const struct kdk_argon2_ops *const kdk_argon2_avx512;

const struct kdk_argon2_ops *kdk_argon2_tier_ops(int tier);
const char *kdk_argon2_message(enum kdk_argon2_status status); /* for a person: lower case, one line */
const char *kdk_argon2_tier_name(int tier);                    /* NULL for an unknown one */
enum kdk_argon2_status kdk_argon2_tier_status(int tier); /* KDK_ARGON2_OK where it can run here and now */
int kdk_argon2_default_tier(void);                       /* the fastest measured of those that can run */

/* Checks every argument, then computes. On any error the tag is left as it was. All memory that it used is
 * zero before it goes back to the system, whatever the outcome. */
enum kdk_argon2_status kdk_argon2_hash(const struct kdk_argon2 *job);

/* BLAKE2b of any length (section 3.3), exposed to its tests. */
void kdk_argon2_long_hash(uint8_t *out, uint32_t out_size, const uint8_t *in, size_t size);

#endif
