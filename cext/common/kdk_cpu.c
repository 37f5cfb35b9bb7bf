#include "kdk_cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>

#define BIT(word, n) (((word) >> (n)) & 1u)

/* XCR0 says which register files the operating system saves on a context switch. Without that a processor's
 * AVX is no use: another process would overwrite the registers. Only callable where CPUID reports OSXSAVE. */
static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ __volatile__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}

static uint32_t asked(void)
{
    uint32_t a, b1, c1, d1, b7 = 0, c7 = 0, d7 = 0, features = 0;
    if (!__get_cpuid(1, &a, &b1, &c1, &d1))
        return 0;
    (void)__get_cpuid_count(7, 0, &a, &b7, &c7, &d7);

    const uint32_t aesni = BIT(c1, 25) & BIT(c1, 19);
    const uint32_t osxsave = BIT(c1, 27), avx = BIT(c1, 28);
    const uint64_t xcr0 = osxsave ? read_xcr0() : 0;
    const uint32_t os_ymm = (xcr0 & 0x06) == 0x06;
    const uint32_t os_zmm = (xcr0 & 0xe6) == 0xe6;
    const uint32_t avx2 = BIT(b7, 5), gfni = BIT(c7, 8), vaes = BIT(c7, 9), vpclmul = BIT(c7, 10);
    const uint32_t avx512 = BIT(b7, 16) & BIT(b7, 17) & BIT(b7, 30) & BIT(b7, 31) & BIT(c7, 1) & BIT(c7, 6);

    if (aesni)
        features |= KDK_CPU_AESNI;
    if (aesni & avx & avx2 & vaes & vpclmul & os_ymm)
        features |= KDK_CPU_VAES_AVX2;
    if (aesni & avx & avx2 & vaes & vpclmul & gfni & avx512 & os_zmm)
        features |= KDK_CPU_VAES_AVX512;
    if (avx & os_ymm)
        features |= KDK_CPU_YMM;
    if (avx & BIT(b7, 16) & os_zmm)
        features |= KDK_CPU_ZMM;
    if (avx & avx2 & BIT(b7, 3) & BIT(b7, 8) & os_ymm)
        features |= KDK_CPU_AVX2;
    if ((features & KDK_CPU_AVX2) && (BIT(b7, 16) & BIT(b7, 17) & BIT(b7, 30) & BIT(b7, 31) & os_zmm))
        features |= KDK_CPU_AVX512;
    if (BIT(b7, 29) & BIT(c1, 19) & BIT(c1, 9))
        features |= KDK_CPU_SHANI;
    return features;
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

/* The kernel's numbers (arch/arm64/include/uapi/asm/hwcap.h), for C libraries that do not name them yet. */
#define HAS_AES (1u << 3)
#define HAS_SHA1 (1u << 5)
#define HAS_SHA2 (1u << 6)
#define HAS_SHA512 (1u << 21)

static uint32_t asked(void)
{
    const unsigned long has = getauxval(AT_HWCAP);
    uint32_t features = KDK_CPU_NEON;

    if (has & HAS_AES)
        features |= KDK_CPU_ARMV8CE;
    if ((has & HAS_SHA1) && (has & HAS_SHA2))
        features |= KDK_CPU_ARMV8SHA;
    if (has & HAS_SHA512)
        features |= KDK_CPU_ARMV8SHA512;
    return features;
}

#else

static uint32_t asked(void) { return 0; }

#endif

/* A virtual machine's host answers each question, which takes it tens of microseconds. */
uint32_t kdk_cpu_features(void)
{
    static _Atomic uint32_t known; /* 0: not yet; its highest bit is no feature */
    uint32_t features = known;

    if (!features)
        known = features = asked() | 1u << 31;
    return features & ~(1u << 31);
}
