#include "kdk_aesxts.h"

#if defined(__x86_64__)

#include "kdk_aes_x86_128.h"
#include "kdk_aes_x86_schedule.h"
#include "kdk_aesxts_x86.h"

struct tweaks {
    vec t;
};

KDK_INLINE void tweaks_begin(struct tweaks *w, const uint8_t *t) { w->t = load(t); }

KDK_INLINE void tweaks_advance(struct tweaks *w) { (void)w; }

/* One doubling a slot, t·x mod x^128 + x^7 + x^2 + x + 1: each half is shifted by itself, then what left it
 * at the top comes back at the bottom of the other, as 1 or as 0x87. */
KDK_INLINE void tweaks_slot(struct tweaks *w, const int r, uint8_t *next)
{
    if (r > 8)
        return;
    store_aligned(next + 16 * (r - 1), w->t);
    const vec top = _mm_srai_epi32(_mm_shuffle_epi32(w->t, 0x13), 31);
    w->t = xor2(_mm_add_epi64(w->t, w->t), _mm_and_si128(top, _mm_set_epi32(0, 1, 0, 0x87)));
}

#include "kdk_aesxts_x86_body.inc"

KDK_TARGET static __attribute__((noinline)) void expand_both(struct kdk_aesxts_ctx *ctx, const uint8_t *key,
                                                             size_t key_bytes)
{
    expand(ctx->encrypt, ctx->decrypt, key, key_bytes / 2);
    expand(ctx->tweak, NULL, key + key_bytes / 2, key_bytes / 2);
    clear_registers();
}

void kdk_aesxts_x86_init(struct kdk_aesxts_ctx *ctx, const uint8_t *key, size_t key_bytes)
{
    expand_both(ctx, key, key_bytes);
    burn_stack();
}

const struct kdk_aesxts_ops *const kdk_aesxts_aesni = &tier_table;

#else

const struct kdk_aesxts_ops *const kdk_aesxts_aesni = NULL;

#endif
