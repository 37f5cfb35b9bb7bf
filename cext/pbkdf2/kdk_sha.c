#include "kdk_sha.h"

#include "kdk_bytes.h"
#include "kdk_cpu.h"
#include "kdk_wipe.h"

/* FIPS 180-4, section 4.2: the first bits of the fractions of cube roots of primes. */
const uint32_t kdk_sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

const uint64_t kdk_sha512_k[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
    0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
    0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
    0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
    0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
    0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
    0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

/* Section 5.3 */
const union kdk_sha_state kdk_sha_initial[KDK_SHA_KINDS] = {
    [KDK_SHA1] = {.narrow = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}},
    [KDK_SHA256] = {.narrow = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                               0x1f83d9ab, 0x5be0cd19}},
    [KDK_SHA512] = {.wide = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                             0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179}},
};

#define KDK_INLINE static inline __attribute__((always_inline))
#define V uint32_t
#include "kdk_sha_narrow.h"
#undef V
#define V uint64_t
#include "kdk_sha_wide.h"
#undef V

size_t kdk_sha_digest_size(enum kdk_sha_kind kind)
{
    return kind == KDK_SHA1 ? 20 : kind == KDK_SHA256 ? 32 : 64;
}

size_t kdk_sha_block_size(enum kdk_sha_kind kind) { return kind == KDK_SHA512 ? 128 : 64; }

static __attribute__((noinline)) void compress_narrow(struct kdk_sha *hash, const uint8_t *block)
{
    uint32_t w[16];
    for (int i = 0; i < 16; i++)
        w[i] = kdk_load32_be(block + 4 * i);
    if (hash->kind == KDK_SHA1)
        sha1_compress(hash->state.narrow, w);
    else
        sha256_compress(hash->state.narrow, w);
    kdk_wipe(w, sizeof w);
}

static __attribute__((noinline)) void compress_wide(struct kdk_sha *hash, const uint8_t *block)
{
    uint64_t w[16];
    for (int i = 0; i < 16; i++)
        w[i] = kdk_load64_be(block + 8 * i);
    sha512_compress(hash->state.wide, w);
    kdk_wipe(w, sizeof w);
}

/* What the engine spilled of the message: whole-message hashes take keys, too. */
static __attribute__((noinline)) void burn_stack(void)
{
    uint8_t below[1024];
    kdk_wipe(below, sizeof below);
}

static void compress(struct kdk_sha *hash, const uint8_t *data, size_t blocks)
{
    if (hash->kind == KDK_SHA256 && kdk_sha256_blocks_shani && kdk_cpu_features() & KDK_CPU_SHANI) {
        kdk_sha256_blocks_shani(hash->state.narrow, data, blocks);
        burn_stack();
        return;
    }
    for (; blocks; blocks--, data += kdk_sha_block_size(hash->kind))
        if (hash->kind == KDK_SHA512)
            compress_wide(hash, data);
        else
            compress_narrow(hash, data);
}

void kdk_sha_resume(struct kdk_sha *hash, enum kdk_sha_kind kind, const union kdk_sha_state *state,
                    uint64_t size)
{
    hash->kind = kind;
    hash->state = *state;
    hash->size = size;
}

void kdk_sha_init(struct kdk_sha *hash, enum kdk_sha_kind kind)
{
    kdk_sha_resume(hash, kind, kdk_sha_initial + kind, 0);
}

void kdk_sha_update(struct kdk_sha *hash, const void *data, size_t size)
{
    const size_t block = kdk_sha_block_size(hash->kind);
    const uint8_t *from = data;

    while (size) {
        const size_t at = hash->size % block, whole = at ? 0 : size / block;
        const size_t n = whole ? whole * block : size < block - at ? size : block - at;
        if (whole)
            compress(hash, from, whole);
        else
            memcpy(hash->buffer + at, from, n);
        hash->size += n;
        from += n;
        size -= n;
        if (!whole && hash->size % block == 0)
            compress(hash, hash->buffer, 1);
    }
}

/* Section 5.1: a one bit, zeros, and the length in bits at the end of a block. */
void kdk_sha_final(struct kdk_sha *hash, union kdk_sha_state *state)
{
    const size_t block = kdk_sha_block_size(hash->kind), length = block / 8;
    const uint64_t bits = 8 * hash->size; /* no input has 2^61 bytes */
    size_t at = hash->size % block;

    hash->buffer[at++] = 0x80;
    if (at > block - length) {
        memset(hash->buffer + at, 0, block - at);
        compress(hash, hash->buffer, 1);
        at = 0;
    }
    memset(hash->buffer + at, 0, block - at);
    kdk_store64_be(hash->buffer + block - 8, bits);
    compress(hash, hash->buffer, 1);
    *state = hash->state;
    kdk_wipe(hash, sizeof *hash);
}

void kdk_sha_digest(enum kdk_sha_kind kind, const union kdk_sha_state *state, uint8_t *out)
{
    for (size_t i = 0; i < kdk_sha_digest_size(kind) / (kind == KDK_SHA512 ? 8 : 4); i++)
        if (kind == KDK_SHA512)
            kdk_store64_be(out + 8 * i, state->wide[i]);
        else
            kdk_store32_be(out + 4 * i, state->narrow[i]);
}
