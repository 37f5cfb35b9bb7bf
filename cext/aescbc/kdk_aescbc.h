/* AES-CBC (NIST SP 800-38A) over runs of whole disk sectors, each of which begins with an IV of its own: the
 * C interface.
 *
 * One file per tier, one dispatcher, and this header. A context holds the expanded keys in the layout of the
 * tier that expanded them; a tier's functions are only ever given contexts that it initialised. Nothing here
 * allocates. */
#ifndef KDK_AESCBC_H
#define KDK_AESCBC_H

#include <stddef.h>
#include <stdint.h>

#include "kdk_aes_schedule.h"

enum kdk_aescbc_tier {
    KDK_AESCBC_PORTABLE = 0, /* constant-time C, the oracle of the others */
    KDK_AESCBC_AESNI = 1,
    KDK_AESCBC_VAES_AVX2 = 2,
    KDK_AESCBC_VAES_AVX512 = 3,
    KDK_AESCBC_ARMV8CE = 4,
    KDK_AESCBC_TIERS = 5
};

enum kdk_aescbc_status {
    KDK_AESCBC_OK = 0,
    KDK_AESCBC_ERR_KEY_SIZE = 1,    /* not 16, 24 or 32 bytes */
    KDK_AESCBC_ERR_SECTOR_SIZE = 2, /* not a multiple of 16 in 16 … 65536 */
    KDK_AESCBC_ERR_LENGTH = 3,      /* not a whole number of sectors */
    KDK_AESCBC_ERR_OVERLAP = 4,     /* src and dst overlap without being the same */
    KDK_AESCBC_ERR_UNKNOWN_TIER = 5,
    KDK_AESCBC_ERR_NOT_BUILT = 6,  /* the tier is for another architecture */
    KDK_AESCBC_ERR_NOT_ON_CPU = 7, /* the processor or the operating system lacks it */
    KDK_AESCBC_ERR_CLOSED = 8
};

/* Round keys as the tier lays them out. */
struct kdk_aescbc_ctx {
    _Alignas(64) uint8_t encrypt[KDK_AES_SCHEDULE_BYTES];
    _Alignas(
        64) uint8_t decrypt[KDK_AES_SCHEDULE_BYTES]; /* equivalent inverse cipher where the tier uses it */
    _Alignas(64) uint8_t iv[KDK_AES_SCHEDULE_BYTES]; /* of the key that IVs are encrypted with */
    uint32_t rounds;                                 /* 10, 12 or 14; 0: closed */
    uint32_t iv_rounds;                              /* 0: IVs are not encrypted */
    int32_t tier;
};

/* A run of sectors. Sector n's IV is the number (iv + n * iv_step) & iv_mask, modulo 2^64: its first eight
 * bytes, the lowest first, or its last eight, the highest first; encrypted where the context has a key for
 * that. `high` is the other half, likewise; zero but in vector tests. */
struct kdk_aescbc_run {
    const uint8_t *src;
    uint8_t *dst;
    size_t sectors;
    size_t sector_size;
    uint64_t iv;
    uint64_t iv_step;
    uint64_t iv_mask;
    uint64_t high;
    int big_endian;
};

struct kdk_aescbc_ops {
    void (*init)(struct kdk_aescbc_ctx *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *iv_key,
                 size_t iv_key_bytes);
    void (*encrypt)(const struct kdk_aescbc_ctx *ctx, const struct kdk_aescbc_run *run);
    void (*decrypt)(const struct kdk_aescbc_ctx *ctx, const struct kdk_aescbc_run *run);
};

/* A tier that this build lacks has a NULL table. */
extern const struct kdk_aescbc_ops *const kdk_aescbc_portable;
extern const struct kdk_aescbc_ops *const kdk_aescbc_aesni;
extern const struct kdk_aescbc_ops *const kdk_aescbc_vaes_avx2;
extern const struct kdk_aescbc_ops *const kdk_aescbc_vaes_avx512;
extern const struct kdk_aescbc_ops *const kdk_aescbc_armv8ce;

const char *kdk_aescbc_message(enum kdk_aescbc_status status); /* for a person: lower case, one line */
const char *kdk_aescbc_tier_name(int tier);                    /* NULL for an unknown one */
enum kdk_aescbc_status kdk_aescbc_tier_status(int tier); /* KDK_AESCBC_OK where it can run here and now */
int kdk_aescbc_default_tier(void);                       /* the fastest measured of those that can run */

/* Numbers of sectors from `iv` on as IVs, 16 bytes each, not yet encrypted. */
void kdk_aescbc_number(const struct kdk_aescbc_run *run, uint64_t iv, size_t sectors, uint8_t *out);

/* iv_key_bytes 0: IVs are the numbers themselves. tier < 0: the default. On error the context is left closed.
 */
enum kdk_aescbc_status kdk_aescbc_init(struct kdk_aescbc_ctx *ctx, const uint8_t *key, size_t key_bytes,
                                       const uint8_t *iv_key, size_t iv_key_bytes, int tier);
void kdk_aescbc_wipe(struct kdk_aescbc_ctx *ctx);

/* Check every argument, then compute; on error nothing is written. `bytes` is the length of both buffers.
 * run->sectors is filled in here. */
enum kdk_aescbc_status kdk_aescbc_encrypt(const struct kdk_aescbc_ctx *ctx, struct kdk_aescbc_run *run,
                                          size_t bytes);
enum kdk_aescbc_status kdk_aescbc_decrypt(const struct kdk_aescbc_ctx *ctx, struct kdk_aescbc_run *run,
                                          size_t bytes);

#endif
