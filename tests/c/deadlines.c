/*
 * Nothing waits for longer than it may: a limit is for the whole call, with its retries, a cancelled call ends at once,
 * and closing a client waits as long as it is told and says what is left.
 */
#include "client_methods.h"
#include "queue.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ENFORCE "/iap/sdk/enforce"
#define STATUS "/delegation/d/status"
#define MARK "/delegation/mark-executed"
#define CHECKED "data__fetch", "{}", "{\"timeout_ms\": " LIMIT "}"

/* In milliseconds. No request is taken for a hurry, and no retry fits in but where it is meant to. */
#define LIMIT "300"
enum { LIMIT_MS = 300 };

static const char *const PLAN = "[{\"name\": \"data__fetch\"}]";

static struct service *service;
static armoriq_client *client;
static armoriq_session *sdk, *proxy;

/* Each of what is tried has a client of its own: the breaker of one is none of the other's business. */
static void open_client(const char *options)
{
    service->otherwise = SERVICE_ANSWERS;
    service_json(service, "/iap/sdk/token", 201, SERVICE_TOKEN);
    client = test_client(service->url, options);
    sdk = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    proxy = test_session(client, "a@b.co", "{\"mode\": \"proxy\"}");
    test_plan(sdk, PLAN);
    test_plan(proxy, PLAN);
}

static void close_client(void)
{
    armoriq_session_free(sdk);
    armoriq_session_free(proxy);
    armoriq_client_free(client);
}

/* --- Every function that takes a limit ---------------------------------------------------------------------------- */

static armoriq_status check_sdk(char **json)
{
    return armoriq_session_check(sdk, CHECKED, NULL, json);
}

static armoriq_status check_proxy(char **json)
{
    return armoriq_session_check(proxy, CHECKED, NULL, json);
}

static armoriq_status check_batch(char **json)
{
    const char *calls = "[{\"tool\": \"data__fetch\"}, {\"tool\": \"data__fetch\"}, {\"tool\": \"data__fetch\"}]";
    return armoriq_session_check_batch(sdk, calls, "{\"timeout_ms\": " LIMIT "}", NULL, json);
}

static armoriq_status dispatch(char **json)
{
    return armoriq_session_dispatch(proxy, CHECKED, json);
}

static armoriq_status await_approval(char **json)
{
    return armoriq_session_await_approval(sdk, "d", "{\"timeout_ms\": " LIMIT ", \"interval_ms\": 20}", json);
}

static armoriq_status invoke(char **json)
{
    return armoriq_client_invoke(client, "{" CALL ", \"timeout_ms\": " LIMIT "}", json);
}

static armoriq_status initialize_stream(char **json)
{
    return armoriq_client_initialize_usage_stream(client, "{\"timeout_ms\": " LIMIT "}", json);
}

static armoriq_status reset_stream(char **json)
{
    const char *params = "{\"generation\": " ID ", \"reset_id\": " ID ", \"timeout_ms\": " LIMIT "}";
    return armoriq_client_reset_usage_stream(client, params, json);
}

static armoriq_status record_batch(char **json)
{
    return armoriq_client_record_token_usage_batch(client, "{" BATCH ", \"timeout_ms\": " LIMIT "}", json);
}

static armoriq_status report_run(char **json)
{
    const char *params = "{\"run_id\": " ID ", \"report\": {}, \"timeout_ms\": " LIMIT "}";
    return armoriq_client_report_usage_run(client, params, json);
}

/* A function with a limit, and what it says where no answer comes: a status, or a result with this in it. */
static const struct limited {
    const char *name;
    armoriq_status (*call)(char **json);
    armoriq_status status;
    const char *says;
} LIMITED[] = {
    {"check, sdk", check_sdk, ARMORIQ_OK, "\"cause\":\"unavailable\""},
    {"check, proxy", check_proxy, ARMORIQ_OK, "\"cause\":\"unavailable\""},
    {"check_batch", check_batch, ARMORIQ_OK, "\"cause\":\"unavailable\""},
    {"dispatch", dispatch, ARMORIQ_ERR_TIMEOUT, ""},
    {"await_approval", await_approval, ARMORIQ_OK, "{\"status\":\"timeout\"}"},
    {"invoke", invoke, ARMORIQ_ERR_TIMEOUT, ""},
    {"initialize_usage_stream", initialize_stream, ARMORIQ_OK, "\"ok\":false"},
    {"reset_usage_stream", reset_stream, ARMORIQ_OK, "\"ok\":false"},
    {"record_token_usage_batch", record_batch, ARMORIQ_OK, "\"ok\":false"},
    {"report_usage_run", report_run, ARMORIQ_OK, "\"ok\":false"},
};

/* How long a call took must be within its limit; at least that long where nothing but the limit ends it. */
static void took(const char *what, double start, int least, int most)
{
    double milliseconds = (test_seconds() - start) * 1000;
    char detail[64];
    if (milliseconds >= least - 1 && milliseconds < most + test_patient(1500)) return;
    snprintf(detail, sizeof detail, "%.0f ms", milliseconds);
    test_fail(__FILE__, __LINE__, what, detail);
}

static void the_limit_of_a_call_holds(void)
{
    static const enum service_kind kinds[] = {SERVICE_STALLS, SERVICE_TRICKLES, SERVICE_CLOSES};
    size_t kind, i;
    for (kind = 0; kind < COUNT(kinds); kind++) {
        for (i = 0; i < COUNT(LIMITED); i++) {
            const struct limited *limited = &LIMITED[i];
            char *json = NULL;
            double start;
            armoriq_status status;
            open_client("");
            service->otherwise = kinds[kind];
            start = test_seconds();
            status = limited->call(&json);
            took(limited->name, start, kinds[kind] == SERVICE_CLOSES ? 0 : LIMIT_MS, LIMIT_MS);
            if (kinds[kind] != SERVICE_CLOSES) {
                test_status(__FILE__, __LINE__, limited->name, limited->status, status);
                CHECK_CONTAINS(json, limited->says);
            }
            armoriq_string_free(json);
            close_client();
        }
    }
}

/* An approval is used with retries, one second after the first attempt and two after the next: the limit ends them. */
static void the_limit_is_for_the_retries_too(void)
{
    double start;
    open_client("");
    service_json(service, ENFORCE, 200, "{\"allowed\": false, \"enforcementAction\": \"hold\"}");
    service_json(service, "/delegation/check-approved", 200, "{\"approved\": true, \"delegationId\": \"d\"}");
    service_json(service, STATUS, 200, "{\"status\": \"approved\"}");
    service_json(service, MARK, 500, "{}");
    start = test_seconds();
    EXPECT(sdk, "data__fetch", "{}", "{\"timeout_ms\": 2500}", ARMORIQ_HOLD, NULL, NULL);
    took("check", start, 1000, 2500);
    CHECK(service_count(service, MARK) == 2);

    service_set(service, MARK, SERVICE_STALLS, 200, "", "");
    start = test_seconds();
    EXPECT(sdk, "data__fetch", "{}", "{\"timeout_ms\": " LIMIT "}", ARMORIQ_BLOCK, NULL, "unavailable");
    took("check", start, LIMIT_MS, LIMIT_MS);
    /* What was approved has two seconds more. */
    start = test_seconds();
    CHECK_ERROR(ARMORIQ_ERR_TIMEOUT, await_approval(&json));
    took("await_approval", start, 2000, LIMIT_MS + 2000);
    close_client();
}

/* A service that asks for patience gets none beyond the limit. */
static void no_service_prolongs_a_limit(void)
{
    double start;
    open_client("");
    service_json(service, ENFORCE, 200, "{\"allowed\": false, \"enforcementAction\": \"hold\"}");
    service_json(service, "/delegation/check-approved", 200, "{\"approved\": true, \"delegationId\": \"d\"}");
    service_set(service, MARK, SERVICE_ANSWERS, 429, "Retry-After: 20\r\n", "{}");
    start = test_seconds();
    EXPECT(sdk, "data__fetch", "{}", "{\"timeout_ms\": 1000}", ARMORIQ_HOLD, NULL, NULL);
    took("check", start, 0, 1000);
    CHECK(service_count(service, MARK) == 1);
    close_client();
}

static void a_wait_for_approval_ends(void)
{
    char params[2048];
    double start;
    open_client("");
    service_json(service, "/invoke", 202, "{\"enforcementAction\": \"hold\"}");
    service_json(service, "/delegation/request", 201, "{\"delegationId\": \"d\", \"status\": \"pending\"}");
    service_json(service, STATUS, 200, "{\"status\": \"pending\"}");
    snprintf(params, sizeof params,
             "{" CALL ", \"options\": {\"wait_for_approval\": true, \"delegation_timeout_ms\": " LIMIT
             ", \"user_email\": \"a@b.co\"}}");
    start = test_seconds();
    CHECK_ERROR(ARMORIQ_ERR_DELEGATION, armoriq_client_invoke_with_policy(client, params, &json));
    took("invoke_with_policy", start, LIMIT_MS, LIMIT_MS);
    close_client();
    service_json(service, "/invoke", 200, "{\"result\": 1}");
}

/* --- Every function that has the client's limit ------------------------------------------------------------------- */

/* The client's limit is for one request: a function makes a few at the most. */
static void the_limit_of_the_client_holds(void)
{
    size_t i;
    open_client(", \"timeout_ms\": 90, \"max_retries\": 0");
    service_set(service, "/iap/sdk/token", SERVICE_STALLS, 201, "", "");
    service->otherwise = SERVICE_STALLS;
    for (i = 0; i < COUNT(METHODS); i++) {
        double start = test_seconds();
        char *json = NULL;
        (void)!METHODS[i].call(client, METHODS[i].good, &json);
        CHECK(json != NULL);
        took(METHODS[i].name, start, 0, 3 * 90);
        armoriq_string_free(json);
    }
    close_client();
}

static void wait_for_request(int before)
{
    double start = test_seconds();
    while (service_requests(service) == before && test_seconds() - start < 1) test_sleep_ms(1);
}

/* Whatever a submitted call waits for: the completion is there when the cancel returns. */
static void whatever_is_cancelled_ends_at_once(void)
{
    armoriq_queue *queue = queue_new(1);
    int cancelled = 0;
    size_t i;
    service_set(service, "/iap/sdk/token", SERVICE_STALLS, 201, "", "");
    for (i = 0; i < COUNT(METHODS); i++) {
        armoriq_client *own = test_client(service->url, "");
        armoriq_completion completion;
        armoriq_call *call = NULL;
        int requests = service_requests(service);
        /* Half of them in a request, the others in the wait for their retry, where they have one. */
        service->otherwise = i % 2 ? SERVICE_STALLS : SERVICE_CLOSES;
        CHECK_STATUS(ARMORIQ_OK, armoriq_submit(own, NULL, queue, i, METHODS[i].name, METHODS[i].good, &call, NULL));
        wait_for_request(requests);
        CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(call, NULL));
        if (!queue_readable(queue, 0)) test_fail(__FILE__, __LINE__, "not at once", METHODS[i].name);
        completion = queue_take(queue);
        CHECK(completion.user_data == i && completion.verdict == ARMORIQ_BLOCK);
        cancelled += completion.status == ARMORIQ_ERR_CANCELLED;
        armoriq_string_free(completion.json);
        armoriq_call_free(call);
        armoriq_client_free(own);
    }
    /* Some never ask, or have their answer. */
    CHECK(cancelled >= (int)COUNT(METHODS) / 3);
    armoriq_queue_free(queue);
}

/* The first retry would come after a second. */
static void what_is_cancelled_is_not_tried_again(void)
{
    armoriq_client *own = test_client(service->url, "");
    armoriq_queue *queue = queue_new(1);
    armoriq_call *call = NULL;
    int requests = service_requests(service);
    service->otherwise = SERVICE_CLOSES;
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit(own, NULL, queue, 1, "complete_plan", "{\"plan_id\": \"p\"}", &call, NULL));
    wait_for_request(requests);
    CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(call, NULL));
    EXPECT_COMPLETION(queue, 1, ARMORIQ_ERR_CANCELLED, ARMORIQ_BLOCK, "cancelled");
    requests = service_requests(service);
    CHECK(requests > 0);
    test_sleep_ms(1300);
    CHECK(service_requests(service) == requests);
    armoriq_call_free(call);
    armoriq_queue_free(queue);
    armoriq_client_free(own);
}

/* --- Closing ------------------------------------------------------------------------------------------------------ */

static void *check_for_a_second(void *session)
{
    EXPECT(session, "data__fetch", "{}", "{\"timeout_ms\": 1000}", ARMORIQ_BLOCK, NULL, "unavailable");
    return NULL;
}

/* Calls that block and submitted ones, of which closing counts all and ends the latter. */
static void closing_says_what_is_left(void)
{
    enum { BLOCKING = 2, SUBMITTED = 3 };
    armoriq_queue *queue = queue_new(SUBMITTED);
    pthread_t threads[BLOCKING];
    char *json = NULL;
    double start;
    int i;
    open_client("");
    service_set(service, ENFORCE, SERVICE_STALLS, 200, "", "");
    for (i = 0; i < BLOCKING; i++) REQUIRE(pthread_create(&threads[i], NULL, check_for_a_second, sdk) == 0);
    for (i = 0; i < SUBMITTED; i++) queue_check(sdk, queue, 1, NULL);
    while (service_count(service, ENFORCE) < BLOCKING + SUBMITTED) test_sleep_ms(1);

    start = test_seconds();
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 100, &json));
    took("close", start, 100, 100);
    CHECK_MEMBER(json, "pending", "5");
    armoriq_string_free(json);
    for (i = 0; i < SUBMITTED; i++) EXPECT_COMPLETION(queue, 1, ARMORIQ_ERR_CLOSED, ARMORIQ_BLOCK, "closed");
    /* The blocking ones end by their own limit, and the second close with the last of them. */
    start = test_seconds();
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 60000, &json));
    took("close", start, 0, 1000);
    CHECK_MEMBER(json, "pending", "0");
    armoriq_string_free(json);
    for (i = 0; i < BLOCKING; i++) pthread_join(threads[i], NULL);
    armoriq_queue_free(queue);
    close_client();
}

int main(void)
{
    service = service_start();
    the_limit_of_a_call_holds();
    the_limit_of_the_client_holds();
    whatever_is_cancelled_ends_at_once();
    what_is_cancelled_is_not_tried_again();
    the_limit_is_for_the_retries_too();
    no_service_prolongs_a_limit();
    a_wait_for_approval_ends();
    closing_says_what_is_left();
    service_stop(service);
    free(service);
    return test_result();
}
