#define _GNU_SOURCE
#include "kdk_secret.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

/* MADV_WIPEONFORK hands a child zeros, and a zero key is a key: without a sign of it the child would go on to encrypt with
 * one. The last byte of the mapping, which no owner's length reaches, is that sign. */
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

void kdk_secret_wipe(kdk_secret *secret)
{
    if (secret->data)
        kdk_wipe(secret->data, secret->mapped);
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

void kdk_secret_xor(unsigned char *dst, const unsigned char *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] ^= src[i];
}

int kdk_secret_equal(const unsigned char *a, const unsigned char *b, size_t n)
{
    unsigned difference = 0;

    for (size_t i = 0; i < n; i++)
        difference |= (unsigned)(a[i] ^ b[i]);
    /* The compiler must not know what is in it here, or it could leave the loop at the first difference. */
    __asm__ __volatile__("" : "+r"(difference) : : "memory");
    return (int)(((difference - 1u) >> 8) & 1u);
}

int kdk_secret_undumpable_process(void)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : errno;
}
