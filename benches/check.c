/*
 * Measures checks through the shared library, each against its floor in the same run: batches of the one and the other
 * take turns, so that what else the machine does meets both alike. Times are of the thread's own clock where there is
 * one thread.
 */
#include "subject.h"

#include "measure.h"

#include <dlfcn.h>
#include <pthread.h>

extern int floor_noop(int value);
extern char *floor_check(const char *tool, const char *args);
extern void *cedar_new(unsigned policies);
extern int cedar_check(void *cedar, const char *request);
extern void cedar_free(void *cedar);

enum { ROUNDS = 301 };

/* --- One thread ------------------------------------------------------------------------------------------------- */

/* What is done `times` times over; `subject` is what it is done with. */
typedef void batch(const void *subject, int times);

struct work {
    batch *batch;
    const void *subject;
    int times;
};

/* The time of one of a batch, in nanoseconds. */
static double one(struct work work)
{
    double start = now(CLOCK_THREAD_CPUTIME_ID);
    work.batch(work.subject, work.times);
    return (now(CLOCK_THREAD_CPUTIME_ID) - start) / work.times;
}

/* The medians of both, and that of the ratios of neighbours. */
static void compare(const char *name, struct work ours, struct work base)
{
    static double measured[ROUNDS], bases[ROUNDS], ratios[ROUNDS];
    int round;
    one(ours);
    one(base);
    for (round = 0; round < ROUNDS; round++) {
        measured[round] = one(ours);
        bases[round] = one(base);
        ratios[round] = measured[round] / bases[round];
    }
    report(name, quantile(measured, ROUNDS, 0.5), quantile(bases, ROUNDS, 0.5), quantile(ratios, ROUNDS, 0.5));
}

static void alone(const char *name, struct work work)
{
    static double measured[ROUNDS];
    int round;
    one(work);
    for (round = 0; round < ROUNDS; round++) measured[round] = one(work);
    report(name, quantile(measured, ROUNDS, 0.5), 0, 0);
}

struct call {
    armoriq_session *session;
    const char *args;
};

static void checks(const void *subject, int times)
{
    const struct call *call = subject;
    while (times--) check(call->session, call->args);
}

enum { BATCH = 100 };

/* The call of a subject so many times in one batch. */
static const char *batch_of(const char *args)
{
    static char calls[BATCH * 256];
    size_t length = 0;
    int i;
    for (i = 0; i < BATCH; i++)
        length += (size_t)sprintf(calls + length, "%c{\"tool\":\"" TOOL "\",\"args\":%s}", i ? ',' : '[', args);
    strcpy(calls + length, "]");
    return calls;
}

static void batches(const void *subject, int times)
{
    const struct call *call = subject;
    armoriq_verdict strictest;
    char *json;
    while (times--) {
        if (armoriq_session_check_batch(call->session, call->args, NULL, &strictest, &json) != ARMORIQ_OK ||
            strictest != ARMORIQ_ALLOW)
            fail("the batch was not allowed", json);
        armoriq_string_free(json);
    }
}

static void hundreds(const void *subject, int times)
{
    checks(subject, times * BATCH);
}

static void floors(const void *args, int times)
{
    while (times--) {
        char *answer = floor_check("pay_vendor", args);
        if (!answer) fail("the floor refused", NULL);
        free(answer);
    }
}

static void cedars(const void *cedar, int times)
{
    static const char request[] =
        "{\"principal\":{\"type\":\"User\",\"id\":\"alice@example.com\"},"
        "\"action\":{\"type\":\"Action\",\"id\":\"pay_vendor\"},\"resource\":{\"type\":\"Server\",\"id\":\"pay-mcp\"},"
        "\"context\":{\"amount\":1250,\"currency\":\"EUR\",\"to\":\"vendor-4711@example.com\","
        "\"note\":\"invoice 2026-1187 the 3rd\"}}";
    while (times--) {
        if (cedar_check((void *)cedar, request) != 1) fail("Cedar refused", NULL);
    }
}

static void sessions(const void *client, int times)
{
    while (times--) start_and_free((armoriq_client *)client);
}

static void tools(const void *session, int times)
{
    while (times--) ask_about_tools((armoriq_session *)session);
}

static void calls(const void *subject, int times)
{
    (void)subject;
    while (times--) (void)armoriq_abi_version();
}

static void no_ops(const void *subject, int times)
{
    (void)subject;
    while (times--) (void)floor_noop(times);
}

/* --- Two threads ------------------------------------------------------------------------------------------------ */

enum { CHECKS_OF_A_THREAD = 2000, THREAD_ROUNDS = 201 };

static void *thread_of(void *work)
{
    const struct work *of = work;
    of->batch(of->subject, of->times);
    return NULL;
}

/* How long one thread of work takes, or two at once. */
static double threads(struct work *first, struct work *second)
{
    pthread_t thread;
    double start = now(CLOCK_MONOTONIC);
    if (second && pthread_create(&thread, NULL, thread_of, second) != 0) fail("no thread", NULL);
    thread_of(first);
    if (second) pthread_join(thread, NULL);
    return now(CLOCK_MONOTONIC) - start;
}

/*
 * What two threads do in a time against what one does. Other programs may keep two from ever running at once, so the
 * fastest tenth counts and not the median.
 */
static void throughput(const char *name, batch *batch, const void *one_subject, const void *other_subject, int times)
{
    struct work first = {batch, one_subject, times}, second = {batch, other_subject, times};
    static double single[THREAD_ROUNDS], pair[THREAD_ROUNDS];
    double one_alone, two;
    int round;
    for (round = 0; round < THREAD_ROUNDS; round++) {
        single[round] = threads(&first, NULL);
        pair[round] = threads(&first, &second);
    }
    one_alone = times * 1e9 / quantile(single, THREAD_ROUNDS, 0.1);
    two = 2 * times * 1e9 / quantile(pair, THREAD_ROUNDS, 0.1);
    report(name, two, one_alone, two / one_alone);
}

/* --- All of it -------------------------------------------------------------------------------------------------- */

/* With count_malloc.c before the allocator: how often a check allocates. */
static void allocations(const struct call *call)
{
    unsigned long (*count)(void), before;
    /* As POSIX has it: the standard knows no cast from data to functions. */
    *(void **)&count = dlsym(RTLD_DEFAULT, "count_malloc");
    if (!count) fail("count_malloc is not preloaded", NULL);
    checks(call, 100);
    before = count();
    checks(call, 1000);
    report("allocations", (double)(count() - before) / 1000, 0, 0);
}

int main(int argc, char **argv)
{
    static const int sizes[] = {1, 10, 100, 1000};
    armoriq_client *clients[4];
    struct call small[4], large, other;
    void *cedar;
    int i;

    for (i = 0; i < 4; i++) {
        clients[i] = client_of(sizes[i]);
        small[i] = (struct call){session_of(clients[i]), ARGS_100};
    }
    large = (struct call){small[1].session, args_4k()};
    other = (struct call){session_of(clients[1]), ARGS_100};

    if (argc > 1 && strcmp(argv[1], "allocations") == 0) {
        allocations(&small[1]);
        return 0;
    }
    cedar = cedar_new(100);
    compare("call", (struct work){calls, NULL, 100000}, (struct work){no_ops, NULL, 100000});
    compare("check", (struct work){checks, &small[1], 1000}, (struct work){floors, ARGS_100, 1000});
    compare("check_4k", (struct work){checks, &large, 200}, (struct work){floors, args_4k(), 200});
    compare("statements", (struct work){checks, &small[3], 1000}, (struct work){checks, &small[0], 1000});
    compare("cedar", (struct work){cedars, cedar, 20}, (struct work){checks, &small[2], 1000});
    compare("batch", (struct work){batches, &(struct call){small[1].session, batch_of(ARGS_100)}, 10},
            (struct work){hundreds, &small[1], 10});
    alone("session", (struct work){sessions, clients[1], 1000});
    alone("tools", (struct work){tools, small[3].session, 1});
    throughput("threads", checks, &small[1], &other, CHECKS_OF_A_THREAD);
    throughput("threads_one_session", checks, &small[1], &small[1], CHECKS_OF_A_THREAD);
    throughput("threads_floor", floors, ARGS_100, ARGS_100, 4 * CHECKS_OF_A_THREAD);
    cedar_free(cedar);
    return 0;
}
