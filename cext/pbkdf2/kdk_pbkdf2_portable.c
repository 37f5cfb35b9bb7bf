/* The tier for every processor, and the oracle of the others: one chain at a time, in plain words. */
#define KDK_TARGET
#define KDK_INLINE static inline __attribute__((always_inline))

#define V uint32_t
#define KDK_LANES 1
#include "kdk_pbkdf2_narrow.h"
#undef V
#undef KDK_LANES

#define V uint64_t
#define KDK_LANES 1
#include "kdk_pbkdf2_wide.h"

static const struct kdk_pbkdf2_ops tier_table = {{iterate_sha1, iterate_sha256, iterate_sha512}};

const struct kdk_pbkdf2_ops *const kdk_pbkdf2_portable = &tier_table;
