/* What the x86 tiers share beside their body: one layout of the round keys. */
#ifndef KDK_AESXTS_X86_H
#define KDK_AESXTS_X86_H

#include "kdk_aesxts.h"

void kdk_aesxts_x86_init(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes);

#endif
