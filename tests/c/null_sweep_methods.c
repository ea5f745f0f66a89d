/* As null_sweep.c, for the client methods and the completion queue. */
#include "client_methods.h"
#include "null_sweep.h"

static struct service *service;
static armoriq_client *client;
static armoriq_session *session;

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

int main(void)
{
    service = service_start();
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true}");
    service_json(service, "/iap/audit", 201, "{}");
    service_json(service, "/invoke", 200, "{\"result\": null}");
    service_json(service, "/delegation/del_1/status", 200, "{\"status\": \"pending\"}");
    client = test_client(service->url, "");
    session = test_session(client, NULL, "{\"mode\": \"sdk\"}");

    invoke();
    methods_of_the_client();
    queue();

    armoriq_session_free(session);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
