/* What the x86 tiers share beside their body: one layout of the round keys. */
#ifndef KDK_AESCBC_X86_H
#define KDK_AESCBC_X86_H

#include "kdk_aescbc.h"

void kdk_aescbc_x86_init(struct kdk_aescbc_ctx *ctx, const uint8_t *key, size_t key_bytes,
                         const uint8_t *iv_key, size_t iv_key_bytes);

#endif
