#include "kdk_aescbc.h"

#if defined(__aarch64__)

#include "kdk_aes_armv8.h"

#include "kdk_aes_rounds.h"

/* Registers are the caller's to lose here: the ABI has all but eight of them scratch, and no secret outlives
 * the next call. */
static inline void clear_registers(void) {}

#include "kdk_aescbc_body.inc"

KDK_TARGET static
    __attribute__((noinline)) void init_inner(struct kdk_aescbc_ctx *ctx, const uint8_t *key,
                                              size_t key_bytes, const uint8_t *iv_key, size_t iv_key_bytes)
{
    expand(ctx->encrypt, ctx->decrypt, key, key_bytes);
    if (iv_key_bytes)
        expand(ctx->iv, NULL, iv_key, iv_key_bytes);
}

static void init(struct kdk_aescbc_ctx *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *iv_key,
                 size_t iv_key_bytes)
{
    init_inner(ctx, key, key_bytes, iv_key, iv_key_bytes);
    burn_stack();
}

static const struct kdk_aescbc_ops table = {init, tier_encrypt, tier_decrypt};
const struct kdk_aescbc_ops *const kdk_aescbc_armv8ce = &table;

#else

const struct kdk_aescbc_ops *const kdk_aescbc_armv8ce = NULL;

#endif
