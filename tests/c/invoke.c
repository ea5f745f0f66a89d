/*
 * Calls through the proxy: what is forwarded, what comes back, and what every kind of refusal and failure looks like.
 */
#include "service.h"

#define PROXY "/invoke"
#define DISPATCHES(args, options, out) armoriq_session_dispatch(session, "bank__pay", (args), (options), (out))

static const char *const PLAN = "[{\"name\": \"bank__pay\"}, {\"name\": \"bank__look\"}, {\"name\": \"shop__look\"}]";

static struct service *service;
static armoriq_session *session;

static void answers_json(int status, const char *body)
{
    service_json(service, PROXY, status, body);
}

static void before_anything_is_sent(void)
{
    char *json = NULL;

    answers_json(200, "{\"result\": 1}");
    CHECK_STATUS(ARMORIQ_ERR_INVALID_STATE, DISPATCHES("{}", NULL, &json));
    CHECK_MEMBER(json, "message", "\"dispatch(\\\"bank__pay\\\") called before start_plan().\"");
    armoriq_string_free(json);
    test_plan(session, PLAN);
    CHECK_STATUS(ARMORIQ_ERR_INTENT_MISMATCH, armoriq_session_dispatch(session, "shop__pay", "{}", NULL, &json));
    CHECK_MEMBER(json, "message", "\"tool-not-in-plan: 'shop__pay' was not declared in the captured plan\"");
    CHECK_MEMBER(json, "action", "\"shop__pay\"");
    CHECK_MEMBER(json, "plan_hash", "\"ph_1\"");
    armoriq_string_free(json);
    CHECK_STATUS(ARMORIQ_ERR_INTENT_MISMATCH, armoriq_session_dispatch(session, "look", "{}", NULL, &json));
    CHECK_MEMBER(json, "message", "\"tool-ambiguous: 'look' is on bank and shop\"");
    armoriq_string_free(json);
    CHECK_ERROR(ARMORIQ_ERR_INTENT_MISMATCH, armoriq_session_dispatch(session, "", "{}", NULL, &json));
    CHECK(service_count(service, PROXY) == 0);
}

static void what_is_forwarded(void)
{
    static const char *const ARGS = "{ \"big\":123456789012345678901234567890 , \"f\":1.0,\"z\":1e+2,\"a\":\"\\u00e9\"}";
    char expected[512], *json = NULL;

    answers_json(200, "{\"result\": {\"n\": 10000000000000000000000001, \"f\": 1.50}}");
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_dispatch(session, "pay", ARGS, NULL, &json));
    CHECK(json && strcmp(json, "{\"n\":10000000000000000000000001,\"f\":1.50}") == 0);
    armoriq_string_free(json);
    snprintf(expected, sizeof expected, "\"params\":%s,\"arguments\":%s,", ARGS, ARGS);
    CHECK_CONTAINS(service_last(service, PROXY), expected);
    /* Whose call it is: the session's user's, or the one who is named. */
    CHECK_CONTAINS(service_last(service, PROXY), ",\"user_email\":\"bob@x.com\",");
    CHECK_CONTAINS(service_last(service, PROXY), "\"email\":\"bob@x.com\"");
    CHECK_CONTAINS(service_last(service, PROXY), "\"mcp\":\"bank\",\"action\":\"pay\",\"tool\":\"pay\"");
    CHECK_STATUS(ARMORIQ_OK, DISPATCHES(NULL, "{\"user_email\": \"eve@x.com\"}", NULL));
    CHECK_CONTAINS(service_last(service, PROXY), ",\"user_email\":\"eve@x.com\",");
    CHECK_CONTAINS(service_last(service, PROXY), "\"params\":{},\"arguments\":{},");
}

static void what_comes_back(void)
{
    static const char *const broken[] = {"<html></html>", "[{\"result\": 1}]", "", "null", "{\"result\": 1} {}"};
    static const struct {
        int status;
        const char *body;
        armoriq_status expected;
    } failures[] = {
        {200, "{\"error\": \"text\"}", ARMORIQ_ERR_MCP_INVOCATION},
        {500, "{\"result\": 1}", ARMORIQ_ERR_MCP_INVOCATION},
        {302, "{\"result\": 1}", ARMORIQ_ERR_MCP_INVOCATION},
        {401, "{}", ARMORIQ_ERR_INVALID_TOKEN},
        {403, "no", ARMORIQ_ERR_INVALID_TOKEN},
        {409, "{}", ARMORIQ_ERR_INTENT_MISMATCH},
        {403, "{\"enforcementAction\": \"block\"}", ARMORIQ_ERR_POLICY_BLOCKED},
        {200, "{\"enforcement\": {\"action\": \"block\"}, \"result\": 1}", ARMORIQ_ERR_POLICY_BLOCKED},
        {200, "{\"enforcementAction\": \"permit\", \"result\": 1}", ARMORIQ_ERR_POLICY_BLOCKED},
        {200, "{\"allowed\": false, \"result\": 1}", ARMORIQ_ERR_POLICY_BLOCKED},
        {202, "{\"enforcementAction\": \"hold\"}", ARMORIQ_ERR_POLICY_HOLD},
    };
    char *json = NULL;
    size_t i;

    for (i = 0; i < sizeof broken / sizeof *broken; i++) {
        answers_json(200, broken[i]);
        CHECK_ERROR(ARMORIQ_ERR_MCP_INVOCATION, DISPATCHES("{}", NULL, &json));
    }
    for (i = 0; i < sizeof failures / sizeof *failures; i++) {
        answers_json(failures[i].status, failures[i].body);
        CHECK_ERROR(failures[i].expected, DISPATCHES("{}", NULL, &json));
    }
    service_set(service, PROXY, SERVICE_ANSWERS, 200, "Content-Type: text/event-stream\r\n",
                ": hi\n\ndata:{\"method\":\"notifications/progress\"}\n\ndata: {\"result\":\ndata: [1]}\n\n");
    CHECK_STATUS(ARMORIQ_OK, DISPATCHES("{}", NULL, &json));
    CHECK(json && strcmp(json, "[1]") == 0);
    armoriq_string_free(json);
    service_set(service, PROXY, SERVICE_ANSWERS, 401, "X-Armoriq-Revoked: true\r\n", "{\"reason\": \"stolen\"}");
    CHECK_STATUS(ARMORIQ_ERR_TOKEN_REVOKED, DISPATCHES("{}", NULL, &json));
    CHECK_MEMBER(json, "reason", "\"stolen\"");
    CHECK_MEMBER(json, "token_id", "\"ref_1\"");
    armoriq_string_free(json);
    answers_json(202, "{\"enforcementAction\": \"hold\", \"reason\": \"hold:pay#0\", \"matched_policy\": \"P\", "
                      "\"delegation_context\": {\"planId\": \"p9\"}}");
    CHECK_STATUS(ARMORIQ_ERR_POLICY_HOLD, DISPATCHES("{}", NULL, &json));
    CHECK_MEMBER(json, "message", "\"Action held for approval\"");
    CHECK_MEMBER(json, "matched_policy", "\"P\"");
    CHECK_MEMBER(json, "delegation_context", "{\"planId\":\"p9\"}");
    armoriq_string_free(json);
}

static void no_answer(void)
{
    double start = test_seconds();

    service_set(service, PROXY, SERVICE_STALLS, 200, "", "");
    CHECK_ERROR(ARMORIQ_ERR_TIMEOUT, DISPATCHES("{}", "{\"timeout_ms\": 100}", &json));
    CHECK((test_seconds() - start) * 1000 < test_patient(2000));
    service_set(service, PROXY, SERVICE_CLOSES, 200, "", "");
    CHECK_ERROR(ARMORIQ_ERR_SERVICE, DISPATCHES("{}", NULL, &json));
    service_set(service, PROXY, SERVICE_TRUNCATES, 200, "", "{\"result\": 1}");
    CHECK_ERROR(ARMORIQ_ERR_SERVICE, DISPATCHES("{}", NULL, &json));
}

/* The client's own methods, with the token of the session. */
static void client_methods(armoriq_client *client)
{
    char params[8192], *token = NULL, *json = NULL;

    CHECK_STATUS(ARMORIQ_OK, armoriq_session_start_plan(session, PLAN, NULL, &token));
    REQUIRE(token && strlen(token) < 4096);
    snprintf(params, sizeof params, "{\"mcp\": \"bank\", \"action\": \"pay\", \"intent_token\": %s, \"params\": {\"n\":1.0}}", token);
    answers_json(200, "{\"result\": {\"isError\": true}}");
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_invoke(client, params, &json));
    CHECK_MEMBER(json, "status", "\"error\"");
    CHECK_MEMBER(json, "result", "{\"isError\":true}");
    CHECK_MEMBER(json, "metadata", "{\"hasToolError\":true}");
    armoriq_string_free(json);
    CHECK_CONTAINS(service_last(service, PROXY), "\"params\":{\"n\":1.0},\"arguments\":{\"n\":1.0},");
    /* Nobody's call: it has no user. */
    CHECK_LACKS(service_last(service, PROXY), "user_email");

    CHECK_STATUS(ARMORIQ_OK, armoriq_client_invoke_with_policy(client, params, &json));
    armoriq_string_free(json);
    CHECK_CONTAINS(service_last(service, PROXY), "\"params\":{\"n\":1.0,\"_policy_context\":{\"is_financial\":false,");
    answers_json(202, "{\"enforcementAction\": \"hold\"}");
    CHECK_ERROR(ARMORIQ_ERR_POLICY_HOLD, armoriq_client_invoke_with_policy(client, params, &json));
    CHECK(service_count(service, "/delegation/request") == 0);
    armoriq_string_free(token);
}

int main(void)
{
    armoriq_client *client;

    service = service_start();
    service_json(service, "/delegation/request", 201, "{\"delegationId\": \"del_1\"}");
    client = test_client(service->url, ", \"max_retries\": 0");
    session = test_session(client, "Bob@x.com", "{\"mode\": \"proxy\"}");
    before_anything_is_sent();
    what_is_forwarded();
    what_comes_back();
    no_answer();
    client_methods(client);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 100, NULL));
    CHECK_ERROR(ARMORIQ_ERR_CLOSED, DISPATCHES("{}", NULL, &json));
    armoriq_session_free(session);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
