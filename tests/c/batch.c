/* Several checks in one crossing: each decision is the single check's, in order, whatever the mode. */
#include "service.h"

enum { CALLS = 24 };

static const char *const TOOLS[] = {"data__fetch", "data__drop", "data__none", "not a name", ""};
enum { TOOL_COUNT = sizeof TOOLS / sizeof *TOOLS };

/* How many questions the service has at the same time, and at the most so far. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int at_once, most_at_once;

static void seen(const char *request)
{
    if (!strstr(request, "/iap/sdk/enforce")) return;
    pthread_mutex_lock(&lock);
    if (++at_once > most_at_once) most_at_once = at_once;
    pthread_mutex_unlock(&lock);
    test_sleep_ms(20);
    pthread_mutex_lock(&lock);
    at_once--;
    pthread_mutex_unlock(&lock);
}

/* The batch of all tools, and after it each of them alone: the texts must be the same. */
static void same_as_single(armoriq_session *session, armoriq_verdict expected)
{
    char calls[512] = "[", all[8192] = "[", *json = NULL;
    armoriq_verdict strictest = ARMORIQ_ALLOW, verdict;
    int i;
    for (i = 0; i < TOOL_COUNT; i++) {
        sprintf(calls + strlen(calls), "%s{\"tool\": \"%s\"%s}", i ? ", " : "", TOOLS[i], i % 2 ? ", \"args\": {\"n\": 1}" : "");
        CHECK_STATUS(ARMORIQ_OK, armoriq_session_check(session, TOOLS[i], i % 2 ? "{\"n\": 1}" : NULL, NULL, &verdict, &json));
        sprintf(all + strlen(all), "%s%s", i ? "," : "", json);
        armoriq_string_free(json);
    }
    strcat(calls, "]");
    strcat(all, "]");
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_check_batch(session, calls, NULL, &strictest, &json));
    CHECK(strictest == expected);
    CHECK(strcmp(json, all) == 0);
    armoriq_string_free(json);
}

static void refuses(armoriq_session *session, const char *calls, const char *options, const char *message)
{
    armoriq_verdict strictest = ARMORIQ_ALLOW;
    char *json = NULL;
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_check_batch(session, calls, options, &strictest, &json));
    CHECK(strictest == ARMORIQ_BLOCK);
    CHECK_CONTAINS(json, message);
    armoriq_string_free(json);
}

static void refuses_what_is_no_batch(armoriq_session *session)
{
    char *many = malloc(1001 * 16 + 3);
    int i;
    REQUIRE(many != NULL);
    strcpy(many, "[");
    for (i = 0; i <= 1000; i++) strcat(many, i ? ",{\"tool\":\"a__b\"}" : "{\"tool\":\"a__b\"}");
    strcat(many, "]");
    refuses(session, many, NULL, "not 1001");
    free(many);
    refuses(session, NULL, NULL, "calls is NULL");
    refuses(session, "[]", NULL, "not 0");
    refuses(session, "{}", NULL, "expected a JSON list");
    refuses(session, "[1]", NULL, "calls[0]: expected an object");
    refuses(session, "[{\"tool\": \"a__b\"}, {}]", NULL, "calls[1]: tool is missing");
    refuses(session, "[{\"tool\": 1}]", NULL, "calls[0]: tool: expected a string");
    refuses(session, "[{\"tool\": \"a__b\", \"args\": []}]", NULL, "calls[0]: args: expected a JSON object");
    refuses(session, "[{\"tool\": \"a__b\", \"name\": 1}]", NULL, "neither tool nor args");
    refuses(session, "[{\"tool\": \"a__b\", \"args\": {\"x\": 1, \"x\": 2}}]", NULL, "duplicate key");
    refuses(session, "[{\"tool\": \"a__b\"}]", "{\"timeout\": 1}", "timeout_ms");
}

/* Every question is its own, and up to eight are on their way together. */
static void asks_at_once(struct service *service, armoriq_session *session)
{
    char calls[CALLS * 64] = "[", *json = NULL;
    armoriq_verdict strictest = ARMORIQ_BLOCK;
    int i;
    for (i = 0; i < CALLS; i++)
        sprintf(calls + strlen(calls), "%s{\"tool\": \"data__fetch\", \"args\": {\"n\": %d}}", i ? "," : "", i);
    strcat(calls, "]");
    service->seen = seen;
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"reason\": \"fine\"}");
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_check_batch(session, calls, NULL, &strictest, &json));
    CHECK(strictest == ARMORIQ_ALLOW);
    armoriq_string_free(json);
    CHECK(service_count(service, "/iap/sdk/enforce") == CALLS);
    CHECK(most_at_once == 8);
    service->seen = NULL;
}

/* One limit for all: what is not answered by then is blocked, and the rest is not. */
static void has_one_limit(struct service *service, armoriq_session *session)
{
    armoriq_verdict strictest = ARMORIQ_ALLOW;
    char *json = NULL;
    service_set(service, "/iap/sdk/enforce", SERVICE_STALLS, 200, "", "");
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_check_batch(session, "[{\"tool\": \"data__fetch\"}, {\"tool\": \"data__none\"}]",
                                                         "{\"timeout_ms\": 100}", &strictest, &json));
    CHECK(strictest == ARMORIQ_BLOCK);
    CHECK_CONTAINS(json, "\"cause\":\"unavailable\"");
    CHECK_CONTAINS(json, "\"cause\":\"plan\"");
    armoriq_string_free(json);
}

int main(void)
{
    struct service *service = service_start();
    armoriq_client *client = test_client(service->url, ", \"agent_id\": \"agent-1\"");
    armoriq_session *local = test_session(client, "a@b.co", NULL);
    armoriq_session *sdk = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    const char *plan = "[{\"name\": \"data__fetch\"}, {\"name\": \"data__drop\"}]";
    armoriq_verdict strictest = ARMORIQ_BLOCK;
    char *json = NULL;

    service_json(service, "/policy/bundles/current", 200, SERVICE_BUNDLE);
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"reason\": \"fine\"}");
    same_as_single(local, ARMORIQ_BLOCK);
    test_plan(local, plan);
    test_plan(sdk, plan);
    same_as_single(local, ARMORIQ_BLOCK);
    same_as_single(sdk, ARMORIQ_BLOCK);
    refuses_what_is_no_batch(local);
    refuses_what_is_no_batch(sdk);

    CHECK_STATUS(ARMORIQ_OK, armoriq_session_check_batch(local, "[{\"tool\": \"data__fetch\"}]", NULL, &strictest, NULL));
    CHECK(strictest == ARMORIQ_ALLOW);
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": false, \"enforcementAction\": \"hold\"}");
    service_json(service, "/delegation/request", 201, "{\"delegationId\": \"del-1\", \"status\": \"pending\"}");
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_check_batch(sdk, "[{\"tool\": \"data__fetch\"}]", NULL, &strictest, &json));
    CHECK(strictest == ARMORIQ_HOLD);
    CHECK_CONTAINS(json, "\"delegation_id\":\"del-1\"");
    armoriq_string_free(json);

    asks_at_once(service, sdk);
    has_one_limit(service, sdk);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 0, NULL));
    CHECK_STATUS(ARMORIQ_ERR_CLOSED, armoriq_session_check_batch(local, "[{\"tool\": \"data__fetch\"}]", NULL, &strictest, NULL));
    CHECK(strictest == ARMORIQ_BLOCK);

    armoriq_session_free(local);
    armoriq_session_free(sdk);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
