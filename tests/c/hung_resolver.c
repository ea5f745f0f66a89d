/*
 * A name look-up that never returns holds up nothing for longer than it may take: not the call, not a close, not the end
 * of the process. This program brings a getaddrinfo() of its own, which the library then finds in place of the system's.
 */
#include "fork.h"
#include "queue.h"
#include "resolver.h"

#define SLACK 0.05

static const char *const PLAN = "[{\"name\": \"data__fetch\"}]";

static int hung;     /* whether look-ups hang from now on */
static int look_ups; /* that did */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    (void)node, (void)service, (void)hints;
    if (__sync_fetch_and_add(&hung, 0)) {
        __sync_fetch_and_add(&look_ups, 1);
        for (;;) pause();
    }
    return resolver_find(result);
}

/* Valgrind makes everything but waiting slower. */
static double slack(void)
{
    return test_patient(1000) == 1000 ? SLACK : 20 * SLACK;
}

static void wait_for_look_up(int number)
{
    double start = test_seconds();
    while (__sync_fetch_and_add(&look_ups, 0) < number && test_seconds() - start < 30) test_sleep_ms(1);
    CHECK(__sync_fetch_and_add(&look_ups, 0) >= number);
}

/* A call that asks the service at once. */
static armoriq_status resolve(armoriq_client *client, char **json)
{
    armoriq_user_scope *scope = NULL;
    armoriq_status status = armoriq_for_user(client, "a@b.co", &scope, NULL);
    if (status != ARMORIQ_OK) return status;
    status = armoriq_user_resolve(scope, json);
    armoriq_user_scope_free(scope);
    return status;
}

static void *call(void *client)
{
    armoriq_status status = resolve(client, NULL);
    CHECK(status == ARMORIQ_ERR_TIMEOUT || status == ARMORIQ_ERR_CLOSED);
    return NULL;
}

static double since(double start)
{
    return test_seconds() - start;
}

/* A service that is known by a name: 128 bytes take its address. */
static struct service *named_service(char *backend)
{
    struct service *service = service_start();
    snprintf(backend, 128, "http://control.plane.test:%s", strrchr(service->url, ':') + 1);
    return service;
}

/* Each call ends by its own limit, also when all threads that look up names hang; and then the service is left alone. */
static void calls_end_in_time(const char *backend)
{
    armoriq_client *client = test_client(backend, ", \"timeout_ms\": 200, \"max_retries\": 0");
    double start, took, longest = 0;
    char *json = NULL;
    int i;
    for (i = 0; i < 5; i++) {
        start = test_seconds();
        CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, resolve(client, NULL));
        took = since(start);
        CHECK(took >= 0.19);
        if (took > longest) longest = took;
    }
    CHECK(longest < 0.2 + slack());
    start = test_seconds();
    CHECK_STATUS(ARMORIQ_ERR_SERVICE, resolve(client, &json));
    CHECK(since(start) < slack());
    CHECK_CONTAINS(json, "has been failing");
    CHECK_CONTAINS(json, "it is tried again in");
    armoriq_string_free(json);

    /* Nothing waits for the threads that still hang. */
    start = test_seconds();
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 10000, NULL));
    armoriq_client_free(client);
    CHECK(since(start) < slack());
}

static void a_check_ends_in_time(const char *backend, struct service *service)
{
    armoriq_client *client = test_client(backend, "");
    armoriq_session *session = test_session(client, NULL, "{\"mode\": \"sdk\"}");
    double start;
    __sync_lock_release(&hung);
    test_plan(session, PLAN);
    __sync_lock_test_and_set(&hung, 1);
    /* The connection that there was is gone. */
    service_stop(service);
    start = test_seconds();
    EXPECT(session, "data__fetch", "{}", "{\"timeout_ms\": 150}", ARMORIQ_BLOCK, NULL, "unavailable");
    CHECK(since(start) >= 0.14 && since(start) < 0.15 + slack());
    armoriq_session_free(session);
    armoriq_client_free(client);
}

static void close_waits_no_longer_than_it_is_told(const char *backend)
{
    armoriq_client *client = test_client(backend, ", \"timeout_ms\": 1000, \"max_retries\": 0");
    pthread_t thread;
    double start;
    char *json = NULL;
    int before = look_ups;
    REQUIRE(pthread_create(&thread, NULL, call, client) == 0);
    wait_for_look_up(before + 1);
    start = test_seconds();
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 100, &json));
    CHECK(since(start) >= 0.09 && since(start) < 0.1 + slack());
    CHECK_MEMBER(json, "pending", "1");
    armoriq_string_free(json);
    start = test_seconds();
    armoriq_client_free(client);
    CHECK(since(start) < slack());
    pthread_join(thread, NULL);
}

/* A submitted call that hangs in a look-up ends when it is cancelled or its client closed, and a freed queue waits not. */
static void submitted_calls_end_at_once(const char *backend)
{
    armoriq_queue *queue = queue_new(3);
    double start;
    int before = look_ups, end;
    for (end = 0; end < 3; end++) {
        armoriq_client *client = test_client(backend, ", \"max_retries\": 0");
        armoriq_call *call;
        char *json = NULL;
        CHECK_STATUS(ARMORIQ_OK, armoriq_submit(client, NULL, queue, 1, "bootstrap", NULL, &call, NULL));
        wait_for_look_up(before + end + 1);
        start = test_seconds();
        if (end == 0) {
            CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(call, NULL));
            EXPECT_COMPLETION(queue, 1, ARMORIQ_ERR_CANCELLED, ARMORIQ_BLOCK, "cancelled");
        } else if (end == 1) {
            CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 100, &json));
            CHECK(since(start) >= 0.09);
            CHECK_MEMBER(json, "pending", "1");
            EXPECT_COMPLETION(queue, 1, ARMORIQ_ERR_CLOSED, ARMORIQ_BLOCK, "closed");
        } else {
            armoriq_queue_free(queue);
        }
        armoriq_call_free(call);
        armoriq_client_free(client);
        CHECK(since(start) < 0.1 + slack());
        armoriq_string_free(json);
    }
}

/*
 * The end of a process in which a call, and the background task of a local session, hang in look-ups. It is forked while
 * this process has no other thread.
 */
static void the_process_ends(void)
{
    int ready[2];
    double start;
    pid_t child;
    char byte;
    REQUIRE(pipe(ready) == 0);
    child = test_fork();
    if (child == 0) {
        char backend[128];
        struct service *service = named_service(backend);
        armoriq_client *client = test_client(backend, ", \"agent_id\": \"agent-1\", \"max_retries\": 0");
        armoriq_session *session = test_session(client, NULL, NULL);
        armoriq_client *other = test_client(backend, "");
        pthread_t thread;
        service_set(service, "/policy/bundles/current", SERVICE_CLOSES, 0, "", "");
        test_plan(session, PLAN);
        hung = 1;
        REQUIRE(pthread_create(&thread, NULL, call, other) == 0);
        wait_for_look_up(2);
        REQUIRE(write(ready[1], "x", 1) == 1);
        exit(test_result());
    }
    close(ready[1]);
    REQUIRE(read(ready[0], &byte, 1) == 1);
    start = test_seconds();
    test_wait(child);
    CHECK(since(start) < slack());
    close(ready[0]);
}

int main(void)
{
    struct service *service;
    char backend[128];
    the_process_ends();
    service = named_service(backend);
    hung = 1;
    calls_end_in_time(backend);
    close_waits_no_longer_than_it_is_told(backend);
    submitted_calls_end_at_once(backend);
    a_check_ends_in_time(backend, service);
    /* Four of the first five calls, three submitted ones, and one of each other part. */
    CHECK(look_ups == 9);
    free(service);
    return test_result();
}
