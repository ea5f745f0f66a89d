/* Submitted calls that panic: on the library's own thread, and so that the thread itself ends. */
#include "panics.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

static const struct submission {
    /* NULL is for armoriq_submit_check. */
    const char *method;
    const char *params;
    enum owner owner;
} submissions[] = {
#define CLIENT_SUBMISSION(method, params) {#method, params, CLIENT},
#define SESSION_SUBMISSION(method, params) {#method, params, SESSION},
    CLIENT_METHODS(CLIENT_SUBMISSION)
    SESSION_METHODS(SESSION_SUBMISSION)
    {NULL, NULL, SESSION},
};

static armoriq_status submit(const struct submission *of, const struct handles *on, armoriq_queue *queue, char **json)
{
    if (!of->method) return armoriq_submit_check(on->session, queue, 7, "data__fetch", NULL, NULL, NULL, json);
    return armoriq_submit(of->owner == CLIENT ? on->client : NULL, of->owner == SESSION ? on->session : NULL, queue, 7,
                          of->method, of->params, NULL, json);
}

/* After the completion of a panic: there is no other, the handle is spoiled and no other is, nor is the queue. */
static void check_completed(const struct submission *of, const struct handles *on)
{
    struct handles fresh;
    armoriq_completion next;

    EXPECT_COMPLETION(on->queue, 7, ARMORIQ_ERR_INTERNAL, ARMORIQ_BLOCK, TEXT);
    CHECK_EMPTY(on->queue);
    EXPECT_FAILURE(ARMORIQ_ERR_INTERNAL, "an earlier call on this armoriq_", submit(of, on, on->queue, &json));
    CHECK_EMPTY(on->queue);
    check_others(on, of->owner);
    fresh = handles_new();
    CHECK_STATUS(ARMORIQ_OK, submit(of, &fresh, on->queue, NULL));
    next = queue_take(on->queue);
    if (next.status == ARMORIQ_ERR_INTERNAL) test_fail(__FILE__, __LINE__, "the next call", next.json);
    armoriq_string_free(next.json);
    CHECK_EMPTY(on->queue);
    handles_free(&fresh);
}

/* Until a completion is there. No function of the library's is called: the next place is the submitted call's. */
static void wait_for(int descriptor)
{
    struct pollfd ready = {0, POLLIN, 0};
    ready.fd = descriptor;
    REQUIRE(poll(&ready, 1, 60000) == 1);
}

/* The call panics when it begins to run. */
static void probe_submitted(const struct submission *of)
{
    struct handles on = handles_new();
    int descriptor = (int)armoriq_queue_fd(on.queue);
    /* The first place is that of the function, the second that of the call. */
    armoriq_panic_probe(2, 0);
    CHECK_STATUS(ARMORIQ_OK, submit(of, &on, on.queue, NULL));
    wait_for(descriptor);
    check_completed(of, &on);
    CHECK(armoriq_panic_probe(0, 0) == 0);
    handles_free(&on);
}

/* It panics while it waits for an answer, before and after it looked for one. */
static void probe_waiting(void)
{
    static const struct submission check = {NULL, NULL, SESSION};
    int at_end;
    for (at_end = 0; at_end <= 1; at_end++) {
        struct handles on = handles_new();
        int descriptor = (int)armoriq_queue_fd(on.queue);
        service_set(service, ENFORCE, SERVICE_STALLS, 200, "", "");
        CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(on.session, on.queue, 7, "data__fetch", NULL,
                                                      "{\"timeout_ms\": 300}", NULL, NULL));
        while (service_count(service, ENFORCE) == 0) test_sleep_ms(1);
        armoriq_panic_probe(1, at_end);
        wait_for(descriptor);
        CHECK(armoriq_panic_probe(0, at_end) == 0);
        service_json(service, ENFORCE, 200, "{\"allowed\": true}");
        check_completed(&check, &on);
        handles_free(&on);
    }
}

/* --- A panic that no guard sees ---------------------------------------------------------------------------------- */

static int background_clock_fails;

extern long syscall(long number, ...);

/*
 * In place of the C library's, for the shared library too: a clock that fails, once, makes the runtime on the library's
 * background thread panic, outside of any call.
 */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    char thread[16] = "";
    if (__sync_fetch_and_add(&background_clock_fails, 0) && prctl(PR_GET_NAME, thread) == 0 &&
        strcmp(thread, "armoriq") == 0 && __sync_bool_compare_and_swap(&background_clock_fails, 1, 0)) {
        return -1;
    }
    return (int)syscall(SYS_clock_gettime, clock, time);
}

static int lines;

static void count_lines(void *user_data, int32_t level, const char *target, const char *message)
{
    (void)user_data;
    if (level == 1 && strcmp(target, "armoriq::panics") == 0 && strstr(message, "panic on the library's own thread"))
        __sync_fetch_and_add(&lines, 1);
}

/*
 * The thread ends: its call completes all the same, the log has a line, and the next call gets a thread. Says whether
 * it came to that; where the clock was read in the midst of the call, the guard saw the panic.
 */
static int probe_background(void)
{
    struct handles on = handles_new();
    armoriq_completion done;
    int ended;

    service_set(service, ENFORCE, SERVICE_STALLS, 200, "", "");
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(on.session, on.queue, 7, "data__fetch", NULL,
                                                  "{\"timeout_ms\": 300}", NULL, NULL));
    while (service_count(service, ENFORCE) == 0) test_sleep_ms(1);
    test_sleep_ms(50);
    __sync_fetch_and_add(&background_clock_fails, 1);
    done = queue_take(on.queue);
    CHECK(done.user_data == 7 && done.status == ARMORIQ_ERR_INTERNAL && done.verdict == ARMORIQ_BLOCK);
    ended = done.json && strstr(done.json, "could not be run to its end") != NULL;
    armoriq_string_free(done.json);
    service_json(service, ENFORCE, 200, "{\"allowed\": true}");
    if (ended) {
        CHECK(__sync_fetch_and_add(&lines, 0) == 1);
        queue_check(on.session, on.queue, 8, NULL);
        EXPECT_COMPLETION(on.queue, 8, ARMORIQ_OK, ARMORIQ_ALLOW, "\"allowed\":true");
    }
    CHECK_EMPTY(on.queue);
    handles_free(&on);
    return ended;
}

static void probe_background_until_it_ends(void)
{
    int tries = 1;
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(1, count_lines, NULL, NULL));
    while (!probe_background() && tries < 20) tries++;
    CHECK(tries < 20);
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(1, NULL, NULL, NULL));
}

int main(void)
{
    size_t i;

    service = service_start();
    service_json(service, ENFORCE, 200, "{\"allowed\": true}");
    for (i = 0; i < COUNT(submissions); i++) {
        probe_submitted(&submissions[i]);
        count(submissions[i].method ? submissions[i].method : "check", ", submitted");
    }
    probe_waiting();
    count("check", ", waiting");
    probe_background_until_it_ends();
    count("the background thread", "");
    service_stop(service);
    free(service);
    printf("%d passed, %d failed\n", passed, failed);
    return test_result();
}
