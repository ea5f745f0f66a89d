/* Error objects: code, message and the attributes of each kind; and no secret in any of them. */
#include "service.h"

static const char *const PLAN = "[{\"name\": \"data__fetch\"}]";
static const char *const GROWN = "[{\"name\": \"data__fetch\"}, {\"name\": \"data__more\"}]";

static struct service *service;

/* The error of a plan that fails; the caller frees it. */
static char *failing_plan(armoriq_session *session, const char *tool_calls, armoriq_status expected)
{
    char *json = NULL;
    CHECK_STATUS(expected, armoriq_session_start_plan(session, tool_calls, NULL, &json));
    test_error(__FILE__, __LINE__, expected, json);
    return json;
}

static void policy_blocked(armoriq_session *session)
{
    char *json;
    service_json(service, "/iap/sdk/token", 403,
                 "{\"message\": \"no\", \"policy_validation\": {\"denied_tools\": [\"fetch\"], "
                 "\"denied_reasons\": [\"fetch: too much\", \"and late\"], \"default_enforcement_action\": \"block\"}}");
    json = failing_plan(session, PLAN, ARMORIQ_ERR_POLICY_BLOCKED);
    CHECK_MEMBER(json, "message", "\"Policy blocked intent token issuance: fetch: too much; and late\"");
    CHECK_MEMBER(json, "enforcement_action", "\"block\"");
    CHECK_MEMBER(json, "reason", "\"fetch: too much; and late\"");
    CHECK_CONTAINS(json_member(json, "metadata"), "denied_tools");
    CHECK_MEMBER(json, "delegation_id", "missing");
    armoriq_string_free(json);

    /* The official SDK fails to read this one; it is a refusal all the same. */
    service_json(service, "/iap/sdk/token", 403, "{\"message\": \"not you\", \"policy_validation\": null}");
    json = failing_plan(session, PLAN, ARMORIQ_ERR_POLICY_BLOCKED);
    CHECK_MEMBER(json, "reason", "\"not you\"");
    armoriq_string_free(json);
}

static void invalid_token(armoriq_session *session)
{
    static const struct {
        int status;
        const char *body;
        const char *message;
    } answers[] = {
        {400, "{\"message\": \"bad plan\"}", "\"Token issuance failed: bad plan\""},
        {401, "{\"message\": \"who?\"}", "\"Token issuance failed: who?\""},
        {200, "{\"success\": false}", "\"Token issuance failed: Unknown error\""},
        {400, "<html>", "\"Token issuance failed: <html>\""},
    };
    static const char *const unreadable[] = {"<html></html>", "[]", "null", "\"text\"", "{}", "{\"success\": true}"};
    size_t i;
    char *json;
    for (i = 0; i < sizeof answers / sizeof *answers; i++) {
        service_json(service, "/iap/sdk/token", answers[i].status, answers[i].body);
        json = failing_plan(session, PLAN, ARMORIQ_ERR_INVALID_TOKEN);
        CHECK_MEMBER(json, "message", answers[i].message);
        armoriq_string_free(json);
    }
    for (i = 0; i + 1 < sizeof unreadable / sizeof *unreadable; i++) {
        service_json(service, "/iap/sdk/token", 200, unreadable[i]);
        json = failing_plan(session, PLAN, ARMORIQ_ERR_INVALID_TOKEN);
        armoriq_string_free(json);
    }
}

static void no_answer(armoriq_session *session)
{
    char *json;
    service_set(service, "/iap/sdk/token", SERVICE_CLOSES, 0, "", "");
    json = failing_plan(session, PLAN, ARMORIQ_ERR_SERVICE);
    CHECK_MEMBER(json, "status_code", "missing");
    armoriq_string_free(json);
    service_set(service, "/iap/sdk/token", SERVICE_STALLS, 0, "", "");
    armoriq_string_free(failing_plan(session, PLAN, ARMORIQ_ERR_TIMEOUT));
    service_set(service, "/iap/sdk/token", SERVICE_TRUNCATES, 200, "", SERVICE_TOKEN);
    armoriq_string_free(failing_plan(session, PLAN, ARMORIQ_ERR_SERVICE));
}

static void reanchor(armoriq_session *session)
{
    char *json;
    service_json(service, "/iap/sdk/token", 201, SERVICE_TOKEN);
    test_plan(session, PLAN);
    service_json(service, "/iap/trust/reanchor", 409, "{\"reason\": \"intent_plan_expired\"}");
    json = failing_plan(session, GROWN, ARMORIQ_ERR_INTENT_REANCHOR);
    CHECK_MEMBER(json, "message", "\"Reanchor failed for plan plan_1: intent_plan_expired\"");
    CHECK_MEMBER(json, "status_code", "409");
    CHECK_MEMBER(json, "reason", "\"intent_plan_expired\"");
    CHECK_MEMBER(json, "plan_id", "\"plan_1\"");
    armoriq_string_free(json);
    service_set(service, "/iap/trust/reanchor", SERVICE_ANSWERS, 401, "X-Armoriq-Revoked: true\r\n", "{}");
    armoriq_string_free(failing_plan(session, GROWN, ARMORIQ_ERR_TOKEN_REVOKED));
    /* The plan before it is still in force. */
    EXPECT(session, "data__more", "{}", NULL, ARMORIQ_BLOCK, NULL, "plan");
    EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, NULL, NULL);
}

static void delegation(armoriq_session *session)
{
    char *json = NULL;
    service_json(service, "/delegation/del_1/status", 403, "{\"message\": \"not yours\"}");
    CHECK_STATUS(ARMORIQ_ERR_DELEGATION, armoriq_session_await_approval(session, "del_1", NULL, &json));
    CHECK_MEMBER(json, "message", "\"delegation status check failed (HTTP 403)\"");
    CHECK_MEMBER(json, "status_code", "403");
    armoriq_string_free(json);
    /* An approval that the service does not let us spend is none. */
    service_json(service, "/delegation/del_1/status", 200, "{\"status\": \"approved\"}");
    service_json(service, "/delegation/mark-executed", 409, "{\"message\": \"already executed\"}");
    CHECK_ERROR(ARMORIQ_ERR_DELEGATION, armoriq_session_await_approval(session, "del_1", NULL, &json));
    service_json(service, "/delegation/del_2/status", 200, "{\"status\": \"expired\"}");
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_await_approval(session, "del_2", NULL, &json));
    CHECK_MEMBER(json, "status", "\"expired\"");
    armoriq_string_free(json);
}

static void user(armoriq_client *client)
{
    armoriq_user_scope *scope = NULL;
    char *json = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_for_user(client, " A@B.co ", &scope, NULL));
    service_json(service, "/iap/sdk/resolve-user", 404, "{\"message\": \"nobody\"}");
    CHECK_STATUS(ARMORIQ_ERR_CONFIGURATION, armoriq_user_resolve(scope, &json));
    CHECK_CONTAINS(json, "sdk/resolve-user failed for a@b.co: 404 ");
    armoriq_string_free(json);
    service_json(service, "/iap/sdk/resolve-user", 200, "{\"user\": {\"id\": 7}}");
    CHECK_STATUS(ARMORIQ_OK, armoriq_user_resolve(scope, &json));
    CHECK_MEMBER(json, "user", "{\"id\":7}");
    armoriq_string_free(json);
    CHECK_CONTAINS(service_last(service, "/iap/sdk/resolve-user"), "{\"userEmail\":\"a@b.co\"}");
    armoriq_user_scope_free(scope);
}

/* A service that sends back what it was sent must not get a secret into a message. */
static void secrets_stay_out(armoriq_client *client)
{
    static const char *const echoes[] = {
        "{\"message\": \"unknown key " TEST_KEY "\"}",
        "unknown key " TEST_KEY,
        "{\"message\": \"Authorization: Bearer " TEST_KEY "\"}",
    };
    armoriq_session *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    armoriq_verdict verdict;
    char *json;
    size_t i;
    for (i = 0; i < sizeof echoes / sizeof *echoes; i++) {
        service_json(service, "/iap/sdk/token", 401, echoes[i]);
        armoriq_string_free(failing_plan(session, PLAN, ARMORIQ_ERR_INVALID_TOKEN));
    }
    service_json(service, "/iap/sdk/token", 201, SERVICE_TOKEN);
    test_plan(session, PLAN);
    service_json(service, "/iap/sdk/enforce", 401, echoes[0]);
    json = DECIDE(session, "data__fetch", "{}", NULL, &verdict);
    CHECK(verdict == ARMORIQ_BLOCK);
    CHECK_LACKS(json, TEST_KEY);
    armoriq_string_free(json);
    service_json(service, "/iap/sdk/enforce", 403, "{\"message\": \"bad token " SERVICE_JWT "\"}");
    json = DECIDE(session, "data__fetch", "{}", NULL, &verdict);
    CHECK_LACKS(json, SERVICE_JWT);
    armoriq_string_free(json);
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true}");
    armoriq_session_free(session);
}

/* A new key is the next request's. */
static void key_rotation(armoriq_client *client)
{
    static const char *const bad[] = {"", "sk_1", "AK_TEST_1", " ak_test_1"};
    armoriq_session *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    size_t i;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_ERROR(ARMORIQ_ERR_CONFIGURATION, armoriq_client_set_api_key(client, bad[i], &json));
    }
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_set_api_key(client, "ak_live_rotated", NULL));
    test_plan(session, PLAN);
    CHECK_CONTAINS(service_last(service, "/iap/sdk/token"), "Bearer ak_live_rotated");
    CHECK_LACKS(service_last(service, "/iap/sdk/token"), TEST_KEY);
    armoriq_session_free(session);
}

int main(void)
{
    armoriq_client *client;
    armoriq_session *session;
    char options[64];

    service = service_start();
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true}");
    snprintf(options, sizeof options, ", \"timeout_ms\": %d, \"max_retries\": 0", test_patient(2000));
    client = test_client(service->url, options);
    session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    policy_blocked(session);
    invalid_token(session);
    no_answer(session);
    reanchor(session);
    delegation(session);
    user(client);
    secrets_stay_out(client);
    key_rotation(client);
    armoriq_session_free(session);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
