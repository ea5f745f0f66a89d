/*
 * Every function with each of its pointers NULL, with text that is not UTF-8, with JSON that is broken or of the
 * wrong kind, and with options that it does not know: an error with a clear message, empty out parameters, no crash.
 */
#include "service.h"

#define EMPTY(pointer) ((void *)(pointer) == NULL)
#define NOT_SET ((void *)-1)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const BAD_TEXT[] = {NULL, "\xff", "a\xc3(", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc0\xaf"};

/* Not JSON, or not the JSON that this library takes. */
static const char *const BAD_JSON[] = {
    "\xff",
    "{\"a\": \"\xff\"}",
    "",
    " ",
    "{",
    "{\"a\": 1} x",
    "{\"a\": 1}{}",
    "{'a': 1}",
    "{\"a\": 1,}",
    "{a: 1}",
    "{\"a\": 01}",
    "{\"a\": +1}",
    "{\"a\": NaN}",
    "{\"a\": Infinity}",
    "{\"a\": \"\\ud800\"}",
    "{\"a\": \"\n\"}",
    "{\"a\": 1, \"a\": 1}",
    "{\"b\": {\"a\": 1, \"\\u0061\": 2}}",
    "nul",
};

static const char *const NOT_AN_OBJECT[] = {"[]", "1", "true", "\"text\"", "[{}]"};

/* Does a call for each text of a list, as `bad`. */
#define REFUSES(list, call)                                                                                              \
    do {                                                                                                                 \
        size_t i;                                                                                                        \
        for (i = 0; i < COUNT(list); i++) {                                                                              \
            const char *bad = (list)[i];                                                                                 \
            int failures = test_failures;                                                                                \
            CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, call);                                                             \
            if (test_failures != failures) printf("  ... with %s\n", bad ? bad : "NULL");                                \
        }                                                                                                                \
    } while (0)

/* The same for a call that gives a handle, which must be NULL afterwards. */
#define REFUSES_AND_EMPTIES(list, handle, call)                                                                          \
    do {                                                                                                                 \
        REFUSES(list, (handle = NOT_SET, call));                                                                         \
        CHECK(EMPTY(handle));                                                                                            \
    } while (0)

/* An option that is not there, and the name of it in the message. */
#define NAMES_UNKNOWN(name, call)                                                                                        \
    do {                                                                                                                 \
        char *json = NULL;                                                                                               \
        CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, call);                                                                \
        CHECK_CONTAINS(json, name);                                                                                      \
        armoriq_string_free(json);                                                                                       \
    } while (0)

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
#define TOKEN                                                                                                            \
    "\"intent_token\": {\"token_id\": \"t\", \"plan_hash\": \"h\", \"signature\": \"s\", \"issued_at\": 1, "              \
    "\"expires_at\": 4102444800, \"total_steps\": 0, \"raw_token\": {}}"
#define CALL "\"mcp\": \"a\", \"action\": \"b\", " TOKEN

static void invoke(void)
{
    static const char *const wrong[] = {
        "{}",
        "{\"mcp\": \"a\", \"action\": \"b\"}",
        "{\"mcp\": \"a\", \"action\": \"b\", \"intent_token\": \"t\"}",
        "{\"mcp\": \"a\", \"action\": \"b\", \"intent_token\": {}}",
        "{\"mcp\": \"a\", " TOKEN "}",
        "{\"mcp\": \"\", \"action\": \"b\", " TOKEN "}",
        "{\"mcp\": 1, \"action\": \"b\", " TOKEN "}",
        "{" CALL ", \"params\": []}",
        "{" CALL ", \"params\": \"{}\"}",
    };
    static const char *const wrong_time[] = {"{" CALL ", \"timeout_ms\": 0}", "{" CALL ", \"user_email\": 1}"};
    static const char *const wrong_options[] = {
        "{" CALL ", \"options\": []}",
        "{" CALL ", \"options\": {\"wait_for_approval\": 1}}",
        "{" CALL ", \"options\": {\"delegation_timeout_ms\": \"1\"}}",
        "{" CALL ", \"options\": {\"requester_limit\": \"1\"}}",
        "{" CALL ", \"params\": {\"_approvals\": 999}}",
    };
    const char *reserved = "{" CALL ", \"options\": {\"on_hold\": 1}}";

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_client_invoke(NULL, "{}", &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_client_invoke(client, NULL, &json));
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_client_invoke(client, NULL, NULL));
    REFUSES(BAD_JSON, armoriq_client_invoke(client, bad, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_client_invoke(client, bad, &json));
    REFUSES(wrong, armoriq_client_invoke(client, bad, &json));
    REFUSES(wrong_time, armoriq_client_invoke(client, bad, &json));
    NAMES_UNKNOWN("param", armoriq_client_invoke(client, "{" CALL ", \"param\": {}}", &json));

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_client_invoke_with_policy(NULL, "{}", &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_client_invoke_with_policy(client, NULL, &json));
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_client_invoke_with_policy(client, NULL, NULL));
    REFUSES(BAD_JSON, armoriq_client_invoke_with_policy(client, bad, &json));
    REFUSES(NOT_AN_OBJECT, armoriq_client_invoke_with_policy(client, bad, &json));
    REFUSES(wrong, armoriq_client_invoke_with_policy(client, bad, &json));
    REFUSES(wrong_options, armoriq_client_invoke_with_policy(client, bad, &json));
    NAMES_UNKNOWN("on_hold", armoriq_client_invoke_with_policy(client, reserved, &json));
    CHECK(service_count(service, "/invoke") == 0);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_invoke(client, "{" CALL "}", NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_invoke_with_policy(client, "{" CALL "}", NULL));
    CHECK(service_count(service, "/invoke") == 2);
}

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

typedef armoriq_status client_method(armoriq_client *, const char *, char **);

#define TOKEN_PARAMS                                                                                                     \
    "\"intent_token\": {\"token_id\": \"t\", \"plan_hash\": \"h\", \"signature\": \"s\", \"issued_at\": 1, "              \
    "\"expires_at\": 2, \"raw_token\": {}}"
#define ID "\"3f2b8c1e-5a0d-4e8f-9b1a-2c3d4e5f6a7b\""

/* A client method: a name that stands first in its params, with a value of the wrong type, and params that are right. */
struct method {
    client_method *call;
    const char *wrong;
    const char *good;
};

static const struct method METHODS[] = {
    {armoriq_client_bootstrap, NULL, NULL},
    {armoriq_client_refresh_bootstrap, NULL, "{}"},
    {armoriq_client_list_mcps, NULL, "{}"},
    {armoriq_client_resolve_user, "{\"user_email\": 1}", "{\"user_email\": \"a@b.co\"}"},
    {armoriq_client_invalidate_user, "{\"user_email\": \" \"}", "{\"user_email\": \"a@b.co\"}"},
    {armoriq_client_get_intent_token, "{\"plan\": []}", "{\"plan\": {\"steps\": []}}"},
    {armoriq_client_verify_token, "{\"intent_token\": {}}", "{" TOKEN_PARAMS "}"},
    {armoriq_client_delegate, "{" TOKEN_PARAMS ", \"delegate_public_key\": 1}",
     "{" TOKEN_PARAMS ", \"delegate_public_key\": \"k\"}"},
    {armoriq_client_delegate_subtree, "{" TOKEN_PARAMS ", \"delegate_public_key\": \"k\", \"subtree_path\": []}",
     "{" TOKEN_PARAMS ", \"delegate_public_key\": \"k\", \"subtree_path\": \"/steps/[0]\"}"},
    {armoriq_client_revoke, "{" TOKEN_PARAMS ", \"reason\": \"r\", \"cascade\": 1}", "{" TOKEN_PARAMS ", \"reason\": \"r\"}"},
    {armoriq_client_reanchor, "{" TOKEN_PARAMS ", \"updated_plan\": 1}", "{" TOKEN_PARAMS ", \"updated_plan\": {}}"},
    {armoriq_client_refine, "{\"tool_calls\": {}}", "{\"tool_calls\": []}"},
    {armoriq_client_create_delegation_request,
     "{\"tool\": \"t\", \"action\": \"a\", \"requester_email\": \"a@b.co\", \"amount\": -1}",
     "{\"tool\": \"t\", \"action\": \"a\", \"requester_email\": \"a@b.co\"}"},
    {armoriq_client_check_approved_delegation, "{\"user_email\": \"a@b.co\", \"tool\": \"t\"}",
     "{\"user_email\": \"a@b.co\", \"tool\": \"t\", \"amount\": 1}"},
    {armoriq_client_get_delegation_status, "{\"delegation_id\": \"..\"}", "{\"delegation_id\": \"d\"}"},
    {armoriq_client_mark_delegation_executed, "{\"user_email\": \"a@b.co\"}",
     "{\"user_email\": \"a@b.co\", \"delegation_id\": \"d\"}"},
    {armoriq_client_complete_plan, "{\"plan_id\": 1}", "{\"plan_id\": \"p\"}"},
    {armoriq_client_update_plan_status, "{\"plan_id\": \"p\"}", "{\"plan_id\": \"p\", \"status\": \"failed\"}"},
    {armoriq_client_get_mcp_tool_schemas, "{\"mcp_name\": 1}", "{\"mcp_name\": \"m\"}"},
    {armoriq_client_fetch_tool_metadata, "{\"mcp_name\": \".\"}", "{\"mcp_name\": \"m\"}"},
    {armoriq_client_resolve_role, "{\"mcp_name\": \"m\"}", "{\"mcp_name\": \"m\", \"org_role\": \"r\"}"},
    {armoriq_client_declare_tools, "{\"tools\": [7]}", "{\"tools\": [\"t\"]}"},
    {armoriq_client_record_token_usage,
     "{\"product\": \"p\", \"session_id\": \"s\", \"entries\": [], \"usage_date\": \"2026-02-30\", \"usage_hour\": 0}",
     "{\"product\": \"p\", \"session_id\": \"s\", \"entries\": [], \"usage_date\": \"2026-02-03\", \"usage_hour\": 0}"},
    {armoriq_client_initialize_usage_stream, "{\"timeout_ms\": 0}", NULL},
    {armoriq_client_reset_usage_stream, "{\"timeout_ms\": \"1\"}", "{\"generation\": " ID ", \"reset_id\": " ID "}"},
    {armoriq_client_record_token_usage_batch, "{\"timeout_ms\": 1.5}", "{\"batch\": {}}"},
    {armoriq_client_report_usage_run, "{\"timeout_ms\": -1}", "{\"run_id\": " ID ", \"report\": {}}"},
    {armoriq_client_capture_transcript_tokens, "{\"transcript_path\": \"t\", \"product\": \"p\"}",
     "{\"transcript_path\": \"/nowhere\", \"product\": \"p\", \"session_id\": \"s\"}"},
};

static void methods_of_the_client(void)
{
    static const char *const unknown = "{\"zzz_unknown\": 1}";
    size_t method;
    for (method = 0; method < COUNT(METHODS); method++) {
        client_method *call = METHODS[method].call;
        int failures = test_failures;
        char *json = NULL;
        armoriq_status status;

        CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, call(NULL, METHODS[method].good, &json));
        CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, call((armoriq_client *)(void *)session, METHODS[method].good, &json));
        CHECK_STATUS(ARMORIQ_ERR_INVALID_HANDLE, call(NULL, NULL, NULL));
        REFUSES(BAD_JSON, call(client, bad, &json));
        REFUSES(NOT_AN_OBJECT, call(client, bad, &json));
        if (METHODS[method].wrong) CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, call(client, METHODS[method].wrong, &json));
        /* A parameter that is missing is said first. */
        if (!METHODS[method].wrong) NAMES_UNKNOWN("zzz_unknown", call(client, unknown, &json));
        CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, call(client, unknown, &json));
        /* Whatever the service says, here that it has no such path: a result or an error, and never nothing. */
        status = call(client, METHODS[method].good, &json);
        CHECK(json != NULL);
        CHECK(status != ARMORIQ_ERR_INVALID_ARGUMENT && status != ARMORIQ_ERR_INTERNAL);
        armoriq_string_free(json);
        CHECK_STATUS(status, call(client, METHODS[method].good, NULL));
        if (test_failures != failures) printf("  ... of method %d, with %s\n", (int)method, METHODS[method].good);
    }
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

/* A submission that is refused gives no handle and no completion. */
static void submit_check(armoriq_queue *queue)
{
    armoriq_call *call = NOT_SET;

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_submit_check(NULL, queue, 1, "a__b", "{}", NULL, &call, &json));
    CHECK(EMPTY(call));
    call = NOT_SET;
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_submit_check(session, NULL, 1, "a__b", "{}", NULL, &call, &json));
    CHECK(EMPTY(call));
    REFUSES_AND_EMPTIES(BAD_TEXT, call, armoriq_submit_check(session, queue, 1, bad, "{}", NULL, &call, &json));
    REFUSES_AND_EMPTIES(BAD_JSON, call, armoriq_submit_check(session, queue, 1, "a__b", bad, NULL, &call, &json));
    REFUSES_AND_EMPTIES(NOT_AN_OBJECT, call, armoriq_submit_check(session, queue, 1, "a__b", bad, NULL, &call, &json));
    REFUSES_AND_EMPTIES(BAD_JSON, call, armoriq_submit_check(session, queue, 1, "a__b", "{}", bad, &call, &json));
    REFUSES_AND_EMPTIES(NOT_AN_OBJECT, call, armoriq_submit_check(session, queue, 1, "a__b", "{}", bad, &call, &json));
    NAMES_UNKNOWN("usr", armoriq_submit_check(session, queue, 1, "a__b", "{}", "{\"usr\": 1}", &call, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(session, queue, 1, "a__b", NULL, NULL, NULL, NULL));
}

static void submit(armoriq_queue *queue)
{
    static const char *const methods[] = {NULL, "", "\xff", "Bootstrap", "check", "armoriq_client_bootstrap", "report"};
    static const char *const wrong_plans[] = {
        "{}", "{\"tool_calls\": null}", "{\"tool_calls\": [{\"name\": \"a__b\"}], \"goal\": 1}",
        "{\"tool_calls\": [{\"name\": \"a__b\"}], \"gaol\": \"x\"}",
    };
    static const char *const wrong_reports[] = {
        "{}", "{\"tool\": 1}", "{\"tool\": \"a__b\", \"options\": []}",
        "{\"tool\": \"a__b\", \"options\": {\"statuz\": \"x\"}}", "{\"tool\": \"a__b\", \"resullt\": {}}",
    };
    static const char *const wrong_waits[] = {
        "{}", "{\"delegation_id\": \"\"}", "{\"delegation_id\": 1}",
        "{\"delegation_id\": \"del_1\", \"timeout\": 1}", "{\"delegation_id\": \"del_1\", \"timeout_ms\": -1}",
    };
    armoriq_call *call = NOT_SET;

    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_submit(NULL, NULL, queue, 1, "bootstrap", NULL, &call, &json));
    CHECK(EMPTY(call));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_submit(client, NULL, NULL, 1, "bootstrap", NULL, &call, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_submit(NULL, session, NULL, 1, "report", NULL, &call, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_submit(client, session, queue, 1, "report", "{}", &call, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_submit(NULL, session, queue, 1, "bootstrap", "{}", &call, &json));
    REFUSES_AND_EMPTIES(methods, call, armoriq_submit(client, NULL, queue, 1, bad, "{}", &call, &json));
    REFUSES_AND_EMPTIES(BAD_JSON, call, armoriq_submit(client, NULL, queue, 1, "bootstrap", bad, &call, &json));
    REFUSES_AND_EMPTIES(NOT_AN_OBJECT, call, armoriq_submit(client, NULL, queue, 1, "bootstrap", bad, &call, &json));
    REFUSES_AND_EMPTIES(BAD_JSON, call, armoriq_submit(NULL, session, queue, 1, "report", bad, &call, &json));
    REFUSES_AND_EMPTIES(wrong_plans, call, armoriq_submit(NULL, session, queue, 1, "start_plan", bad, &call, &json));
    REFUSES_AND_EMPTIES(wrong_reports, call, armoriq_submit(NULL, session, queue, 1, "report", bad, &call, &json));
    REFUSES_AND_EMPTIES(wrong_waits, call, armoriq_submit(NULL, session, queue, 1, "await_approval", bad, &call, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_call_cancel(NULL, &json));
}

static void queue(void)
{
    armoriq_queue *made = NOT_SET;
    armoriq_completion completion;

    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_queue_new(0, &made, &json));
    CHECK(EMPTY(made));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_queue_new(1, NULL, &json));
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_queue_new(1, NULL, NULL));
    CHECK(armoriq_queue_fd(NULL) == -1);
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_queue_next(NULL, 0, &completion, &json));

    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_new(UINT32_MAX, &made, NULL));
    submit(made);
    CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(made, 0, &completion, NULL));
    submit_check(made);
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_queue_next(made, 0, NULL, &json));
    /* What could not be handed over is still there. */
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_next(made, 0, &completion, NULL));
    CHECK(completion.verdict == ARMORIQ_BLOCK && completion.status == ARMORIQ_OK);
    armoriq_string_free(completion.json);
    CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(made, 0, &completion, NULL));
    /* A handle of another type. */
    CHECK(armoriq_queue_fd((armoriq_queue *)(void *)client) == -1);
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_queue_next((armoriq_queue *)(void *)client, 0, &completion, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_call_cancel((armoriq_call *)(void *)made, &json));
    armoriq_queue_free(made);
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
    invoke();
    report();
    rest_of_the_session();
    tools_of_the_session();
    check_batch();
    methods_of_the_client();
    queue();
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
