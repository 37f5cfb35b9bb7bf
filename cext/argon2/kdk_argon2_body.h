/* Filling a segment, written once over the vector type. A tier defines KDK_TARGET, KDK_INLINE, V, KDK_VECTORS
 * (of a block), load, store, xor_ and first_word, the two halves of the permutation (below), and includes
 * this.
 *
 *   permute_first(z)   all rows, and those columns that block word 0 comes out of
 *   permute_rest(z)    the other columns
 *
 * Word 0 of a block says which block comes in next, and that is somewhere in memory: the sooner it is known,
 * the sooner it can be sent for. While it comes, the same thread computes the rest of this block, and then
 * blocks of other lanes. */
#ifndef KDK_ARGON2_BODY_H
#define KDK_ARGON2_BODY_H

#include "kdk_argon2.h"
#include "kdk_wipe.h"

#define KDK_BLOCK_BYTES 1024
#define KDK_LINE_BYTES 64
#define KDK_OLD_AHEAD 4   /* blocks: how far ahead the content that a later pass adds to is sent for */
#define KDK_KNOWN_AHEAD 6 /* blocks, of all lanes together: the same for references known beforehand */

KDK_INLINE uint64_t *block_at(const struct kdk_argon2_matrix *m, uint32_t lane, uint32_t column)
{
    return m->blocks + ((size_t)lane * m->lane_blocks + column) * KDK_ARGON2_WORDS;
}

/* Into the second-level cache: into the first, they would drive out what is being computed on. */
KDK_INLINE void send_for(const uint64_t *block)
{
    KDK_UNROLL
    for (int i = 0; i < KDK_BLOCK_BYTES / KDK_LINE_BYTES; i++)
        __builtin_prefetch((const void *)((uintptr_t)block + KDK_LINE_BYTES * (unsigned)i), 0, 2);
}

/* The compression function G (section 3.5) under way. */
struct kdk_block_state {
    V z[KDK_VECTORS], sum[KDK_VECTORS];
};

/* Everything up to word 0 of the new block, which it returns. `accumulate`: the old content is added. */
KDK_INLINE uint64_t compress_first(struct kdk_block_state *s, const uint64_t *old, const uint64_t *previous,
                                   const uint64_t *reference, const int accumulate)
{
    KDK_UNROLL
    for (int i = 0; i < KDK_VECTORS; i++) {
        s->z[i] = xor_(load(previous, i), load(reference, i));
        s->sum[i] = accumulate ? xor_(s->z[i], load(old, i)) : s->z[i];
    }
    permute_first(s->z);
    return first_word(xor_(s->z[0], s->sum[0]));
}

KDK_INLINE void compress_rest(struct kdk_block_state *s, uint64_t *out)
{
    permute_rest(s->z);
    KDK_UNROLL
    for (int i = 0; i < KDK_VECTORS; i++)
        store(out, i, xor_(s->z[i], s->sum[i]));
}

/* The next 128 addresses of a lane (section 3.4.1.1): G(0, G(0, counter)). */
KDK_TARGET static __attribute__((noinline)) void next_addresses(struct kdk_argon2_lane *lane)
{
    static const _Alignas(64) uint64_t zero[KDK_ARGON2_WORDS];
    struct kdk_block_state s;

    lane->counter[6]++;
    (void)compress_first(&s, zero, zero, lane->counter, 0);
    compress_rest(&s, lane->addresses);
    (void)compress_first(&s, zero, zero, lane->addresses, 0);
    compress_rest(&s, lane->addresses);
}

/* Which block a lane refers to for block i of its segment, given J1 and J2 (section 3.4.1.2 and 3.4.2). */
KDK_INLINE const uint64_t *reference_at(const struct kdk_argon2_matrix *m, uint32_t pass, uint32_t slice,
                                        uint32_t lane, uint32_t i, uint64_t j)
{
    const uint32_t j1 = (uint32_t)j, j2 = (uint32_t)(j >> 32);
    uint32_t chosen = (m->lanes & (m->lanes - 1)) ? j2 % m->lanes : j2 & (m->lanes - 1);
    if (pass == 0 && slice == 0)
        chosen = lane;
    /* The finished segments, and what the lane itself has filled of this one, but for its last block. */
    const uint32_t finished = (pass ? KDK_ARGON2_SLICES - 1 : slice) * m->segment_blocks;
    const uint32_t area = chosen == lane ? finished + i - 1 : finished - (i == 0);
    const uint64_t x = (uint64_t)j1 * j1 >> 32, y = area * x >> 32;
    const uint32_t start = pass && slice != KDK_ARGON2_SLICES - 1 ? (slice + 1) * m->segment_blocks : 0;
    uint32_t column = start + (area - 1 - (uint32_t)y);
    if (column >= m->lane_blocks)
        column -= m->lane_blocks;
    return block_at(m, chosen, column);
}

KDK_INLINE void begin_lane(const struct kdk_argon2_matrix *m, uint32_t pass, uint32_t slice,
                           struct kdk_argon2_lane *lane, const uint32_t first, const int independent)
{
    const uint32_t column = slice * m->segment_blocks + first;
    lane->previous = block_at(m, lane->number, column ? column - 1 : m->lane_blocks - 1);
    if (independent) {
        memset(lane->counter, 0, sizeof lane->counter);
        lane->counter[0] = pass;
        lane->counter[1] = lane->number;
        lane->counter[2] = slice;
        lane->counter[3] = (uint64_t)m->lanes * m->lane_blocks;
        lane->counter[4] = m->passes;
        lane->counter[5] = (uint64_t)m->type;
        next_addresses(lane);
    }
    const uint64_t j = independent ? lane->addresses[first] : lane->previous[0];
    lane->reference = reference_at(m, pass, slice, lane->number, first, j);
    send_for(lane->reference);
}

KDK_INLINE void fill_lanes(const struct kdk_argon2_matrix *m, uint32_t pass, uint32_t slice,
                           struct kdk_argon2_lane *lanes, uint32_t count, const int independent,
                           const int accumulate)
{
    const uint32_t first = pass == 0 && slice == 0 ? 2 : 0;
    const uint32_t ahead = KDK_KNOWN_AHEAD / count;

    for (uint32_t k = 0; k < count; k++)
        begin_lane(m, pass, slice, lanes + k, first, independent);
    for (uint32_t i = first; i < m->segment_blocks; i++) {
        const uint32_t next = i + 1, place = next % KDK_ARGON2_WORDS;
        for (uint32_t k = 0; k < count; k++) {
            struct kdk_argon2_lane *const lane = lanes + k;
            uint64_t *const current = block_at(m, lane->number, slice * m->segment_blocks + i);
            struct kdk_block_state s;
            const uint64_t word = compress_first(&s, current, lane->previous, lane->reference, accumulate);
            lane->previous = current;
            if (next < m->segment_blocks) {
                if (independent && place == 0)
                    next_addresses(lane);
                const uint64_t j = independent ? lane->addresses[place] : word;
                lane->reference = reference_at(m, pass, slice, lane->number, next, j);
                if (!independent)
                    send_for(lane->reference);
                else if (place + ahead < KDK_ARGON2_WORDS && next + ahead < m->segment_blocks)
                    send_for(reference_at(m, pass, slice, lane->number, next + ahead,
                                          lane->addresses[place + ahead]));
                if (accumulate)
                    send_for((const void *)((uintptr_t)current + KDK_OLD_AHEAD * KDK_BLOCK_BYTES));
            }
            compress_rest(&s, current);
        }
    }
}

KDK_TARGET static void tier_fill(const struct kdk_argon2_matrix *m, uint32_t pass, uint32_t slice,
                                 struct kdk_argon2_lane *lanes, uint32_t count)
{
    const int independent =
        m->type == KDK_ARGON2_I || (m->type == KDK_ARGON2_ID && pass == 0 && slice < KDK_ARGON2_SLICES / 2);
    const int accumulate = pass > 0 && m->version != 0x10;

    if (independent)
        accumulate ? fill_lanes(m, pass, slice, lanes, count, 1, 1)
                   : fill_lanes(m, pass, slice, lanes, count, 1, 0);
    else
        accumulate ? fill_lanes(m, pass, slice, lanes, count, 0, 1)
                   : fill_lanes(m, pass, slice, lanes, count, 0, 0);
}

static const struct kdk_argon2_ops tier_table = {tier_fill};

#endif
