/* The completion queue: what is submitted completes exactly once, and the descriptor tells so. */
#include "queue.h"

static struct service *service;
static armoriq_client *client;
static armoriq_session *sdk, *local;

/* Answers to checks take their time while this is set. */
static int slow_ms;

static void take_time(const char *request)
{
    int wait = __sync_fetch_and_add(&slow_ms, 0);
    if (wait && strstr(request, "/iap/sdk/enforce")) test_sleep_ms(wait);
}

static void set_slow(int milliseconds)
{
    __sync_lock_test_and_set(&slow_ms, milliseconds);
}

static void stall(void)
{
    service_set(service, "/iap/sdk/enforce", SERVICE_STALLS, 200, "", "");
}

static void answer(void)
{
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"reason\": \"fine\"}");
}

/* A local check is decided on the spot, so the order is that of the submissions. */
static void completes_in_order(void)
{
    armoriq_queue *queue = queue_new(8);
    char *json = (char *)-1;
    CHECK_EMPTY(queue);
    queue_check(local, queue, 1, NULL);
    CHECK(queue_readable(queue, 0));
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(local, queue, 2, "data__drop", NULL, NULL, NULL, &json));
    CHECK(strcmp(json, "null") == 0);
    armoriq_string_free(json);
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(local, queue, UINT64_MAX, "data__other", "{}", NULL, NULL, NULL));
    EXPECT_COMPLETION(queue, 1, ARMORIQ_OK, ARMORIQ_ALLOW, "\"reason\":\"allow:fetch#0\"");
    EXPECT_COMPLETION(queue, 2, ARMORIQ_OK, ARMORIQ_BLOCK, "\"cause\":\"policy\"");
    EXPECT_COMPLETION(queue, UINT64_MAX, ARMORIQ_OK, ARMORIQ_BLOCK, "\"cause\":\"plan\"");
    CHECK_EMPTY(queue);
    armoriq_queue_free(queue);
}

/* A check of the service, and every method that is not a check, which never allows anything. */
static void completes_what_is_asked(void)
{
    armoriq_queue *queue = queue_new(8);
    armoriq_session *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");

    queue_check(sdk, queue, 1, NULL);
    EXPECT_COMPLETION(queue, 1, ARMORIQ_OK, ARMORIQ_ALLOW, "\"reason\":\"fine\"");
    CHECK_CONTAINS(service_last(service, "/iap/sdk/enforce"), "{\"n\": 1}");

    CHECK_STATUS(ARMORIQ_OK, armoriq_submit(NULL, session, queue, 2, "start_plan",
                                            "{\"tool_calls\": [{\"name\": \"data__fetch\"}], \"goal\": \"g\"}", NULL, NULL));
    EXPECT_COMPLETION(queue, 2, ARMORIQ_OK, ARMORIQ_BLOCK, "\"plan_hash\"");
    EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);

    CHECK_STATUS(ARMORIQ_OK,
                 armoriq_submit(NULL, session, queue, 3, "report",
                                "{\"tool\": \"data__fetch\", \"args\": {}, \"result\": [1], \"options\": {\"duration_ms\": 12.50}}",
                                NULL, NULL));
    EXPECT_COMPLETION(queue, 3, ARMORIQ_OK, ARMORIQ_BLOCK, "{\"delivered\":true}");
    CHECK_CONTAINS(service_last(service, "/iap/audit"), "\"duration_ms\":12.50");

    CHECK_STATUS(ARMORIQ_OK, armoriq_submit(NULL, session, queue, 4, "await_approval",
                                            "{\"delegation_id\": \"del_1\", \"interval_ms\": 20}", NULL, NULL));
    EXPECT_COMPLETION(queue, 4, ARMORIQ_OK, ARMORIQ_BLOCK, "{\"status\":\"rejected\"}");

    CHECK_STATUS(ARMORIQ_OK, armoriq_submit(client, NULL, queue, 5, "bootstrap", NULL, NULL, NULL));
    EXPECT_COMPLETION(queue, 5, ARMORIQ_OK, ARMORIQ_BLOCK, "{\"org\":{\"name\":\"o\"}}");
    service_json(service, "/iap/sdk/bootstrap", 403, "{}");
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit(client, NULL, queue, 6, "refresh_bootstrap", "{}", NULL, NULL));
    EXPECT_COMPLETION(queue, 6, ARMORIQ_ERR_CONFIGURATION, ARMORIQ_BLOCK, "ARMORIQ_ERR_CONFIGURATION");
    CHECK_EMPTY(queue);
    armoriq_session_free(session);
    armoriq_queue_free(queue);
}

/* The capacity counts what is in flight and what was not fetched, together. */
static void is_full(void)
{
    armoriq_queue *queue = queue_new(3);
    armoriq_call *calls[3], *refused = (armoriq_call *)-1;
    int i;
    stall();
    for (i = 0; i < 3; i++) queue_check(sdk, queue, (uint64_t)i, &calls[i]);
    CHECK_ERROR(ARMORIQ_ERR_QUEUE_FULL,
                armoriq_submit_check(sdk, queue, 9, "data__fetch", NULL, NULL, &refused, &json));
    CHECK(refused == NULL);
    CHECK_ERROR(ARMORIQ_ERR_QUEUE_FULL, armoriq_submit(client, NULL, queue, 9, "bootstrap", NULL, NULL, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(calls[1], NULL));
    CHECK_ERROR(ARMORIQ_ERR_QUEUE_FULL, armoriq_submit_check(local, queue, 9, "data__fetch", NULL, NULL, NULL, &json));
    EXPECT_COMPLETION(queue, 1, ARMORIQ_ERR_CANCELLED, ARMORIQ_BLOCK, "ARMORIQ_ERR_CANCELLED");
    queue_check(local, queue, 4, NULL);
    CHECK_ERROR(ARMORIQ_ERR_QUEUE_FULL, armoriq_submit_check(local, queue, 9, "data__fetch", NULL, NULL, NULL, &json));
    for (i = 0; i < 3; i++) {
        CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(calls[i], NULL));
        armoriq_call_free(calls[i]);
    }
    EXPECT_COMPLETION(queue, 4, ARMORIQ_OK, ARMORIQ_ALLOW, "fetch");
    EXPECT_COMPLETION(queue, 0, ARMORIQ_ERR_CANCELLED, ARMORIQ_BLOCK, "cancelled");
    EXPECT_COMPLETION(queue, 2, ARMORIQ_ERR_CANCELLED, ARMORIQ_BLOCK, "cancelled");
    CHECK_EMPTY(queue);
    armoriq_queue_free(queue);
    answer();
}

static void waits_as_long_as_it_is_told(void)
{
    armoriq_queue *queue = queue_new(1);
    armoriq_completion completion;
    double start = test_seconds();
    int i;
    CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(queue, 60, &completion, NULL));
    CHECK(test_seconds() - start >= 0.06);
    start = test_seconds();
    for (i = 0; i < 100; i++) CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(queue, 0, &completion, NULL));
    CHECK(test_seconds() - start < test_patient(1000) / 1e3);
    /* It waits for what is in flight. */
    set_slow(100);
    queue_check(sdk, queue, 1, NULL);
    CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(queue, 0, &completion, NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_next(queue, UINT32_MAX, &completion, NULL));
    CHECK(completion.user_data == 1 && completion.verdict == ARMORIQ_ALLOW);
    armoriq_string_free(completion.json);
    set_slow(0);
    armoriq_queue_free(queue);
}

/* Readable from the first completion to the last, whether or not somebody looked. */
static void is_readable_while_completions_wait(void)
{
    armoriq_queue *queue = queue_new(3);
    int64_t descriptor = armoriq_queue_fd(queue);
    int i;
    for (i = 0; i < 3; i++) {
        CHECK(!queue_readable(queue, 0));
        queue_check(sdk, queue, 1, NULL);
        CHECK(queue_readable(queue, 60000) && queue_readable(queue, 0));
        queue_check(local, queue, 2, NULL);
        EXPECT_COMPLETION(queue, 1, ARMORIQ_OK, ARMORIQ_ALLOW, "fine");
        CHECK(queue_readable(queue, 0));
        EXPECT_COMPLETION(queue, 2, ARMORIQ_OK, ARMORIQ_ALLOW, "fetch");
        CHECK(!queue_readable(queue, 20));
    }
    CHECK(armoriq_queue_fd(queue) == descriptor);
    armoriq_queue_free(queue);
    CHECK(armoriq_queue_fd(queue) == -1);
}

static void cancels(void)
{
    armoriq_queue *queue = queue_new(4);
    armoriq_call *call, *done;
    double start;
    stall();
    queue_check(sdk, queue, 1, &call);
    test_sleep_ms(20);
    start = test_seconds();
    CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(call, NULL));
    CHECK(queue_readable(queue, 0));
    EXPECT_COMPLETION(queue, 1, ARMORIQ_ERR_CANCELLED, ARMORIQ_BLOCK, "\"message\"");
    CHECK(test_seconds() - start < test_patient(1000) / 1e3);
    CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(call, NULL));
    armoriq_call_free(call);
    armoriq_call_free(call);
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_call_cancel(call, &json));
    /* The waits between two looks are over, too. */
    service_json(service, "/delegation/del_2/status", 200, "{\"status\": \"pending\"}");
    CHECK_STATUS(ARMORIQ_OK,
                 armoriq_submit(NULL, sdk, queue, 2, "await_approval", "{\"delegation_id\": \"del_2\"}", &call, NULL));
    while (service_count(service, "/delegation/del_2/status") == 0) test_sleep_ms(1);
    CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(call, NULL));
    EXPECT_COMPLETION(queue, 2, ARMORIQ_ERR_CANCELLED, ARMORIQ_BLOCK, "cancelled");
    armoriq_call_free(call);
    answer();
    /* What has ended stays as it ended, and freeing a handle cancels nothing. */
    queue_check(local, queue, 3, &done);
    CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(done, NULL));
    armoriq_call_free(done);
    queue_check(sdk, queue, 4, &done);
    armoriq_call_free(done);
    EXPECT_COMPLETION(queue, 3, ARMORIQ_OK, ARMORIQ_ALLOW, "fetch");
    EXPECT_COMPLETION(queue, 4, ARMORIQ_OK, ARMORIQ_ALLOW, "fine");
    CHECK_EMPTY(queue);
    armoriq_queue_free(queue);
}

/* A deadline is for all that a call does, and an outage is a decision here as everywhere. */
static void keeps_deadlines(void)
{
    armoriq_queue *queue = queue_new(2);
    double start = test_seconds();
    stall();
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(sdk, queue, 1, "data__fetch", "{}", "{\"timeout_ms\": 100}", NULL, NULL));
    EXPECT_COMPLETION(queue, 1, ARMORIQ_OK, ARMORIQ_BLOCK, "\"cause\":\"unavailable\"");
    CHECK(test_seconds() - start < test_patient(2000) / 1e3);
    answer();
    armoriq_queue_free(queue);
}

/* Handles may be freed while their calls run; a call's own session and client stay with it. */
static void outlives_its_parents(void)
{
    armoriq_queue *queue = queue_new(2);
    armoriq_client *own = test_client(service->url, "");
    armoriq_session *session = test_session(own, "a@b.co", "{\"mode\": \"sdk\"}");
    test_plan(session, "[{\"name\": \"data__fetch\"}]");
    set_slow(100);
    queue_check(session, queue, 1, NULL);
    armoriq_session_free(session);
    armoriq_client_free(own);
    EXPECT_COMPLETION(queue, 1, ARMORIQ_OK, ARMORIQ_ALLOW, "fine");
    set_slow(0);
    armoriq_queue_free(queue);
}

static void *wait_for_any(void *argument)
{
    armoriq_queue *queue = argument;
    armoriq_completion completion;
    armoriq_status status;
    intptr_t taken = 0;
    while ((status = armoriq_queue_next(queue, UINT32_MAX, &completion, NULL)) == ARMORIQ_OK) {
        if (completion.verdict != ARMORIQ_ALLOW) test_fail(__FILE__, __LINE__, "verdict", completion.json);
        armoriq_string_free(completion.json);
        taken++;
    }
    CHECK_STATUS(ARMORIQ_ERR_INVALID_HANDLE, status);
    return (void *)taken;
}

/* Each completion goes to one of the threads that wait; freeing the queue sends them away. */
static void several_threads_wait(void)
{
    const int count = test_scaled(400) + 20;
    armoriq_queue *queue = queue_new((uint32_t)count);
    pthread_t threads[3];
    intptr_t taken = 0;
    int i;
    for (i = 0; i < 3; i++) REQUIRE(pthread_create(&threads[i], NULL, wait_for_any, queue) == 0);
    for (i = 0; i < count; i++) queue_check(i % 4 ? local : sdk, queue, 0, NULL);
    /* There is room for all again once all are fetched. */
    for (i = 0; i < count;) {
        armoriq_status status = armoriq_submit_check(local, queue, 0, "data__fetch", "{}", NULL, NULL, NULL);
        if (status == ARMORIQ_OK) {
            i++;
        } else {
            CHECK_STATUS(ARMORIQ_ERR_QUEUE_FULL, status);
            /* Under valgrind one thread runs at a time: the others are to have their turn. */
            test_sleep_ms(1);
        }
    }
    for (i = 0; i < 12000; i++) {
        if (!queue_readable(queue, 0) && service_count(service, "/iap/sdk/enforce") > (count + 3) / 4) break;
        test_sleep_ms(5);
    }
    test_sleep_ms(test_patient(200));
    armoriq_queue_free(queue);
    for (i = 0; i < 3; i++) {
        void *part;
        pthread_join(threads[i], &part);
        taken += (intptr_t)part;
    }
    CHECK(taken == 2 * count);
}

/* Freed with calls in flight and completions that nobody fetched. */
static void is_freed_in_the_middle(void)
{
    armoriq_queue *queue = queue_new(20);
    armoriq_call *call;
    armoriq_completion completion;
    int i;
    stall();
    for (i = 0; i < 10; i++) queue_check(i % 2 ? sdk : local, queue, 1, i == 1 ? &call : NULL);
    armoriq_queue_free(queue);
    armoriq_queue_free(queue);
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_queue_next(queue, 0, &completion, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_submit_check(local, queue, 1, "data__fetch", NULL, NULL, NULL, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(call, NULL));
    armoriq_call_free(call);
    answer();
}

/* Closing waits for calls that are in flight; what it gave up on completes with CLOSED. */
static void closes(void)
{
    armoriq_queue *queue = queue_new(8);
    armoriq_client *own = test_client(service->url, ", \"agent_id\": \"agent-1\"");
    armoriq_session *session = test_session(own, "a@b.co", "{\"mode\": \"sdk\"}");
    char *json = NULL;
    int i;
    test_plan(session, "[{\"name\": \"data__fetch\"}]");
    set_slow(100);
    queue_check(session, queue, 1, NULL);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(own, 60000, &json));
    CHECK_MEMBER(json, "pending", "0");
    armoriq_string_free(json);
    CHECK(queue_readable(queue, 0));
    EXPECT_COMPLETION(queue, 1, ARMORIQ_OK, ARMORIQ_ALLOW, "fine");
    CHECK_ERROR(ARMORIQ_ERR_CLOSED, armoriq_submit_check(session, queue, 2, "data__fetch", NULL, NULL, NULL, &json));
    CHECK_ERROR(ARMORIQ_ERR_CLOSED, armoriq_submit(own, NULL, queue, 2, "bootstrap", NULL, NULL, &json));
    CHECK_EMPTY(queue);
    armoriq_session_free(session);
    armoriq_client_free(own);
    set_slow(0);

    own = test_client(service->url, "");
    session = test_session(own, "a@b.co", "{\"mode\": \"sdk\"}");
    test_plan(session, "[{\"name\": \"data__fetch\"}]");
    stall();
    for (i = 0; i < 3; i++) queue_check(session, queue, 7, NULL);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(own, 50, &json));
    CHECK_MEMBER(json, "pending", "3");
    armoriq_string_free(json);
    for (i = 0; i < 3; i++) EXPECT_COMPLETION(queue, 7, ARMORIQ_ERR_CLOSED, ARMORIQ_BLOCK, "closed");
    CHECK_EMPTY(queue);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(own, 0, &json));
    CHECK_MEMBER(json, "pending", "0");
    armoriq_string_free(json);
    answer();
    armoriq_session_free(session);
    armoriq_client_free(own);
    armoriq_queue_free(queue);
}

int main(void)
{
    service = service_start();
    service->seen = take_time;
    answer();
    service_json(service, "/policy/bundles/current", 200, SERVICE_BUNDLE);
    service_json(service, "/iap/audit", 201, "{}");
    service_json(service, "/iap/sdk/bootstrap", 200, "{\"org\": {\"name\": \"o\"}}");
    service_json(service, "/delegation/del_1/status", 200, "{\"status\": \"rejected\"}");
    client = test_client(service->url, ", \"agent_id\": \"agent-1\", \"max_retries\": 0");
    sdk = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    local = test_session(client, "a@b.co", NULL);
    test_plan(sdk, "[{\"name\": \"data__fetch\"}]");
    test_plan(local, "[{\"name\": \"data__fetch\"}, {\"name\": \"data__drop\"}]");

    completes_in_order();
    completes_what_is_asked();
    is_full();
    waits_as_long_as_it_is_told();
    is_readable_while_completions_wait();
    cancels();
    keeps_deadlines();
    outlives_its_parents();
    several_threads_wait();
    is_freed_in_the_middle();
    closes();

    armoriq_session_free(sdk);
    armoriq_session_free(local);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
