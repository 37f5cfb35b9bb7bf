#define _GNU_SOURCE
#include "kdk_fileio.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every window that is open. The handler finds a window by the address that failed, so it needs no
 * thread-local memory, which the dynamic linker may allocate at its first use: nothing for a signal handler.
 * `start` is written last and cleared first. */
#define SLOTS 64
#define TAKEN 1 /* no address: a slot that is being filled */
static struct slot {
    atomic_uintptr_t start, end;
    atomic_int failed;
} slots[SLOTS];

static struct sigaction previous;
static size_t page_bytes;
static atomic_int state; /* 0: no handler yet; 1: it is being installed; 2: installed; -1: refused */

static void pass_on(int number, siginfo_t *info, void *context)
{
    /* The flag says nothing where there is no function to call. */
    const int function = previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN;
    if (function && previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
        return;
    }
    const int sent = info->si_code <= 0; /* by a process, not by an access */
    if (function) {
        previous.sa_handler(number);
    } else if (previous.sa_handler == SIG_DFL || !sent) {
        /* The default action, by the access that is made again, or by the signal that waits until this
         * returns. */
        struct sigaction ending = {.sa_handler = SIG_DFL};
        sigemptyset(&ending.sa_mask);
        (void)sigaction(number, &ending, NULL);
        if (sent)
            (void)raise(number);
    }
}

/* An access to a page that the file no longer has, or that its medium does not give. Zeros take the page's
 * place, the window is marked, and the access is made again: what runs over the window ends in its own way,
 * and wipes what it has to. mmap is not on POSIX's list of what a handler may call; on Linux it is a bare
 * system call. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const int before = errno;
    const uintptr_t at = (uintptr_t)info->si_addr;
    for (int i = 0; info->si_code > 0 && i < SLOTS; i++) {
        const uintptr_t start = atomic_load(&slots[i].start);
        if (start <= TAKEN || at < start || at >= atomic_load(&slots[i].end))
            continue;
        void *const page = (void *)(at & ~(uintptr_t)(page_bytes - 1));
        if (mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            break;
        atomic_store(&slots[i].failed, 1);
        errno = before;
        return;
    }
    errno = before;
    pass_on(number, info, context);
}

/* Once a process. Whoever replaces the handler afterwards has it: windows are refused from then on. */
static int handler_is_ours(void)
{
    int none = 0;
    if (atomic_compare_exchange_strong(&state, &none, 1)) {
        struct sigaction ours = {.sa_sigaction = on_bus_error,
                                 .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
        sigemptyset(&ours.sa_mask);
        page_bytes = (size_t)sysconf(_SC_PAGESIZE);
        /* `previous` is there before the handler is. */
        const int refused = sigaction(SIGBUS, NULL, &previous) || sigaction(SIGBUS, &ours, NULL);
        atomic_store(&state, refused ? -1 : 2);
    }
    struct sigaction now;
    return atomic_load(&state) == 2 && sigaction(SIGBUS, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO &&
           now.sa_sigaction == on_bus_error;
}

static int take_slot(void)
{
    for (int i = 0; i < SLOTS; i++) {
        uintptr_t none = 0;
        if (atomic_compare_exchange_strong(&slots[i].start, &none, TAKEN))
            return i;
    }
    return -1;
}

int kdk_window_open(struct kdk_window *window, size_t length)
{
    memset(window, 0, sizeof *window);
    if (!handler_is_ours())
        return EBUSY;
    if (!length || length > SIZE_MAX / 2)
        return EINVAL;
    const size_t room = (length + 2 * page_bytes - 2) / page_bytes * page_bytes;
    const int slot = take_slot();
    if (slot < 0)
        return EAGAIN;
    void *const base = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        const int error = errno;
        atomic_store(&slots[slot].start, 0);
        return error;
    }
    window->base = base;
    window->room = room;
    window->slot = slot;
    atomic_store(&slots[slot].failed, 0);
    atomic_store(&slots[slot].end, (uintptr_t)base + room);
    atomic_store(&slots[slot].start, (uintptr_t)base);
    return 0;
}

int kdk_window_move(struct kdk_window *window, int fd, uint64_t offset, size_t length)
{
    const size_t lead = (size_t)(offset % page_bytes);
    window->data = NULL;
    window->length = 0;
    if (!window->base || length > window->room - lead || offset + length < offset ||
        offset + length > INT64_MAX)
        return EINVAL;
    if (!handler_is_ours())
        return EBUSY;
    /* Over the previous place: one call unmaps it, too. Not populated: pages that come sixteen at a fault
     * cost a third less. */
    if (mmap(window->base, lead + length, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)(offset - lead)) ==
        MAP_FAILED) {
        const int error = errno;
        /* The kernel may have taken away what was there before it asked the file (FUSE with direct I/O,
         * /proc, /sys), and another thread may have memory in its place by now: that range is never touched
         * again. */
        const size_t used = (lead + length + page_bytes - 1) / page_bytes * page_bytes;
        atomic_store(&slots[window->slot].start, TAKEN);
        if (used < window->room)
            (void)munmap(window->base + used, window->room - used);
        atomic_store(&slots[window->slot].start, 0);
        memset(window, 0, sizeof *window);
        return error;
    }
    atomic_store(&slots[window->slot].failed, 0);
    window->data = window->base + lead;
    window->length = length;
    window->end = offset + length;
    window->fd = fd;
    return 0;
}

int kdk_window_intact(const struct kdk_window *window)
{
    struct stat status;
    if (!window->data || atomic_load(&slots[window->slot].failed))
        return 0;
    /* What lies behind the end of a file in its last page reads as zeros, without a signal. */
    return fstat(window->fd, &status) == 0 && (uint64_t)status.st_size >= window->end;
}

void kdk_window_close(struct kdk_window *window)
{
    if (!window->base)
        return;
    atomic_store(&slots[window->slot].start, TAKEN);
    (void)munmap(window->base, window->room);
    atomic_store(&slots[window->slot].start, 0);
    memset(window, 0, sizeof *window);
}
