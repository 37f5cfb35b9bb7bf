#define _GNU_SOURCE
#include "kdk_argon2.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kdk_blake2b.h"
#include "kdk_bytes.h"
#include "kdk_secret.h"

#define BLOCK_BYTES (8 * KDK_ARGON2_WORDS)
#define SEED_BYTES 64 /* H0 of section 3.2 */
#define MOST_LANES 0xffffffu
#define HUGE_PAGE ((size_t)2 << 20)
#define SMALL_PAGE ((size_t)4 << 10)
#define PAGED_FROM ((size_t)32 << 20) /* bytes of memory from which on it matters which pages they are */
#define WALKS 250000     /* ns in a pass that small pages cost more than one huge page, measured */
#define SHORTEST_PAUSE 4 /* huge pages' worth of memory before a huge page is tried again, */
#define LONGEST_PAUSE 64 /* twice as much after each one that was too dear, up to this */
#define THREAD_STACK ((size_t)512 << 10)
#define NEVER UINT64_MAX

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

struct team;

/* What 2 MiB of small pages cost, in ns, and when the next huge page is due. */
struct paging {
    uint64_t small_cost;
    uint32_t pause, left;
};

struct member {
    struct team *team;
    uint32_t number;
    pthread_t thread;
};

/* What the threads share. Only the caller's thread, member 0, writes `stop_before`. */
struct team {
    const struct kdk_argon2 *job;
    const struct kdk_argon2_ops *ops;
    struct kdk_argon2_matrix matrix;
    uint8_t seed[SEED_BYTES];
    uint32_t size;
    pthread_mutex_t gate; /* held until it is known how many there are */
    pthread_barrier_t barrier;
    _Atomic uint64_t stop_before; /* the first slice, counted over all passes, that is not computed */
};

/* What the compiler spilled of blocks and lanes lies below this frame. */
static __attribute__((noinline)) void burn_stack(void)
{
    uint8_t below[16384];
    kdk_wipe(below, sizeof below);
}

void kdk_argon2_long_hash(uint8_t *out, uint32_t out_size, const uint8_t *in, size_t size)
{
    struct kdk_blake2b state;
    uint8_t number[4], value[KDK_BLAKE2B_MOST];

    kdk_store32_le(number, out_size);
    kdk_blake2b_init(&state, out_size < KDK_BLAKE2B_MOST ? out_size : KDK_BLAKE2B_MOST);
    kdk_blake2b_update(&state, number, sizeof number);
    kdk_blake2b_update(&state, in, size);
    if (out_size <= KDK_BLAKE2B_MOST) {
        kdk_blake2b_final(&state, out);
        return;
    }
    kdk_blake2b_final(&state, value);
    /* Half of each value goes out, and all of the last. */
    uint32_t left = out_size;
    for (; left > KDK_BLAKE2B_MOST; left -= KDK_BLAKE2B_MOST / 2, out += KDK_BLAKE2B_MOST / 2) {
        memcpy(out, value, KDK_BLAKE2B_MOST / 2);
        const uint32_t rest = left - KDK_BLAKE2B_MOST / 2;
        kdk_blake2b_init(&state, rest < KDK_BLAKE2B_MOST ? rest : KDK_BLAKE2B_MOST);
        kdk_blake2b_update(&state, value, sizeof value);
        kdk_blake2b_final(&state, value);
    }
    memcpy(out, value, left);
    kdk_wipe(value, sizeof value);
}

static void hash_number(struct kdk_blake2b *state, uint32_t number)
{
    uint8_t bytes[4];
    kdk_store32_le(bytes, number);
    kdk_blake2b_update(state, bytes, sizeof bytes);
}

static void hash_input(struct kdk_blake2b *state, const struct kdk_argon2_input *input)
{
    hash_number(state, (uint32_t)input->size);
    if (input->size)
        kdk_blake2b_update(state, input->data, input->size);
}

static void make_seed(const struct kdk_argon2 *job, uint8_t *seed)
{
    struct kdk_blake2b state;

    kdk_blake2b_init(&state, SEED_BYTES);
    hash_number(&state, job->lanes);
    hash_number(&state, (uint32_t)job->tag_size);
    hash_number(&state, job->memory_kib);
    hash_number(&state, job->passes);
    hash_number(&state, job->version);
    hash_number(&state, (uint32_t)job->type);
    hash_input(&state, &job->password);
    hash_input(&state, &job->salt);
    hash_input(&state, &job->secret);
    hash_input(&state, &job->associated);
    kdk_blake2b_final(&state, seed);
}

static uint64_t *lane_start(const struct kdk_argon2_matrix *m, uint32_t lane)
{
    return m->blocks + (size_t)lane * m->lane_blocks * KDK_ARGON2_WORDS;
}

/* Blocks 0 and 1 of a lane (section 3.2, steps 3 and 4). */
static void first_blocks(const struct team *team, uint32_t lane)
{
    uint8_t seed[SEED_BYTES + 8];

    memcpy(seed, team->seed, SEED_BYTES);
    kdk_store32_le(seed + SEED_BYTES + 4, lane);
    for (uint32_t column = 0; column < 2; column++) {
        uint64_t *const block = lane_start(&team->matrix, lane) + column * KDK_ARGON2_WORDS;
        kdk_store32_le(seed + SEED_BYTES, column);
        kdk_argon2_long_hash((uint8_t *)block, BLOCK_BYTES, seed, sizeof seed);
        for (unsigned i = 0; i < KDK_ARGON2_WORDS; i++)
            block[i] = kdk_load64_le((const uint8_t *)(block + i));
    }
    kdk_wipe(seed, sizeof seed);
}

/* The tag, from the last blocks of all lanes (section 3.2, steps 7 and 8). */
static void make_tag(const struct team *team)
{
    const struct kdk_argon2_matrix *const m = &team->matrix;
    uint64_t sum[KDK_ARGON2_WORDS] = {0};

    for (uint32_t lane = 0; lane < m->lanes; lane++) {
        const uint64_t *const last = lane_start(m, lane) + (size_t)(m->lane_blocks - 1) * KDK_ARGON2_WORDS;
        for (unsigned i = 0; i < KDK_ARGON2_WORDS; i++)
            sum[i] ^= last[i];
    }
    for (unsigned i = 0; i < KDK_ARGON2_WORDS; i++)
        kdk_store64_le((uint8_t *)(sum + i), sum[i]);
    kdk_argon2_long_hash(team->job->tag, (uint32_t)team->job->tag_size, (const uint8_t *)sum, sizeof sum);
    kdk_wipe(sum, sizeof sum);
}

static uint64_t all_slices(const struct team *team)
{
    return (uint64_t)team->job->passes * KDK_ARGON2_SLICES;
}

static int is_stopped(struct team *team, uint64_t slice)
{
    return slice >= atomic_load_explicit(&team->stop_before, memory_order_relaxed);
}

/* One slice, counted over all passes, of lanes `from` up to `to`: as few groups as can be, of about the same
 * size. */
static void fill_slice(const struct team *team, uint64_t slice, uint32_t from, uint32_t to)
{
    const uint32_t pass = (uint32_t)(slice / KDK_ARGON2_SLICES), part = slice % KDK_ARGON2_SLICES;
    struct kdk_argon2_lane lanes[KDK_ARGON2_TOGETHER];

    while (from < to) {
        const uint32_t groups = (to - from - 1) / KDK_ARGON2_TOGETHER + 1,
                       count = (to - from - 1) / groups + 1;
        for (uint32_t k = 0; k < count; k++)
            lanes[k].number = from + k;
        team->ops->fill(&team->matrix, pass, part, lanes, count);
        from += count;
    }
    kdk_wipe(lanes, sizeof lanes);
}

/* Zeroes lanes `from` up to `to`, as far as `slices` slices have written them: an untouched page costs
 * nothing and stays so. */
static void wipe_lanes(const struct kdk_argon2_matrix *m, uint64_t slices, uint32_t from, uint32_t to)
{
    const uint64_t used = slices < KDK_ARGON2_SLICES ? slices : KDK_ARGON2_SLICES;
    for (uint32_t lane = from; lane < to; lane++)
        kdk_wipe(lane_start(m, lane), (size_t)used * m->segment_blocks * BLOCK_BYTES);
}

static uint64_t thread_nanoseconds(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now))
        return 0;
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Brings 2 MiB in, and returns what that cost, in ns. */
static uint64_t bring_in_piece(uint8_t *piece)
{
    const uint64_t began = thread_nanoseconds();
    if (madvise(piece, HUGE_PAGE, MADV_POPULATE_WRITE)) /* one call is cheaper than a fault for each page */
        for (size_t page = 0; page < HUGE_PAGE; page += SMALL_PAGE)
            *(volatile uint8_t *)(piece + page) = 0;
    return thread_nanoseconds() - began;
}

/* Has the kernel bring in the memory from `from` up to `to`, in huge pages while they are worth their price.
 *
 * Usually they cost a fraction of what small ones do, and spare the processor most page walks. But a virtual
 * machine that gives free memory back to its host gives back the large pieces, and to fetch one of those
 * again can take longer than all the walks that it spares. Such pieces come in long runs, so the last one
 * tells what to expect of the next. */
static void bring_in(struct paging *paging, uint8_t *from, const uint8_t *to, uint32_t passes)
{
    uint8_t *at = from + ((HUGE_PAGE - ((uintptr_t)from & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1));

    for (; at < to && (size_t)(to - at) >= HUGE_PAGE; at += HUGE_PAGE) {
        if (!paging->small_cost || paging->left) {
            (void)madvise(at, HUGE_PAGE, MADV_NOHUGEPAGE);
            paging->small_cost = bring_in_piece(at);
            paging->left -= paging->left > 0;
        } else if (bring_in_piece(at) <= paging->small_cost + (uint64_t)WALKS * passes) {
            paging->pause = SHORTEST_PAUSE;
        } else {
            paging->left = paging->pause;
            if (paging->pause < LONGEST_PAUSE)
                paging->pause *= 2;
        }
    }
}

/* The same for one slice of lanes `from` up to `to`, before it is filled for the first time. */
static void bring_in_slice(struct paging *paging, const struct kdk_argon2_matrix *m, uint64_t slice,
                           uint32_t from, uint32_t to)
{
    const size_t segment = (size_t)m->segment_blocks * BLOCK_BYTES;

    if (slice >= KDK_ARGON2_SLICES || (size_t)m->lanes * KDK_ARGON2_SLICES * segment < PAGED_FROM)
        return;
    for (uint32_t lane = from; lane < to; lane++) {
        uint8_t *const start = (uint8_t *)lane_start(m, lane) + slice * segment;
        bring_in(paging, start, start + segment, m->passes);
    }
}

static void work(struct member *member)
{
    struct team *const team = member->team;
    const struct kdk_argon2 *const job = team->job;
    const uint64_t all = all_slices(team);
    const uint32_t from = (uint32_t)((uint64_t)job->lanes * member->number / team->size);
    const uint32_t to = (uint32_t)((uint64_t)job->lanes * (member->number + 1) / team->size);
    struct paging paging = {0, SHORTEST_PAUSE, 0};
    uint64_t slice = 0;

    while (!is_stopped(team, slice)) {
        bring_in_slice(&paging, &team->matrix, slice, from, to);
        for (uint32_t lane = from; lane < to && slice == 0; lane++)
            first_blocks(team, lane);
        fill_slice(team, slice, from, to);
        slice++;
        /* Who is told to stop before a slice has not begun it: all leave the loop at the same one. */
        if (member->number == 0 && job->slice_done && job->slice_done(job->context, slice, all))
            atomic_store_explicit(&team->stop_before, slice, memory_order_relaxed);
        pthread_barrier_wait(
            &team->barrier); /* segments of one slice refer to finished slices of all lanes */
        if (slice == all)
            break;
    }
    if (member->number == 0 && !is_stopped(team, slice))
        make_tag(team);
    pthread_barrier_wait(&team->barrier);
    wipe_lanes(&team->matrix, slice, from, to);
    burn_stack();
    kdk_secret_clear_registers();
}

static void *work_in_thread(void *argument)
{
    struct member *const member = argument;

    pthread_mutex_lock(&member->team->gate);
    pthread_mutex_unlock(&member->team->gate);
    work(member);
    return NULL;
}

static uint32_t processors(void)
{
    uint32_t count = 1;
    for (int most = 1024; most <= 1 << 20; most *= 2) { /* EINVAL: the kernel's mask is larger */
        cpu_set_t *const set = CPU_ALLOC(most);
        if (!set)
            break;
        const size_t size = CPU_ALLOC_SIZE(most);
        const int got = sched_getaffinity(0, size, set);
        if (got == 0)
            count = (uint32_t)CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (got == 0)
            break;
    }
    return count ? count : 1;
}

/* Starts what threads can be started, and works with as many as there are: the number never changes the
 * result. */
static enum kdk_argon2_status run(struct team *team)
{
    const uint32_t asked = team->job->threads ? team->job->threads : processors();
    uint32_t wanted = asked < team->job->lanes ? asked : team->job->lanes;
    struct member *members = calloc(wanted, sizeof *members), alone;
    pthread_attr_t attributes;
    sigset_t all, before;

    if (!members) {
        members = &alone;
        wanted = 1;
    }
    pthread_mutex_init(&team->gate, NULL);
    pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK);
    sigfillset(&all);
    pthread_mutex_lock(&team->gate);
    pthread_sigmask(
        SIG_SETMASK, &all,
        &before); /* signals are the caller's: Ctrl-C must not wait for a slice of another thread */
    members[0] = (struct member){.team = team, .number = 0};
    team->size = 1;
    while (team->size < wanted) {
        struct member *const next = members + team->size;
        *next = (struct member){.team = team, .number = team->size};
        if (pthread_create(&next->thread, &attributes, work_in_thread, next))
            break;
        team->size++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_barrier_init(&team->barrier, NULL, team->size);
    pthread_mutex_unlock(&team->gate);
    work(members);
    for (uint32_t i = 1; i < team->size; i++)
        pthread_join(members[i].thread, NULL);
    pthread_barrier_destroy(&team->barrier);
    pthread_mutex_destroy(&team->gate);
    pthread_attr_destroy(&attributes);
    if (members != &alone)
        free(members);
    return team->stop_before == NEVER ? KDK_ARGON2_OK : KDK_ARGON2_ERR_CANCELLED;
}

/* `size` bytes that no core dump and no child gets, in huge pages and out of swap where the system allows it.
 */
static uint8_t *map_memory(size_t size, int lock)
{
    const size_t slack = size >= HUGE_PAGE ? HUGE_PAGE : 0;

    if (size > (size_t)PTRDIFF_MAX - slack)
        return NULL;
    uint8_t *const mapped =
        mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    uint8_t *memory = mapped;
    if (slack) {
        const size_t before = (HUGE_PAGE - ((uintptr_t)mapped & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
        memory += before;
        if (before)
            (void)munmap(mapped, before);
        if (slack - before)
            (void)munmap(memory + size, slack - before);
        (void)madvise(memory, size, MADV_HUGEPAGE);
    }
    (void)madvise(memory, size, MADV_DONTDUMP);
    (void)madvise(memory, size, MADV_DONTFORK);
#ifdef SYS_mlock2
    if (lock) /* as pages come in: all at once, one thread would wait for them */
        (void)syscall(SYS_mlock2, memory, size, MLOCK_ONFAULT);
#endif
    return memory;
}

static enum kdk_argon2_status check(const struct kdk_argon2 *job)
{
    const struct kdk_argon2_input *const inputs[] = {&job->password, &job->salt, &job->secret,
                                                     &job->associated};

    if (job->type != KDK_ARGON2_I && job->type != KDK_ARGON2_ID)
        return KDK_ARGON2_ERR_TYPE;
    if (job->version != 0x10 && job->version != 0x13)
        return KDK_ARGON2_ERR_VERSION;
    if (!job->passes)
        return KDK_ARGON2_ERR_PASSES;
    if (!job->lanes || job->lanes > MOST_LANES)
        return KDK_ARGON2_ERR_LANES;
    if (job->memory_kib / 8 < job->lanes)
        return KDK_ARGON2_ERR_MEMORY;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (inputs[i]->size > UINT32_MAX)
            return KDK_ARGON2_ERR_LENGTH;
    if (job->salt.size < 8)
        return KDK_ARGON2_ERR_SALT;
    if (job->tag_size < 4)
        return KDK_ARGON2_ERR_TAG;
    return job->tag_size > UINT32_MAX ? KDK_ARGON2_ERR_LENGTH : KDK_ARGON2_OK;
}

enum kdk_argon2_status kdk_argon2_hash(const struct kdk_argon2 *job)
{
    const int tier = job->tier < 0 ? kdk_argon2_default_tier() : job->tier;
    enum kdk_argon2_status status = check(job);

    if (status == KDK_ARGON2_OK)
        status = kdk_argon2_tier_status(tier);
    if (status != KDK_ARGON2_OK)
        return status;
    /* Section 3.2, step 2: m' = 4 · p · floor(m / 4p). */
    const uint32_t segment = job->memory_kib / (KDK_ARGON2_SLICES * job->lanes),
                   lane = KDK_ARGON2_SLICES * segment;
    const uint64_t size = (uint64_t)lane * job->lanes * BLOCK_BYTES;
    uint8_t *const memory = size > SIZE_MAX ? NULL : map_memory((size_t)size, job->lock);
    if (!memory)
        return KDK_ARGON2_ERR_NO_MEMORY;
    struct team team = {
        .job = job,
        .ops = kdk_argon2_tier_ops(tier),
        .matrix = {(uint64_t *)memory, job->lanes, lane, segment, job->passes, job->type, job->version},
        .stop_before = NEVER,
    };
    make_seed(job, team.seed);
    status = run(&team);
    kdk_wipe(team.seed, sizeof team.seed);
    (void)munmap(memory, (size_t)size); /* the lock goes with it */
    return status;
}
