#define _GNU_SOURCE
#include "kdk_secret.h"

#include "kdk_cpu.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

/* MADV_WIPEONFORK hands a child zeros, and a zero key is a key: without a sign of it the child would go on to
 * encrypt with one. The last byte of the mapping, which no owner's length reaches, is that sign. */
#define INTACT 0xA5u

int kdk_secret_map(kdk_secret *secret, size_t length)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    *secret = (kdk_secret){.length = length};
    if (length > (size_t)PTRDIFF_MAX - page)
        return ENOMEM;
    const size_t mapped = (length / page + 1) * page;
    void *data = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return errno;
    secret->data = data;
    secret->mapped = mapped;
    secret->locked = mlock(data, mapped) == 0;
    /* Older kernels do not know these; a key in a core file or a child is a lesser evil than no key. */
    (void)madvise(data, mapped, MADV_DONTDUMP);
    (void)madvise(data, mapped, MADV_WIPEONFORK);
    secret->data[mapped - 1] = INTACT;
    return 0;
}

#if defined(__x86_64__)
#define LOW(n) "xorps %%xmm" #n ",%%xmm" #n ";"
#define HIGH(n) "vpxord %%zmm" #n ",%%zmm" #n ",%%zmm" #n ";"
#elif defined(__aarch64__)
#define LOW(n) "movi v" #n ".2d, #0;"
#endif

/* Hash functions, OpenSSL and Python's own copying leave pieces of secrets in the vector registers; see
 * kdk_secret_copy. */
void kdk_secret_clear_registers(void)
{
#if defined(__x86_64__)
    const uint32_t known = kdk_cpu_features();
    if (known & KDK_CPU_YMM)
        __asm__ __volatile__("vzeroall"
                             :
                             :
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                               "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    else
        __asm__ __volatile__(LOW(0) LOW(1) LOW(2) LOW(3) LOW(4) LOW(5) LOW(6) LOW(7) LOW(8) LOW(9) LOW(10)
                                 LOW(11) LOW(12) LOW(13) LOW(14) LOW(15)
                             :
                             :
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                               "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    /* The compiler does not use the upper sixteen here: this file is built for the oldest x86-64. */
    if (known & KDK_CPU_ZMM)
        __asm__ __volatile__(HIGH(16) HIGH(17) HIGH(18) HIGH(19) HIGH(20) HIGH(21) HIGH(22) HIGH(23) HIGH(24)
                                 HIGH(25) HIGH(26) HIGH(27) HIGH(28) HIGH(29) HIGH(30) HIGH(31)
                             :
                             :);
#elif defined(__aarch64__)
    __asm__ __volatile__(LOW(0) LOW(1) LOW(2) LOW(3) LOW(4) LOW(5) LOW(6) LOW(7) LOW(16) LOW(17) LOW(18)
                             LOW(19) LOW(20) LOW(21) LOW(22) LOW(23) LOW(24) LOW(25) LOW(26) LOW(27) LOW(28)
                                 LOW(29) LOW(30) LOW(31)
                         :
                         :
                         : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20",
                           "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
#endif
}

void kdk_secret_wipe(kdk_secret *secret)
{
    if (secret->data)
        kdk_wipe(secret->data, secret->mapped);
    kdk_secret_clear_registers();
}

void kdk_secret_unmap(kdk_secret *secret)
{
    if (!secret->data)
        return;
    kdk_secret_wipe(secret);
    (void)munmap(secret->data, secret->mapped); /* the lock goes with the mapping */
    secret->data = NULL;
    secret->mapped = 0;
    secret->locked = 0;
}

int kdk_secret_intact(const kdk_secret *secret)
{
    return secret->data && secret->data[secret->mapped - 1] == INTACT;
}

int kdk_secret_random(kdk_secret *secret)
{
    size_t done = 0;

    while (done < secret->length) {
        const ssize_t got = getrandom(secret->data + done, secret->length - done, 0);
        if (got >= 0)
            done += (size_t)got;
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

/* Keys are moved through general registers alone. What memcpy leaves in a vector register stays there until
 * something else needs that register, and the dynamic linker, when it first binds a function, spills all of
 * them to the stack: where no one wipes it. */
void kdk_secret_copy(unsigned char *dst, const unsigned char *src, size_t n)
{
#if defined(__x86_64__)
    __asm__ __volatile__("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
#else
    for (size_t i = 0; i < n; i++) {
        unsigned byte = src[i];
        __asm__ __volatile__("" : "+r"(byte));
        dst[i] = (unsigned char)byte;
    }
#endif
}

void kdk_secret_xor(unsigned char *dst, const unsigned char *src, size_t n)
{
    size_t i = 0;

    for (; n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t a, b;
        memcpy(&a, dst + i, sizeof a);
        memcpy(&b, src + i, sizeof b);
        a ^= b;
        __asm__ __volatile__("" : "+r"(a)); /* one word at a time: no vectors */
        memcpy(dst + i, &a, sizeof a);
    }
    for (; i < n; i++) {
        unsigned byte = dst[i] ^ src[i];
        __asm__ __volatile__("" : "+r"(byte));
        dst[i] = (unsigned char)byte;
    }
}

int kdk_secret_equal(const unsigned char *a, const unsigned char *b, size_t n)
{
    unsigned difference = 0;

    for (size_t i = 0; i < n; i++) {
        difference |= (unsigned)(a[i] ^ b[i]);
        /* The compiler must not know what is in it, or it could leave the loop at the first difference; nor
         * take vectors. */
        __asm__ __volatile__("" : "+r"(difference));
    }
    return (int)(((difference - 1u) >> 8) & 1u);
}

int kdk_secret_undumpable_process(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : errno; }
