/*
 * Every function with each of its pointers NULL, with text that is not UTF-8, with JSON that is broken or of the
 * wrong kind, and with options that it does not know: an error with a clear message, empty out parameters, no crash.
 */
#include "null_sweep.h"

static struct service *service;
static armoriq_client *client;
static armoriq_user_scope *scope;
static armoriq_session *session;

static void library(void)
{
    armoriq_string_free(NULL);
    armoriq_client_free(NULL);
    armoriq_user_scope_free(NULL);
    armoriq_session_free(NULL);
    armoriq_queue_free(NULL);
    armoriq_call_free(NULL);
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(3, NULL, NULL, NULL));
}

static void client_new(void)
{
    static const char *const wrong[] = {
        "{\"api_key\": 1}",
        "{\"api_key\": \"" TEST_KEY "\", \"timeout_ms\": \"30\"}",
        "{\"api_key\": \"" TEST_KEY "\", \"timeout_ms\": -1}",
        "{\"api_key\": \"" TEST_KEY "\", \"max_retries\": 1.5}",
        "{\"api_key\": \"" TEST_KEY "\", \"verify_ssl\": \"yes\"}",
        "{\"api_key\": \"" TEST_KEY "\", \"proxy_endpoints\": []}",
        "{\"api_key\": \"" TEST_KEY "\", \"mcp_credentials\": [1]}",
        "{\"api_key\": \"" TEST_KEY "\", \"observability\": {\"enabld\": true}}",
    };
    const char *good = "{\"api_key\": \"" TEST_KEY "\"}";
    armoriq_client *made;

    REFUSES_AND_EMPTIES(BAD_JSON, made, armoriq_client_new(ARMORIQ_ABI_VERSION, bad, &made, &json));
    REFUSES_AND_EMPTIES(NOT_AN_OBJECT, made, armoriq_client_new(ARMORIQ_ABI_VERSION, bad, &made, &json));
    REFUSES_AND_EMPTIES(wrong, made, armoriq_client_new(ARMORIQ_ABI_VERSION, bad, &made, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_client_new(ARMORIQ_ABI_VERSION, good, NULL, &json));
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_client_new(ARMORIQ_ABI_VERSION, good, NULL, NULL));
    /* NULL options are {}, and so without a key. */
    CHECK_ERROR(ARMORIQ_ERR_CONFIGURATION, armoriq_client_new(ARMORIQ_ABI_VERSION, NULL, &made, &json));
    NAMES_UNKNOWN("api_kee", armoriq_client_new(ARMORIQ_ABI_VERSION, "{\"api_kee\": 1}", &made, &json));

    made = NOT_SET;
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_client_from_config(ARMORIQ_ABI_VERSION, "\xff", &made, &json));
    CHECK(EMPTY(made));
    /* A NULL path is armoriq.yaml, which is not there. */
    made = NOT_SET;
    CHECK_ERROR(ARMORIQ_ERR_CONFIGURATION, armoriq_client_from_config(ARMORIQ_ABI_VERSION, NULL, &made, &json));
    CHECK(EMPTY(made));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_client_from_config(ARMORIQ_ABI_VERSION, NULL, NULL, &json));
}

static void client_methods(void)
{
    armoriq_user_scope *made;

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_client_set_api_key(NULL, TEST_KEY, &json));
    REFUSES(BAD_TEXT, armoriq_client_set_api_key(client, bad, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_set_api_key(client, TEST_KEY, NULL));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_client_info(NULL, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_info(client, NULL));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_client_close(NULL, 0, &json));

    made = NOT_SET;
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_for_user(NULL, "a@b.co", &made, &json));
    CHECK(EMPTY(made));
    REFUSES_AND_EMPTIES(BAD_TEXT, made, armoriq_for_user(client, bad, &made, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_for_user(client, "a@b.co", NULL, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_user_resolve(NULL, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_user_resolve(scope, NULL));
}

static void start_session(void)
{
    static const char *const wrong[] = {
        "{\"mode\": \"Local\"}",
        "{\"mode\": \"\"}",
        "{\"mode\": 1}",
        "{\"session_id\": \"no-uuid\"}",
        "{\"session_id\": \"11111111-1111-4111-8111-11111111111\"}",
        "{\"session_id\": \"11111111-1111-4111-8111-111111111111\\n\"}",
        "{\"session_id\": 7}",
        "{\"validity_seconds\": 0}",
        "{\"validity_seconds\": -1}",
        "{\"validity_seconds\": \"3600\"}",
        "{\"llm\": 5}",
        "{\"default_mcp_name\": []}",
        "{\"observability_enabled\": \"no\"}",
    };
    armoriq_session *made;

    made = NOT_SET;
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_client_start_session(NULL, NULL, &made, &json));
    CHECK(EMPTY(made));
    REFUSES_AND_EMPTIES(BAD_JSON, made, armoriq_client_start_session(client, bad, &made, &json));
    REFUSES_AND_EMPTIES(NOT_AN_OBJECT, made, armoriq_client_start_session(client, bad, &made, &json));
    REFUSES_AND_EMPTIES(wrong, made, armoriq_client_start_session(client, bad, &made, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_client_start_session(client, NULL, NULL, &json));
    NAMES_UNKNOWN("modus", armoriq_client_start_session(client, "{\"modus\": \"sdk\"}", &made, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_start_session(client, NULL, &made, NULL));
    armoriq_session_free(made);

    made = NOT_SET;
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_user_start_session(NULL, NULL, &made, &json));
    CHECK(EMPTY(made));
    REFUSES_AND_EMPTIES(BAD_JSON, made, armoriq_user_start_session(scope, bad, &made, &json));
    REFUSES_AND_EMPTIES(NOT_AN_OBJECT, made, armoriq_user_start_session(scope, bad, &made, &json));
    REFUSES_AND_EMPTIES(wrong, made, armoriq_user_start_session(scope, bad, &made, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_user_start_session(scope, NULL, NULL, &json));
    NAMES_UNKNOWN("modus", armoriq_user_start_session(scope, "{\"modus\": \"sdk\"}", &made, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_user_start_session(scope, NULL, &made, NULL));
    armoriq_session_free(made);
}

static void start_plan(void)
{
    static const char *const wrong[] = {
        "{}",
        "1",
        "\"a__b\"",
        "[]",
        "[1]",
        "[\"a__b\"]",
        "[{}]",
        "[{\"name\": 1}]",
        "[{\"name\": \"a__b\", \"args\": []}]",
        "[{\"name\": \"a__b\", \"args\": \"{}\"}]",
        "[{\"name\": \"a__b\", \"arguments\": {}}]",
        "[{\"name\": \"a__b\", \"action\": \"b\"}]",
        "[{\"action\": \"b\"}]",
        "[{\"action\": \"b\", \"mcp\": 1}]",
        "[{\"action\": \"b\", \"mcp\": \"a\", \"args\": {}}]",
        "[{\"name\": \"a__b\"}, {\"name\": \"unqualified\"}]",
        "[{\"name\": \"__b\"}]",
        "[{\"name\": \"\"}]",
    };
    const char *good = "[{\"name\": \"a__b\"}]";

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_start_plan(NULL, good, NULL, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_start_plan(session, NULL, NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_start_plan(session, bad, NULL, &json));
    REFUSES(wrong, armoriq_session_start_plan(session, bad, NULL, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_start_plan(session, good, "\xff", &json));
    NAMES_UNKNOWN("arguments", armoriq_session_start_plan(session, "[{\"name\": \"a__b\", \"arguments\": 1}]", 0, &json));
    CHECK(service_count(service, "/iap/sdk/token") == 0);
}

/* A check that cannot be asked gives BLOCK besides its status. */
#define REFUSES_CHECK(expected, call)                                                                                    \
    do {                                                                                                                 \
        armoriq_verdict verdict = 99;                                                                                    \
        CHECK_ERROR(expected, call);                                                                                     \
        CHECK(verdict == ARMORIQ_BLOCK);                                                                                 \
    } while (0)

static char *nested(int levels, char open, char close)
{
    char *text = malloc((size_t)levels * 2 + 16), *at;
    REQUIRE(text != NULL);
    at = text + sprintf(text, "{\"a\": ");
    memset(at, open, (size_t)levels - 1);
    memset(at + levels - 1, close, (size_t)levels - 1);
    strcpy(at + 2 * (levels - 1), "}");
    return text;
}

static void check_arguments(void)
{
    static const char *const wrong_options[] = {
        "{\"user_email\": 1}", "{\"timeout_ms\": \"1\"}", "{\"timeout_ms\": -1}", "{\"timeout_ms\": 1.5}",
        "{\"traceparent\": 1}",
    };
    const size_t limit = 16u << 20;
    char *text;

    REFUSES_CHECK(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_check(NULL, "a__b", "{}", NULL, &verdict, &json));
    REFUSES_CHECK(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_check(NULL, NULL, NULL, NULL, &verdict, &json));
    REFUSES(BAD_TEXT, armoriq_session_check(session, bad, "{}", NULL, NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_check(session, "a__b", bad, NULL, NULL, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_session_check(session, "a__b", bad, NULL, NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_check(session, "a__b", "{}", bad, NULL, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_session_check(session, "a__b", "{}", bad, NULL, &json));
    REFUSES(wrong_options, armoriq_session_check(session, "a__b", "{}", bad, NULL, &json));
    REFUSES_CHECK(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_check(session, NULL, "{}", NULL, &verdict, &json));
    REFUSES_CHECK(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_check(session, "a__b", "[]", NULL, &verdict, &json));
    REFUSES_CHECK(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_check(session, "a__b", "{}", "[]", &verdict, &json));
    NAMES_UNKNOWN("usr", armoriq_session_check(session, "a__b", "{}", "{\"usr\": 1}", NULL, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_check(session, "a__b", NULL, NULL, NULL, NULL));

    text = nested(128, '[', ']');
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_check(session, "a__b", text, NULL, NULL, NULL));
    free(text);
    text = nested(129, '[', ']');
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_check(session, "a__b", text, NULL, NULL, &json));
    free(text);
    text = nested(1000000, '[', ']');
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_check(session, "a__b", text, NULL, NULL, &json));
    free(text);

    text = malloc(limit + 2);
    REQUIRE(text != NULL);
    memset(text, ' ', limit + 1);
    memcpy(text, "{}", 2);
    text[limit + 1] = '\0';
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_check(session, "a__b", text, NULL, NULL, &json));
    text[limit] = '\0';
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_check(session, "a__b", text, NULL, NULL, NULL));
    free(text);
}

/* Before any plan every name is a decision, and none of them allows. */
static void check_before_a_plan(void)
{
    static const char *const names[] = {"a__b", "", "x", "__", "__x", "x__", "mcp__", "a b", "\xc3\xa9__\xc3\xa9"};
    size_t i;
    for (i = 0; i < COUNT(names); i++) {
        EXPECT(session, names[i], "{}", NULL, ARMORIQ_BLOCK, "No intent token \xe2\x80\x94 call start_plan() first",
               "plan");
    }
    CHECK(service_count(service, "/iap/sdk/enforce") == 0);
}

static void report(void)
{
    static const char *const wrong_options[] = {
        "{\"status\": 1}", "{\"duration_ms\": \"5\"}", "{\"is_delegated\": \"yes\"}", "{\"retry_count\": \"x\"}",
    };

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_report(NULL, "a__b", "{}", "{}", NULL, &json));
    REFUSES(BAD_TEXT, armoriq_session_report(session, bad, "{}", "{}", NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_report(session, "a__b", bad, "{}", NULL, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_session_report(session, "a__b", bad, "{}", NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_report(session, "a__b", "{}", bad, NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_report(session, "a__b", "{}", "{}", bad, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_session_report(session, "a__b", "{}", "{}", bad, &json));
    REFUSES(wrong_options, armoriq_session_report(session, "a__b", "{}", "{}", bad, &json));
    NAMES_UNKNOWN("statuz", armoriq_session_report(session, "a__b", "{}", "{}", "{\"statuz\": \"x\"}", &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_report(session, "unqualified", "{}", "{}", NULL, &json));
    CHECK(service_count(service, "/iap/audit") == 0);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_report(session, "a__b", NULL, NULL, NULL, NULL));
    CHECK(service_count(service, "/iap/audit") == 1);
}

static void dispatch(void)
{
    static const char *const wrong_options[] = {
        "{\"timeout_ms\": \"1\"}", "{\"timeout_ms\": 0}", "{\"user_email\": 1}", "{\"traceparent\": \"00\"}",
    };

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_dispatch(NULL, "a__b", "{}", NULL, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_STATE, armoriq_session_dispatch(session, "a__b", NULL, NULL, &json));
    CHECK_STATUS(ARMORIQ_ERR_INVALID_STATE, armoriq_session_dispatch(session, "a__b", NULL, NULL, NULL));
    REFUSES(BAD_TEXT, armoriq_session_dispatch(session, bad, "{}", NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_dispatch(session, "a__b", bad, NULL, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_session_dispatch(session, "a__b", bad, NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_dispatch(session, "a__b", "{}", bad, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_session_dispatch(session, "a__b", "{}", bad, &json));
    REFUSES(wrong_options, armoriq_session_dispatch(session, "a__b", "{}", bad, &json));
    NAMES_UNKNOWN("timeout", armoriq_session_dispatch(session, "a__b", "{}", "{\"timeout\": 1}", &json));
}

/* A token that may be shown, as a parameter. */
static void rest_of_the_session(void)
{
    static const char *const wrong_options[] = {
        "{\"timeout_ms\": \"1\"}", "{\"timeout_ms\": -1}", "{\"interval_ms\": 0.5}", "{\"user_email\": 1}",
    };

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_await_approval(NULL, "del_1", NULL, &json));
    REFUSES(BAD_TEXT, armoriq_session_await_approval(session, bad, NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_await_approval(session, "del_1", bad, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_session_await_approval(session, "del_1", bad, &json));
    REFUSES(wrong_options, armoriq_session_await_approval(session, "del_1", bad, &json));
    NAMES_UNKNOWN("timeout", armoriq_session_await_approval(session, "del_1", "{\"timeout\": 1}", &json));
    CHECK(service_count(service, "/delegation/del_1/status") == 0);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_await_approval(session, "del_1", "{\"timeout_ms\": 1}", NULL));

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_reset(NULL, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_reset(session, NULL));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_info(NULL, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_info(session, NULL));
}

static void tools_of_the_session(void)
{
    static const char *const not_a_list[] = {"{}", "1", "true", "null", "\"text\"", "[7]", "[{}]", "[\"\"]"};

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_tools(NULL, "[]", &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_tools(session, NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_tools(session, bad, &json));
    REFUSES(not_a_list, armoriq_session_tools(session, bad, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_tools(session, "[\"t\"]", NULL));
}

static void check_batch(void)
{
    armoriq_verdict strictest = ARMORIQ_ALLOW;

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_check_batch(NULL, "[]", NULL, &strictest, &json));
    CHECK(strictest == ARMORIQ_BLOCK);
    strictest = ARMORIQ_ALLOW;
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_check_batch(session, NULL, NULL, &strictest, &json));
    CHECK(strictest == ARMORIQ_BLOCK);
    REFUSES(BAD_JSON, armoriq_session_check_batch(session, bad, NULL, NULL, &json));
    REFUSES(BAD_JSON, armoriq_session_check_batch(session, "[{\"tool\": \"a__b\"}]", bad, NULL, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_check_batch(session, "[{\"tool\": \"a__b\"}]", NULL, NULL, NULL));
}

static void policy_evaluate(void)
{
    const char *call = "{\"tool\": \"t\", \"arguments\": {}, \"timestamp\": \"2026-01-01T00:00:00Z\"}";

    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_evaluate(NULL, "{}", &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_evaluate(call, NULL, &json));
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_evaluate(NULL, NULL, NULL));
    REFUSES(BAD_JSON, armoriq_policy_evaluate(bad, "{}", &json));
    REFUSES(BAD_JSON, armoriq_policy_evaluate(call, bad, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_policy_evaluate(bad, "{}", &json));
    REFUSES(NOT_AN_OBJECT, armoriq_policy_evaluate(call, bad, &json));
}

static void policy_explain(void)
{
    const char *call = "{\"tool\": \"t\", \"arguments\": {}, \"timestamp\": \"2026-01-01T00:00:00Z\"}";

    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_explain(NULL, "{}", &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_explain(call, NULL, &json));
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_explain(NULL, NULL, NULL));
    REFUSES(BAD_JSON, armoriq_policy_explain(bad, "{}", &json));
    REFUSES(BAD_JSON, armoriq_policy_explain(call, bad, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_policy_explain(bad, "{}", &json));
    REFUSES(NOT_AN_OBJECT, armoriq_policy_explain(call, bad, &json));
}

static void policy_check(void)
{
    static const char *const not_a_list[] = {"{}", "1", "true", "null", "\"text\""};

    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_check(NULL, NULL, &json));
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_check(NULL, NULL, NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_policy_check("{}", NULL, NULL));
    REFUSES(BAD_JSON, armoriq_policy_check(bad, NULL, &json));
    REFUSES(BAD_JSON, armoriq_policy_check("{}", bad, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_policy_check(bad, NULL, &json));
    REFUSES(not_a_list, armoriq_policy_check("{}", bad, &json));
}

static void close_last(void)
{
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 100, NULL));
}

int main(void)
{
    service = service_start();
    service_json(service, "/iap/sdk/token", 201, SERVICE_TOKEN);
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true}");
    service_json(service, "/iap/sdk/resolve-user", 200, "{\"user\": {}}");
    service_json(service, "/iap/audit", 201, "{}");
    service_json(service, "/invoke", 200, "{\"result\": null}");
    service_json(service, "/delegation/del_1/status", 200, "{\"status\": \"pending\"}");
    client = test_client(service->url, "");
    CHECK_STATUS(ARMORIQ_OK, armoriq_for_user(client, "a@b.co", &scope, NULL));
    session = test_session(client, NULL, "{\"mode\": \"sdk\"}");

    library();
    client_new();
    client_methods();
    start_session();
    start_plan();
    check_arguments();
    check_before_a_plan();
    dispatch();
    report();
    rest_of_the_session();
    tools_of_the_session();
    check_batch();
    policy_evaluate();
    policy_explain();
    policy_check();
    close_last();

    armoriq_session_free(session);
    armoriq_user_scope_free(scope);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
