/* After fork() a child has the queue for itself: its own descriptor and its own calls. The parent's stay the parent's. */
#include "fork.h"
#include "queue.h"

static struct service *service;
static armoriq_client *client;
static armoriq_session *sdk, *local;
static armoriq_queue *queue;

/* Answers to checks of "data__slow" take their time. */
static void take_time(const char *request)
{
    if (strstr(request, "\"data__slow\"")) test_sleep_ms(300);
}

static void submit_slow(uint64_t user_data, armoriq_call **call)
{
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(sdk, queue, user_data, "data__slow", "{}", NULL, call, NULL));
}

/* Submits and fetches, beside other threads that do the same with the same number. */
static void use_queue(uint64_t user_data)
{
    queue_check(sdk, queue, user_data, NULL);
    queue_check(local, queue, user_data, NULL);
    EXPECT_COMPLETION(queue, user_data, ARMORIQ_OK, ARMORIQ_ALLOW, "\"allowed\":true");
    EXPECT_COMPLETION(queue, user_data, ARMORIQ_OK, ARMORIQ_ALLOW, "\"allowed\":true");
}

static void fork_with_calls_in_flight(void)
{
    enum { CALLS = 4 };
    int64_t descriptor = armoriq_queue_fd(queue);
    armoriq_call *calls[CALLS];
    armoriq_completion completion;
    pid_t child;
    int i;
    for (i = 0; i < CALLS; i++) submit_slow(100, &calls[i]);
    /* One that is there and not fetched. */
    queue_check(local, queue, 101, NULL);
    child = test_fork();
    if (child == 0) {
        CHECK(armoriq_queue_fd(queue) >= 0 && armoriq_queue_fd(queue) != descriptor);
        CHECK_EMPTY(queue);
        /* They are not the child's to cancel. */
        for (i = 0; i < CALLS; i++) {
            CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(calls[i], NULL));
            armoriq_call_free(calls[i]);
        }
        use_queue(200);
        CHECK(!queue_readable(queue, 0));
        /* Nothing of the parent's ever comes, and closing does not wait for it. */
        CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(queue, 500, &completion, NULL));
        {
            char *json = NULL;
            CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 0, &json));
            CHECK_MEMBER(json, "pending", "0");
            armoriq_string_free(json);
        }
        armoriq_queue_free(queue);
        armoriq_session_free(sdk);
        armoriq_session_free(local);
        armoriq_client_free(client);
        test_leave();
    }
    EXPECT_COMPLETION(queue, 101, ARMORIQ_OK, ARMORIQ_ALLOW, "fetch");
    for (i = 0; i < CALLS; i++) {
        EXPECT_COMPLETION(queue, 100, ARMORIQ_OK, ARMORIQ_ALLOW, "fine");
        armoriq_call_free(calls[i]);
    }
    test_wait(child);
    CHECK(armoriq_queue_fd(queue) == descriptor);
    CHECK_EMPTY(queue);
    use_queue(102);
}

/* A child that frees all it has and never used any of it. */
static void fork_and_free(void)
{
    pid_t child;
    submit_slow(100, NULL);
    child = test_fork();
    if (child == 0) {
        armoriq_queue_free(queue);
        armoriq_session_free(sdk);
        armoriq_session_free(local);
        armoriq_client_free(client);
        test_leave();
    }
    test_wait(child);
    EXPECT_COMPLETION(queue, 100, ARMORIQ_OK, ARMORIQ_ALLOW, "fine");
    use_queue(101);
}

static void keep_busy(void)
{
    use_queue(7);
}

static void fork_once(void)
{
    pid_t child = test_fork();
    if (child == 0) {
        CHECK(!queue_readable(queue, 0));
        use_queue(8);
        CHECK_EMPTY(queue);
        test_leave();
    }
    test_wait(child);
}

int main(void)
{
    service = service_start();
    service->seen = take_time;
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"reason\": \"fine\"}");
    service_json(service, "/policy/bundles/current", 200, SERVICE_BUNDLE);
    client = test_client(service->url, ", \"agent_id\": \"agent-1\"");
    sdk = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    local = test_session(client, "a@b.co", NULL);
    queue = queue_new(100);
    test_plan(sdk, "[{\"name\": \"data__fetch\"}, {\"name\": \"data__slow\"}]");
    test_plan(local, "[{\"name\": \"data__fetch\"}]");

    fork_with_calls_in_flight();
    fork_and_free();
    fork_while_busy(keep_busy, fork_once, 20);
    CHECK_EMPTY(queue);

    armoriq_queue_free(queue);
    armoriq_session_free(sdk);
    armoriq_session_free(local);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
