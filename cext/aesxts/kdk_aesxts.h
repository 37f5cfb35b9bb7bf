/* AES-XTS (IEEE 1619) over runs of whole disk sectors: the C interface.
 *
 * One file per tier, one dispatcher, and this header. A context holds the expanded keys in the layout of the
 * tier that expanded them; a tier's functions are only ever given contexts that it initialised. Nothing here
 * allocates. */
#ifndef KDK_AESXTS_H
#define KDK_AESXTS_H

#include <stddef.h>
#include <stdint.h>

#include "kdk_aes_schedule.h"

enum kdk_aesxts_tier {
    KDK_AESXTS_PORTABLE = 0, /* constant-time C, the oracle of the others */
    KDK_AESXTS_AESNI = 1,
    KDK_AESXTS_VAES_AVX2 = 2,
    KDK_AESXTS_VAES_AVX512 = 3,
    KDK_AESXTS_ARMV8CE = 4,
    KDK_AESXTS_TIERS = 5
};

enum kdk_aesxts_status {
    KDK_AESXTS_OK = 0,
    KDK_AESXTS_ERR_KEY_SIZE = 1,     /* not 32 or 64 bytes */
    KDK_AESXTS_ERR_EQUAL_HALVES = 2, /* encryption with key1 == key2 (FIPS 140 IG A.9, IEEE 1619.1) */
    KDK_AESXTS_ERR_SECTOR_SIZE = 3,  /* not a multiple of 16 in 16 … 65536 */
    KDK_AESXTS_ERR_LENGTH = 4,       /* not a whole number of sectors */
    KDK_AESXTS_ERR_OVERLAP = 5,      /* src and dst overlap without being the same */
    KDK_AESXTS_ERR_UNKNOWN_TIER = 6,
    KDK_AESXTS_ERR_NOT_BUILT = 7,  /* the tier is for another architecture */
    KDK_AESXTS_ERR_NOT_ON_CPU = 8, /* the processor or the operating system lacks it */
    KDK_AESXTS_ERR_CLOSED = 9,
    KDK_AESXTS_ERR_IV_STEP = 10, /* zero */
    KDK_AESXTS_ERR_IV_RANGE = 11 /* a 64-bit sector number would wrap around */
};

/* Round keys of the three key uses, each round key as it lies in memory (FIPS 197 order). Tiers with hardware
 * AES use `words`; `bitsliced` is the portable tier's. Aligned for whole-vector loads. */
struct kdk_aesxts_ctx {
    _Alignas(64) uint8_t encrypt[KDK_AES_SCHEDULE_BYTES]; /* key1, for encryption */
    _Alignas(64) uint8_t decrypt[KDK_AES_SCHEDULE_BYTES]; /* key1, for decryption (equivalent inverse cipher
                                                             where the tier uses it) */
    _Alignas(64) uint8_t tweak[KDK_AES_SCHEDULE_BYTES];   /* key2, always for encryption */
    uint32_t rounds;                                      /* 10 or 14; 0: closed */
    uint32_t equal_halves;                                /* 1: encryption is refused */
    int32_t tier;
};

/* A run of sectors. `iv` is the number of the first sector, `iv_step` what each next one adds, `iv_mask` what
 * of it is used (all ones for plain64, 0xffffffff for plain). `high` is the upper half of the 128-bit tweak,
 * zero but in vector tests. */
struct kdk_aesxts_run {
    const uint8_t *src;
    uint8_t *dst;
    size_t sectors;
    size_t sector_size;
    uint64_t iv;
    uint64_t iv_step;
    uint64_t iv_mask;
    uint64_t high;
};

struct kdk_aesxts_ops {
    void (*init)(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes);
    void (*encrypt)(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run);
    void (*decrypt)(const struct kdk_aesxts_ctx *ctx, const struct kdk_aesxts_run *run);
};

/* A tier that this build lacks has a NULL table. */
extern const struct kdk_aesxts_ops *const kdk_aesxts_portable;
extern const struct kdk_aesxts_ops *const kdk_aesxts_aesni;
extern const struct kdk_aesxts_ops *const kdk_aesxts_vaes_avx2;
extern const struct kdk_aesxts_ops *const kdk_aesxts_vaes_avx512;
extern const struct kdk_aesxts_ops *const kdk_aesxts_armv8ce;

const char *kdk_aesxts_message(enum kdk_aesxts_status status); /* for a person: lower case, one line */
const char *kdk_aesxts_tier_name(int tier);                    /* NULL for an unknown one */
enum kdk_aesxts_status kdk_aesxts_tier_status(int tier); /* KDK_AESXTS_OK where it can run here and now */
int kdk_aesxts_default_tier(void);                       /* the fastest measured of those that can run */

/* tier < 0: the default. On error the context is left closed. */
enum kdk_aesxts_status kdk_aesxts_init(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes,
                                       int tier);
void kdk_aesxts_wipe(struct kdk_aesxts_ctx *ctx);

/* Check every argument, then compute; on error nothing is written. `bytes` is the length of both buffers.
 * Callers that do not know better leave run->sectors to be filled in here. */
enum kdk_aesxts_status kdk_aesxts_encrypt(const struct kdk_aesxts_ctx *ctx, struct kdk_aesxts_run *run,
                                          size_t bytes);
enum kdk_aesxts_status kdk_aesxts_decrypt(const struct kdk_aesxts_ctx *ctx, struct kdk_aesxts_run *run,
                                          size_t bytes);

#endif
