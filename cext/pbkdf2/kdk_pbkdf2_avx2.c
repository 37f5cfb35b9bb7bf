/* Eight chains of SHA-1 or SHA-256, or four of SHA-512, in lanes of 256 bits. */
#include "kdk_pbkdf2.h"

#if defined(__x86_64__)

#define KDK_TARGET __attribute__((target("avx2,bmi2")))
#define KDK_INLINE KDK_TARGET static inline __attribute__((always_inline))

typedef uint32_t narrow __attribute__((vector_size(32)));
typedef uint64_t wide __attribute__((vector_size(32)));

#define V narrow
#define KDK_LANES 8
#include "kdk_pbkdf2_narrow.h"
#undef V
#undef KDK_LANES

#define V wide
#define KDK_LANES 4
#include "kdk_pbkdf2_wide.h"

static const struct kdk_pbkdf2_ops tier_table = {{iterate_sha1, iterate_sha256, iterate_sha512}};

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_avx2 = &tier_table;

#else

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_avx2 = NULL;

#endif
