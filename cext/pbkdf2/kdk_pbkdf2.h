/* PBKDF2 (RFC 8018, section 5.2) with HMAC (RFC 2104) and SHA-1, SHA-256 or SHA-512 (FIPS 180-4): the C
 * interface.
 *
 * All time goes into one loop: hash the digest of the iteration before, twice, from two fixed states. A tier
 * is that loop and nothing else. The blocks of a longer output are independent chains of such hashes, and
 * tiers compute several of them side by side. */
#ifndef KDK_PBKDF2_H
#define KDK_PBKDF2_H

#include <stddef.h>
#include <stdint.h>

#include "kdk_sha.h"

#define KDK_PBKDF2_TOGETHER 16 /* chains that are handed to a tier at once: the widest one's lanes */

enum kdk_pbkdf2_tier {
    KDK_PBKDF2_PORTABLE = 0,
    KDK_PBKDF2_BMI2 = 1,   /* x86-64: one chain, with its rotation */
    KDK_PBKDF2_AVX2 = 2,   /* x86-64: lanes of 256 bits */
    KDK_PBKDF2_AVX512 = 3, /* x86-64: lanes of 512 bits */
    KDK_PBKDF2_SHANI = 4,  /* x86-64: the SHA instructions, for SHA-1 and SHA-256 */
    KDK_PBKDF2_ARMV8 = 5,  /* AArch64: the SHA instructions */
    KDK_PBKDF2_TIERS = 6
};

enum kdk_pbkdf2_status {
    KDK_PBKDF2_OK = 0,
    KDK_PBKDF2_ERR_HASH = 1,
    KDK_PBKDF2_ERR_ITERATIONS = 2,
    KDK_PBKDF2_ERR_LENGTH = 3, /* of the output: nothing, or more blocks than can be numbered */
    KDK_PBKDF2_ERR_CANCELLED = 4,
    KDK_PBKDF2_ERR_UNKNOWN_TIER = 5,
    KDK_PBKDF2_ERR_NOT_BUILT = 6,  /* the tier is for another architecture */
    KDK_PBKDF2_ERR_NOT_ON_CPU = 7, /* the processor or the operating system lacks it */
    KDK_PBKDF2_ERR_NOT_FOR_HASH = 8
};

/* The key after each of its pads went through the hash: where the inner and the outer hash begin. */
struct kdk_pbkdf2_pads {
    union kdk_sha_state inner, outer;
};

/* One block of output under way: the digest of the last iteration, and the sum of all so far. */
struct kdk_pbkdf2_chain {
    union kdk_sha_state last, sum;
};

typedef void kdk_pbkdf2_iterate(const struct kdk_pbkdf2_pads *pads, struct kdk_pbkdf2_chain *chains,
                                size_t count, uint32_t iterations);

struct kdk_pbkdf2_ops {
    kdk_pbkdf2_iterate *iterate[KDK_SHA_KINDS]; /* NULL where a tier does not have the hash */
};

/* A tier that this build lacks has a NULL table. */
extern const struct kdk_pbkdf2_ops *const kdk_pbkdf2_portable;
extern const struct kdk_pbkdf2_ops *const kdk_pbkdf2_bmi2;
extern const struct kdk_pbkdf2_ops *const kdk_pbkdf2_avx2;
extern const struct kdk_pbkdf2_ops *const kdk_pbkdf2_avx512;
extern const struct kdk_pbkdf2_ops *const kdk_pbkdf2_shani;
extern const struct kdk_pbkdf2_ops *const kdk_pbkdf2_armv8;

struct kdk_pbkdf2 {
    enum kdk_sha_kind hash;
    uint32_t iterations;
    const uint8_t *password, *salt;
    size_t password_size, salt_size;
    uint8_t *out;
    size_t out_size;
    int tier; /* < 0: the default */
    /* Called now and then, some milliseconds apart; other than 0 cancels. May be NULL. */
    int (*batch_done)(void *context);
    void *context;
};

const struct kdk_pbkdf2_ops *kdk_pbkdf2_tier_ops(int tier);
const char *kdk_pbkdf2_message(enum kdk_pbkdf2_status status); /* for a person: lower case, one line */
const char *kdk_pbkdf2_tier_name(int tier);                    /* NULL for an unknown one */
enum kdk_pbkdf2_status kdk_pbkdf2_tier_status(int tier, enum kdk_sha_kind hash);
/* The fastest measured of those that can run, for so many bytes of output. */
int kdk_pbkdf2_default_tier(enum kdk_sha_kind hash, size_t out_size);

/* Checks every argument, then computes. On any error the output is zero, or as it was where an argument was
 * wrong. */
enum kdk_pbkdf2_status kdk_pbkdf2_derive(const struct kdk_pbkdf2 *job);

#endif
