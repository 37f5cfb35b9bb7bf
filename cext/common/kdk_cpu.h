/* The only reader of what the processor and the operating system offer. */
#ifndef KDK_CPU_H
#define KDK_CPU_H

#include <stdint.h>

enum kdk_cpu_feature {
    KDK_CPU_AESNI = 1u << 0,     /* x86-64: AES-NI and SSE4.1 */
    KDK_CPU_VAES_AVX2 = 1u << 1, /* VAES, VPCLMULQDQ, AVX2, and the OS saves YMM */
    KDK_CPU_VAES_AVX512 = 1u
        << 2, /* VAES, GFNI, VPCLMULQDQ, AVX-512 F/BW/VL/DQ/VBMI/VBMI2, and the OS saves ZMM and opmasks */
    KDK_CPU_ARMV8CE = 1u << 3,     /* AArch64: the AES instructions */
    KDK_CPU_YMM = 1u << 4,         /* x86-64: AVX, and the OS saves YMM */
    KDK_CPU_ZMM = 1u << 5,         /* x86-64: AVX-512 F, and the OS saves ZMM */
    KDK_CPU_AVX2 = 1u << 6,        /* AVX2, BMI1 and BMI2, and the OS saves YMM */
    KDK_CPU_AVX512 = 1u << 7,      /* the same, AVX-512 F/VL/BW/DQ, and the OS saves ZMM and opmasks */
    KDK_CPU_SHANI = 1u << 8,       /* x86-64: the SHA instructions, and SSE4.1 */
    KDK_CPU_NEON = 1u << 9,        /* AArch64: part of the base architecture */
    KDK_CPU_ARMV8SHA = 1u << 10,   /* AArch64: the instructions for SHA-1 and SHA-256 */
    KDK_CPU_ARMV8SHA512 = 1u << 11 /* AArch64: those for SHA-512 */
};

uint32_t kdk_cpu_features(void); /* asks once in a process */

#endif
