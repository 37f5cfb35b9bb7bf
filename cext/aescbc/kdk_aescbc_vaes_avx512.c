#include "kdk_aescbc.h"

#if defined(__x86_64__)

#include "kdk_aes_x86_512.h"
#include "kdk_aescbc_x86.h"
#include "kdk_wipe.h"

#include "kdk_aes_rounds.h"

#include "kdk_aescbc_body.inc"

static const struct kdk_aescbc_ops table = {kdk_aescbc_x86_init, tier_encrypt, tier_decrypt};
const struct kdk_aescbc_ops *const kdk_aescbc_vaes_avx512 = &table;

#else

const struct kdk_aescbc_ops *const kdk_aescbc_vaes_avx512 = NULL;

#endif
