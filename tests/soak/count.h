/* What the soak counts, from all threads at once, and how it draws lots. */
#ifndef COUNT_H
#define COUNT_H

#include "../c/test.h"

#include <stdint.h>

enum { WORKERS = 16 };

/* What is counted; from wrong_verdicts on, what must be 0. */
#define FIGURES(name)                                                                                                  \
    name(calls) name(decisions) name(allowed) name(blocked) name(held) name(local_decisions) name(approvals_used)      \
    name(blocked_by_a_fault) name(failed_by_a_fault) name(no_plan) name(clients) name(sessions) name(submitted)        \
    name(completed) name(cancelled) name(dropped_with_their_queue) name(log_lines)                                     \
    name(wrong_verdicts) name(lost_completions) name(repeated_completions) name(unexpected_statuses)                   \
    name(wrong_results) name(internal_errors) name(secrets_shown) name(overdue_calls)

#define NUMBERED(name) name,
#define NAMED(name) #name,
enum figure { FIGURES(NUMBERED) FIGURE_COUNT };
static const char *const figure_names[] = {FIGURES(NAMED)};
static uint64_t figures[FIGURE_COUNT];

HELPER void add(enum figure figure, uint64_t number)
{
    __sync_fetch_and_add(&figures[figure], number);
}

/* Something that must not be. The first ones are shown. */
HELPER void fault(enum figure figure, const char *what, const char *detail)
{
    static int shown;
    add(figure, 1);
    if (__sync_add_and_fetch(&shown, 1) <= 40) {
        fprintf(stderr, "%s: %s: %.1500s\n", figure_names[figure], what, detail ? detail : "");
    }
}

/* One thread of the soak. */
struct worker {
    int number;
    uint64_t random;
    uint64_t next_id;
    double until;
    /* What it does now, for whoever looks at a soak that hangs. */
    const char *volatile doing;
};

static struct worker workers[WORKERS];
static double slowest_seconds;
static const char *slowest_call = "";

/* splitmix64 */
HELPER uint64_t draw(struct worker *worker)
{
    uint64_t z = (worker->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

HELPER int below(struct worker *worker, int limit)
{
    return (int)(draw(worker) % (uint64_t)limit);
}

/* A number that no other draw of the run gives. */
HELPER uint64_t unique(struct worker *worker)
{
    return (uint64_t)worker->number << 40 | ++worker->next_id;
}

/* How much longer than its time limit a call may take on a machine that does other things too. */
static const double GRACE_SECONDS = 15;

/* Does a call and looks at how long it took: `limit_ms` is what it was given, or what its documentation says. */
#define TIMED(worker, limit_ms, call)                                                                                  \
    do {                                                                                                               \
        double began = test_seconds();                                                                                 \
        (worker)->doing = #call;                                                                                       \
        (call);                                                                                                        \
        (worker)->doing = "";                                                                                          \
        note_time(#call, test_seconds() - began, (limit_ms));                                                          \
    } while (0)

HELPER void note_time(const char *call, double seconds, int limit_ms)
{
    static int lock;
    add(calls, 1);
    if (seconds > slowest_seconds) {
        while (__sync_lock_test_and_set(&lock, 1)) continue;
        if (seconds > slowest_seconds) {
            slowest_seconds = seconds;
            slowest_call = call;
        }
        __sync_lock_release(&lock);
    }
    if (seconds > limit_ms / 1000.0 + GRACE_SECONDS) fault(overdue_calls, call, NULL);
}

/* Which sort of fault a call of this soak may end with: that of the service, never the program's or the library's. */
HELPER void note_status(const char *what, armoriq_status status, const char *json)
{
    if (json && strstr(json, "ak_test_")) fault(secrets_shown, what, json);
    switch (status) {
    case ARMORIQ_OK:
        return;
    case ARMORIQ_ERR_CONFIGURATION:
    case ARMORIQ_ERR_INVALID_TOKEN:
    case ARMORIQ_ERR_TOKEN_EXPIRED:
    case ARMORIQ_ERR_INTENT_REANCHOR:
    case ARMORIQ_ERR_DELEGATION:
    case ARMORIQ_ERR_MCP_INVOCATION:
    case ARMORIQ_ERR_SERVICE:
    case ARMORIQ_ERR_TIMEOUT:
        add(failed_by_a_fault, 1);
        return;
    case ARMORIQ_ERR_INTERNAL:
        fault(internal_errors, what, json);
        return;
    default:
        fault(unexpected_statuses, what, json);
    }
}

HELPER void take_log(void *unused, int32_t level, const char *target, const char *message)
{
    (void)unused;
    (void)level;
    add(log_lines, 1);
    if (strstr(message, "ak_test_")) fault(secrets_shown, target, message);
}

#endif
