#include "kdk_pbkdf2.h"

#include <string.h>

#include "kdk_bytes.h"
#include "kdk_secret.h"

#define BATCH 8192 /* iterations between two looks at whether to go on: some milliseconds */

/* All that is secret while a key is derived; one wipe is enough. */
struct work {
    struct kdk_pbkdf2_pads pads;
    struct kdk_pbkdf2_chain chains[KDK_PBKDF2_TOGETHER];
    struct kdk_sha hash;
    uint8_t key[KDK_SHA_MOST_BLOCK], digest[KDK_SHA_MOST_DIGEST];
};

/* What the compiler spilled lies below this frame. */
static __attribute__((noinline)) void burn_stack(void)
{
    uint8_t below[16384];
    kdk_wipe(below, sizeof below);
}

/* The state after the key, XORed with a byte of padding (RFC 2104, section 2). */
static void absorb_pad(struct work *work, enum kdk_sha_kind kind, uint8_t pad, union kdk_sha_state *state)
{
    const size_t block = kdk_sha_block_size(kind);

    for (size_t i = 0; i < block; i++)
        work->key[i] ^= pad;
    kdk_sha_init(&work->hash, kind);
    kdk_sha_update(&work->hash, work->key, block);
    *state = work->hash.state;
    for (size_t i = 0; i < block; i++)
        work->key[i] ^= pad;
}

static void absorb_password(struct work *work, const struct kdk_pbkdf2 *job)
{
    memset(work->key, 0, sizeof work->key);
    if (job->password_size > kdk_sha_block_size(job->hash)) {
        union kdk_sha_state *const state = &work->pads.inner; /* for now */
        kdk_sha_init(&work->hash, job->hash);
        kdk_sha_update(&work->hash, job->password, job->password_size);
        kdk_sha_final(&work->hash, state);
        kdk_sha_digest(job->hash, state, work->key);
    } else if (job->password_size) {
        memcpy(work->key, job->password, job->password_size);
    }
    absorb_pad(work, job->hash, 0x36, &work->pads.inner);
    absorb_pad(work, job->hash, 0x5c, &work->pads.outer);
    kdk_wipe(work->key, sizeof work->key);
}

/* U1 = HMAC(password, salt || number), and the sum begins with it. */
static void first_iteration(struct work *work, const struct kdk_pbkdf2 *job, uint32_t number,
                            struct kdk_pbkdf2_chain *chain)
{
    const size_t block = kdk_sha_block_size(job->hash);
    uint8_t bytes[4];

    kdk_store32_be(bytes, number);
    kdk_sha_resume(&work->hash, job->hash, &work->pads.inner, block);
    if (job->salt_size)
        kdk_sha_update(&work->hash, job->salt, job->salt_size);
    kdk_sha_update(&work->hash, bytes, sizeof bytes);
    kdk_sha_final(&work->hash, &chain->last);
    kdk_sha_digest(job->hash, &chain->last, work->digest);
    kdk_sha_resume(&work->hash, job->hash, &work->pads.outer, block);
    kdk_sha_update(&work->hash, work->digest, kdk_sha_digest_size(job->hash));
    kdk_sha_final(&work->hash, &chain->last);
    chain->sum = chain->last;
}

/* Up to KDK_PBKDF2_TOGETHER blocks of output, from block `first` on, which is counted from 0. */
static int derive_blocks(struct work *work, const struct kdk_pbkdf2 *job, kdk_pbkdf2_iterate *iterate,
                         size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        first_iteration(work, job, (uint32_t)(first + i + 1), work->chains + i);
    for (uint32_t left = job->iterations - 1; left;) {
        const uint32_t now = left < BATCH ? left : BATCH;
        iterate(&work->pads, work->chains, count, now);
        left -= now;
        if (left && job->batch_done && job->batch_done(job->context))
            return 0;
    }
    return 1;
}

static void write_block(struct work *work, const struct kdk_pbkdf2 *job, size_t number,
                        const union kdk_sha_state *sum)
{
    const size_t size = kdk_sha_digest_size(job->hash), left = job->out_size - number * size;
    kdk_sha_digest(job->hash, sum, work->digest);
    kdk_secret_copy(job->out + number * size, work->digest, left < size ? left : size);
}

enum kdk_pbkdf2_status kdk_pbkdf2_derive(const struct kdk_pbkdf2 *job)
{
    if ((unsigned)job->hash >= KDK_SHA_KINDS)
        return KDK_PBKDF2_ERR_HASH;
    if (!job->iterations)
        return KDK_PBKDF2_ERR_ITERATIONS;
    const size_t size = kdk_sha_digest_size(job->hash);
    if (!job->out_size || (job->out_size - 1) / size >= UINT32_MAX)
        return KDK_PBKDF2_ERR_LENGTH;
    const int tier = job->tier < 0 ? kdk_pbkdf2_default_tier(job->hash, job->out_size) : job->tier;
    const enum kdk_pbkdf2_status status = kdk_pbkdf2_tier_status(tier, job->hash);
    if (status != KDK_PBKDF2_OK)
        return status;

    const size_t blocks = (job->out_size - 1) / size + 1;
    struct work work;
    int whole = 1;
    absorb_password(&work, job);
    for (size_t at = 0; at < blocks && whole; at += KDK_PBKDF2_TOGETHER) {
        const size_t count = blocks - at < KDK_PBKDF2_TOGETHER ? blocks - at : KDK_PBKDF2_TOGETHER;
        whole = derive_blocks(&work, job, kdk_pbkdf2_tier_ops(tier)->iterate[job->hash], at, count);
        for (size_t i = 0; i < count && whole; i++)
            write_block(&work, job, at + i, &work.chains[i].sum);
    }
    kdk_wipe(&work, sizeof work);
    burn_stack();
    kdk_secret_clear_registers();
    if (whole)
        return KDK_PBKDF2_OK;
    kdk_wipe(job->out, job->out_size);
    return KDK_PBKDF2_ERR_CANCELLED;
}
