/*
 * A service that is down costs nothing: its callers hardly any time, and the service hardly any requests. This program
 * has the time since boot in its hand, by which a pause ends.
 */
#include "clock.h"
#include "queue.h"

#define ENFORCE "/iap/sdk/enforce"
#define PLAN_STATUS "/iap/plans/p/status"

/* After so many calls in a row that failed, a service is left alone; for at most so many seconds. */
enum { FAULTS = 5, LONGEST_PAUSE = 30 };

static struct service *service;

static void down(void)
{
    service_set(service, ENFORCE, SERVICE_CLOSES, 0, "", "");
}

static void up(void)
{
    service_json(service, ENFORCE, 200, "{\"allowed\": true, \"reason\": \"fine\"}");
}

static void pass(int seconds)
{
    __sync_fetch_and_add(&seconds_ahead, seconds);
}

static armoriq_client *client_of(struct service *of, armoriq_session **session)
{
    armoriq_client *client = test_client(of->url, ", \"max_retries\": 0");
    *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    test_plan(*session, "[{\"name\": \"data__fetch\"}]");
    return client;
}

static void check_unavailable(armoriq_session *session)
{
    EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_BLOCK, NULL, "unavailable");
}

/* What a check costs that fails: of so many the time that one in a hundred exceeds, in milliseconds. */
static double slow_check(armoriq_session *session, int count)
{
    int *slower = calloc(10001, sizeof *slower), i, beyond = 0;
    REQUIRE(slower != NULL);
    for (i = 0; i < count; i++) {
        double start = test_seconds(), tenths;
        check_unavailable(session);
        tenths = (test_seconds() - start) * 1e4;
        slower[tenths < 10000 ? (int)tenths : 10000]++;
    }
    for (i = 10000; i > 0; i--) {
        beyond += slower[i];
        if (beyond * 100 > count) break;
    }
    free(slower);
    return (i + 1) / 10.0;
}

/* Five calls ask it, and then none. The limit is far above what a refusal takes: see docs/performance.md. */
static void is_left_alone(void)
{
    armoriq_session *session;
    armoriq_client *client = client_of(service, &session);
    armoriq_queue *queue = queue_new(1);
    const char *two = "[{\"tool\": \"data__fetch\"}, {\"tool\": \"data__fetch\"}]";
    armoriq_verdict strictest = ARMORIQ_ALLOW;
    char *json = NULL;
    int i;

    down();
    for (i = 0; i < FAULTS; i++) {
        CHECK(service_count(service, ENFORCE) == i);
        check_unavailable(session);
    }
    CHECK(slow_check(session, test_scaled(2000)) < test_patient(50));
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_check_batch(session, two, NULL, &strictest, &json));
    CHECK(strictest == ARMORIQ_BLOCK);
    CHECK_CONTAINS(json, "\"cause\":\"unavailable\"");
    CHECK_CONTAINS(json, "has been failing");
    armoriq_string_free(json);
    queue_check(session, queue, 1, NULL);
    EXPECT_COMPLETION(queue, 1, ARMORIQ_OK, ARMORIQ_BLOCK, "\"cause\":\"unavailable\"");
    CHECK_ERROR(ARMORIQ_ERR_SERVICE, armoriq_session_start_plan(session, "[{\"name\": \"data__other\"}]", NULL, &json));
    CHECK(service_count(service, ENFORCE) == FAULTS);
    armoriq_queue_free(queue);
    armoriq_session_free(session);
    armoriq_client_free(client);
}

/* The same where nobody listens any more. */
static void nobody_listens(void)
{
    struct service *gone = service_start();
    armoriq_session *session;
    armoriq_client *client = client_of(gone, &session);
    int i;
    service_stop(gone);
    for (i = 0; i < FAULTS; i++) check_unavailable(session);
    CHECK(slow_check(session, test_scaled(1000)) < test_patient(50));
    armoriq_session_free(session);
    armoriq_client_free(client);
    free(gone);
}

static void *check_once(void *session)
{
    check_unavailable(session);
    return NULL;
}

/* However many callers there are, each pause ends with one request. One that is answered brings the service back. */
static void one_probe_brings_it_back(void)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    armoriq_session *session;
    armoriq_client *client = client_of(service, &session);
    int i, pause;

    down();
    for (i = 0; i < FAULTS; i++) check_unavailable(session);
    for (pause = 1; pause <= 4; pause++) {
        pass(LONGEST_PAUSE);
        for (i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, check_once, session) == 0);
        for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        CHECK(service_count(service, ENFORCE) == FAULTS + pause);
    }
    up();
    check_unavailable(session);
    CHECK(service_count(service, ENFORCE) == 0);
    pass(LONGEST_PAUSE);
    for (i = 1; i <= 10; i++) {
        EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
        CHECK(service_count(service, ENFORCE) == i);
    }
    armoriq_session_free(session);
    armoriq_client_free(client);
}

/* Many clients of a service that comes back do not ask it all at once: no two pauses are of the same length. */
static void pauses_differ(void)
{
    enum { CLIENTS = 6 };
    char pauses[CLIENTS][32];
    int i, j, differ = 0;

    down();
    for (i = 0; i < CLIENTS; i++) {
        armoriq_session *session;
        armoriq_client *client = client_of(service, &session);
        armoriq_verdict verdict;
        const char *told;
        char *json;
        for (j = 0; j < FAULTS; j++) check_unavailable(session);
        json = DECIDE(session, "data__fetch", "{}", NULL, &verdict);
        told = strstr(json, "it is tried again in ");
        REQUIRE(told != NULL);
        snprintf(pauses[i], sizeof pauses[i], "%.20s", told + strlen("it is tried again in "));
        *strchr(pauses[i], ' ') = '\0';
        CHECK_CONTAINS(pauses[i], "ms");
        differ |= strcmp(pauses[i], pauses[0]) != 0;
        armoriq_string_free(json);
        armoriq_session_free(session);
        armoriq_client_free(client);
    }
    CHECK(differ);
}

/* Under load, with every call failing that would be sent up to four times: a tenth more requests than calls. */
static void retries_have_a_budget(void)
{
    enum { CALLS = 2000, RESERVE = 10 };
    const int calls = test_scaled(CALLS);
    armoriq_client *client = test_client(service->url, "");
    armoriq_queue *queue = queue_new(256);
    int submitted = 0, completed, requests;

    service_json(service, PLAN_STATUS, 500, "{}");
    for (completed = 0; completed < calls; completed++) {
        armoriq_completion completion;
        armoriq_status status = ARMORIQ_OK;
        while (submitted < calls && status == ARMORIQ_OK) {
            status = armoriq_submit(client, NULL, queue, 0, "complete_plan", "{\"plan_id\": \"p\"}", NULL, NULL);
            if (status == ARMORIQ_OK) submitted++;
            else CHECK_STATUS(ARMORIQ_ERR_QUEUE_FULL, status);
        }
        completion = queue_take(queue);
        CHECK_STATUS(ARMORIQ_OK, completion.status);
        CHECK_MEMBER(completion.json, "delivered", "false");
        armoriq_string_free(completion.json);
    }
    requests = service_count(service, PLAN_STATUS);
    CHECK(requests > calls && requests <= calls + calls / 10 + RESERVE);
    /* The reserve is of no account in so many. */
    CHECK(calls < CALLS || requests * 10 <= calls * 11);
    armoriq_queue_free(queue);
    armoriq_client_free(client);
}

int main(void)
{
    service = service_start();
    is_left_alone();
    nobody_listens();
    one_probe_brings_it_back();
    pauses_differ();
    retries_have_a_budget();
    service_stop(service);
    free(service);
    return test_result();
}
