#include "kdk_aescbc.h"

#if defined(__x86_64__)

#include "kdk_aes_x86_128.h"
#include "kdk_aes_x86_schedule.h"
#include "kdk_aescbc_x86.h"

#include "kdk_aes_rounds.h"

#include "kdk_aescbc_body.inc"

KDK_TARGET static __attribute__((noinline)) void expand_both(struct kdk_aescbc_ctx *ctx, const uint8_t *key,
                                                             size_t key_bytes, const uint8_t *iv_key,
                                                             size_t iv_key_bytes)
{
    expand(ctx->encrypt, ctx->decrypt, key, key_bytes);
    if (iv_key_bytes)
        expand(ctx->iv, NULL, iv_key, iv_key_bytes);
    clear_registers();
}

void kdk_aescbc_x86_init(struct kdk_aescbc_ctx *ctx, const uint8_t *key, size_t key_bytes,
                         const uint8_t *iv_key, size_t iv_key_bytes)
{
    expand_both(ctx, key, key_bytes, iv_key, iv_key_bytes);
    burn_stack();
}

static const struct kdk_aescbc_ops table = {kdk_aescbc_x86_init, tier_encrypt, tier_decrypt};
const struct kdk_aescbc_ops *const kdk_aescbc_aesni = &table;

#else

const struct kdk_aescbc_ops *const kdk_aescbc_aesni = NULL;

#endif
