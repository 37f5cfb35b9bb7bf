#include "kdk_blake2b.h"

#include "kdk_bytes.h"
#include "kdk_wipe.h"

#define ROUNDS 12

static const uint64_t iv[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* RFC 7693, section 2.7. */
static const uint8_t sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t rotate_right(uint64_t x, unsigned n) { return x >> n | x << (64 - n); }

static inline void mix(uint64_t *v, unsigned a, unsigned b, unsigned c, unsigned d, uint64_t x, uint64_t y)
{
    v[a] += v[b] + x;
    v[d] = rotate_right(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotate_right(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 63);
}

/* `last` is all ones for the last block, else zero. */
static void compress(struct kdk_blake2b *state, const uint8_t *block, uint64_t last)
{
    uint64_t v[16], m[16];

    for (unsigned i = 0; i < 16; i++)
        m[i] = kdk_load64_le(block + 8 * i);
    for (unsigned i = 0; i < 8; i++) {
        v[i] = state->chain[i];
        v[i + 8] = iv[i];
    }
    v[12] ^= state->hashed; /* the upper half of the counter stays zero: no input has 2^64 bytes */
    v[14] ^= last;
    for (unsigned round = 0; round < ROUNDS; round++) {
        const uint8_t *const s = sigma[round % 10];
        mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
        mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
        mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
        mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
        mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
        mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
        mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
        mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (unsigned i = 0; i < 8; i++)
        state->chain[i] ^= v[i] ^ v[i + 8];
    kdk_wipe(v, sizeof v);
    kdk_wipe(m, sizeof m);
}

void kdk_blake2b_init(struct kdk_blake2b *state, size_t size)
{
    memcpy(state->chain, iv, sizeof iv);
    state->chain[0] ^= 0x01010000 ^ (uint64_t)size; /* section 2.5: no key, fan-out and depth 1 */
    state->hashed = 0;
    state->buffered = 0;
    state->size = size;
}

void kdk_blake2b_update(struct kdk_blake2b *state, const void *data, size_t size)
{
    const uint8_t *from = data;

    while (size) {
        /* A full block waits until more comes: it may be the last one. */
        if (state->buffered == KDK_BLAKE2B_BLOCK) {
            state->hashed += KDK_BLAKE2B_BLOCK;
            compress(state, state->buffer, 0);
            state->buffered = 0;
        }
        const size_t room = KDK_BLAKE2B_BLOCK - state->buffered, n = size < room ? size : room;
        memcpy(state->buffer + state->buffered, from, n);
        state->buffered += n;
        from += n;
        size -= n;
    }
}

void kdk_blake2b_final(struct kdk_blake2b *state, uint8_t *out)
{
    uint8_t whole[KDK_BLAKE2B_MOST];

    memset(state->buffer + state->buffered, 0, KDK_BLAKE2B_BLOCK - state->buffered);
    state->hashed += state->buffered;
    compress(state, state->buffer, UINT64_MAX);
    for (unsigned i = 0; i < 8; i++)
        kdk_store64_le(whole + 8 * i, state->chain[i]);
    memcpy(out, whole, state->size);
    kdk_wipe(whole, sizeof whole);
    kdk_wipe(state, sizeof *state);
}
