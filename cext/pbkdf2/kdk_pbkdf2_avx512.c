/* Sixteen chains of SHA-1 or SHA-256, or eight of SHA-512, in lanes of 512 bits. */
#include "kdk_pbkdf2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define KDK_TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,bmi2")))
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))
#define KDK_TERNARY

typedef uint32_t narrow __attribute__((vector_size(64)));
typedef uint64_t wide __attribute__((vector_size(64)));

/* Truth tables of x ^ y ^ z, x ? y : z, and two of three. */
KDK_INLINE wide wide_xor3(wide x, wide y, wide z)
{
    return (wide)_mm512_ternarylogic_epi64((__m512i)x, (__m512i)y, (__m512i)z, 0x96);
}

KDK_INLINE wide wide_choose(wide x, wide y, wide z)
{
    return (wide)_mm512_ternarylogic_epi64((__m512i)x, (__m512i)y, (__m512i)z, 0xca);
}

KDK_INLINE wide wide_majority(wide x, wide y, wide z)
{
    return (wide)_mm512_ternarylogic_epi64((__m512i)x, (__m512i)y, (__m512i)z, 0xe8);
}

KDK_INLINE narrow xor3(narrow x, narrow y, narrow z) { return (narrow)wide_xor3((wide)x, (wide)y, (wide)z); }
KDK_INLINE narrow choose(narrow x, narrow y, narrow z)
{
    return (narrow)wide_choose((wide)x, (wide)y, (wide)z);
}
KDK_INLINE narrow majority(narrow x, narrow y, narrow z)
{
    return (narrow)wide_majority((wide)x, (wide)y, (wide)z);
}

#define V narrow
#define KDK_LANES 16
#include "kdk_pbkdf2_narrow.h"
#undef V
#undef KDK_LANES

#define V wide
#define KDK_LANES 8
#include "kdk_pbkdf2_wide.h"

static const struct kdk_pbkdf2_ops tier_table = {{iterate_sha1, iterate_sha256, iterate_sha512}};

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_avx512 = &tier_table;

#else

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_avx512 = NULL;

#endif
