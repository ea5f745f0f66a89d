/*
 * Calls of the official MCP SDK's server through armoriq-local, and what that server saw of them.
 *
 * usage: invoke APPROVE, where APPROVE is a command that approves the next held call (scripts/approve.sh)
 */
#include "../c/end_to_end.h"

#define SOON "{\"timeout_ms\": 10000, \"interval_ms\": 100}"
#define ALICE "alice@example.com"
#define TOOLS                                                                                                            \
    "[{\"name\": \"tools-mcp__add\"}, {\"name\": \"tools-mcp__charge\"}, {\"name\": \"tools-mcp__fail\"},"              \
    " {\"name\": \"tools-mcp__authorization\"}, {\"name\": \"tools-mcp__erase\"}, {\"name\": \"tools-mcp__history\"}]"

/* The text of a tool's result, as JSON. */
static const char *content(const char *result)
{
    const char *list = json_member(result, "content");
    return *list == '[' ? json_member(list + 1, "text") : "missing";
}

/* A client method with the session's token: `more` is the rest of its params. */
#define WITH_TOKEN(method, more, json) with_token(armoriq_client_##method, client, token, (more), (json))

static armoriq_status with_token(armoriq_status (*method)(armoriq_client *, const char *, char **),
                                 armoriq_client *client, const char *token, const char *more, char **json)
{
    char *params = malloc(strlen(token) + strlen(more) + 128);
    armoriq_status status;
    REQUIRE(params != NULL);
    sprintf(params, "{\"mcp\": \"tools-mcp\", \"intent_token\": %s, %s}", token, more);
    status = method(client, params, json);
    free(params);
    return status;
}

/* What the server was made to change so far. */
#define EXPECT_HISTORY(session, expected)                                                                                \
    do {                                                                                                                 \
        char *json = NULL;                                                                                               \
        CHECK_STATUS(ARMORIQ_OK, armoriq_session_dispatch(session, "history", NULL, NULL, &json));                       \
        if (strcmp(content(json), "\"" expected "\"") != 0) test_fail(__FILE__, __LINE__, "history", json);              \
        armoriq_string_free(json);                                                                                       \
    } while (0)

static char *planned(armoriq_session *session)
{
    char *token = NULL;
    REQUIRE(armoriq_session_start_plan(session, TOOLS, "call tools", &token) == ARMORIQ_OK);
    return token;
}

static void allowed(armoriq_client *client, armoriq_session *session, const char *token)
{
    char *json = NULL;

    CHECK_STATUS(ARMORIQ_OK, WITH_TOKEN(invoke, "\"action\": \"add\", \"params\": {\"a\": 2, \"b\": 3}", &json));
    CHECK_MEMBER(json, "status", "\"success\"");
    if (strcmp(content(json_member(json, "result")), "\"5\"") != 0) test_fail(__FILE__, __LINE__, "add", json);
    armoriq_string_free(json);
    json = NULL;
    EXPECT(session, "tools-mcp__add", "{\"a\": 2, \"b\": 3}", NULL, ARMORIQ_ALLOW, NULL, NULL);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_dispatch(session, "tools-mcp__add", "{\"a\": 2, \"b\": 40}", NULL, &json));
    if (strcmp(content(json), "\"42\"") != 0) test_fail(__FILE__, __LINE__, "add", json);
    armoriq_string_free(json);
    json = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_report(session, "add", "{\"a\": 2, \"b\": 40}", "42", NULL, &json));
    CHECK_MEMBER(json, "delivered", "true");
    armoriq_string_free(json);
}

/* A tool that fails is an answer; what the gateway refuses is an error, and the server never hears of it. */
static void failing_and_blocked(armoriq_client *client, armoriq_session *session, const char *token)
{
    char *json = NULL;

    CHECK_STATUS(ARMORIQ_OK, WITH_TOKEN(invoke, "\"action\": \"fail\"", &json));
    CHECK_MEMBER(json, "status", "\"error\"");
    CHECK_MEMBER(json, "metadata", "{\"hasToolError\":true}");
    CHECK_MEMBER(json_member(json, "result"), "isError", "true");
    armoriq_string_free(json);
    json = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_dispatch(session, "fail", NULL, NULL, &json));
    CHECK_MEMBER(json, "isError", "true");
    armoriq_string_free(json);

    EXPECT(session, "erase", "{}", NULL, ARMORIQ_BLOCK, "block:erase#0", "policy");
    EXPECT_FAILURE(ARMORIQ_ERR_POLICY_BLOCKED, "block:erase#0", WITH_TOKEN(invoke, "\"action\": \"erase\"", &json));
    EXPECT_FAILURE(ARMORIQ_ERR_POLICY_BLOCKED, "block:erase#0",
                   armoriq_session_dispatch(session, "erase", NULL, NULL, &json));
    EXPECT_FAILURE(ARMORIQ_ERR_INTENT_MISMATCH, "tool-not-in-plan",
                   armoriq_session_dispatch(session, "tools-mcp__unplanned", NULL, NULL, &json));
    EXPECT_FAILURE(ARMORIQ_ERR_INTENT_MISMATCH, "unplanned", WITH_TOKEN(invoke, "\"action\": \"unplanned\"", &json));
    EXPECT_HISTORY(session, "");
}

/* Held, approved by a person, made once, and held again. */
static void held_in_a_session(armoriq_session *session)
{
    static const char *const CHARGE = "{\"amount\": 150, \"currency\": \"USD\"}";
    char delegation[128], *json;
    armoriq_verdict verdict;

    EXPECT_FAILURE(ARMORIQ_ERR_POLICY_HOLD, "hold:charge#0",
                   armoriq_session_dispatch(session, "charge", CHARGE, NULL, &json));
    json = DECIDE(session, "charge", CHARGE, NULL, &verdict);
    CHECK(verdict == ARMORIQ_HOLD);
    CHECK_MEMBER(json, "cause", "\"approval\"");
    snprintf(delegation, sizeof delegation, "%s", json_text(json, "delegation_id"));
    armoriq_string_free(json);
    EXPECT_HISTORY(session, "");

    answer_hold("approve", delegation);
    EXPECT_JSON("{\"status\":\"approved\"}",
                armoriq_session_await_approval(session, delegation, SOON, &json));
    json = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_dispatch(session, "charge", CHARGE, NULL, &json));
    CHECK_MEMBER(json, "structuredContent", "{\"amount\":150.0,\"currency\":\"USD\"}");
    armoriq_string_free(json);
    EXPECT_HISTORY(session, "charge 150");
    EXPECT_FAILURE(ARMORIQ_ERR_POLICY_HOLD, "hold:charge#0",
                   armoriq_session_dispatch(session, "charge", CHARGE, NULL, &json));

    json = DECIDE(session, "charge", CHARGE, NULL, &verdict);
    CHECK(verdict == ARMORIQ_HOLD);
    snprintf(delegation, sizeof delegation, "%s", json_text(json, "delegation_id"));
    armoriq_string_free(json);
    answer_hold("reject", delegation);
    EXPECT_JSON("{\"status\":\"rejected\"}",
                armoriq_session_await_approval(session, delegation, SOON, &json));
    EXPECT_HISTORY(session, "charge 150");
}

static void *approve(void *command)
{
    if (system(command) != 0) test_fail(__FILE__, __LINE__, "failed", command);
    return NULL;
}

static void held_in_an_invocation(armoriq_client *client, armoriq_session *session, const char *token, char *command)
{
    static const char *const CHARGE = "\"action\": \"charge\", \"params\": {\"amount\": 175, \"currency\": \"USD\"}, "
                                      "\"options\": {\"user_email\": \"" ALICE "\", \"wait_for_approval\": %s, "
                                      "\"delegation_timeout_ms\": 60000}";
    char more[512], *json = NULL;
    pthread_t person;

    snprintf(more, sizeof more, CHARGE, "false");
    EXPECT_FAILURE(ARMORIQ_ERR_POLICY_HOLD, "hold:charge#0", WITH_TOKEN(invoke_with_policy, more, &json));
    snprintf(more, sizeof more, CHARGE, "true");
    REQUIRE(pthread_create(&person, NULL, approve, command) == 0);
    CHECK_STATUS(ARMORIQ_OK, WITH_TOKEN(invoke_with_policy, more, &json));
    CHECK_MEMBER(json, "status", "\"success\"");
    CHECK_MEMBER(json_member(json, "result"), "structuredContent", "{\"amount\":175.0,\"currency\":\"USD\"}");
    armoriq_string_free(json);
    pthread_join(person, NULL);
    EXPECT_HISTORY(session, "charge 150, charge 175");
}

/* The server gets the credential that is its own, and never the API key. */
static void credential(armoriq_session *with, armoriq_session *without)
{
    char *json = NULL;

    CHECK_STATUS(ARMORIQ_OK, armoriq_session_dispatch(with, "authorization", NULL, NULL, &json));
    if (strcmp(content(json), "\"Bearer upstream\"") != 0) test_fail(__FILE__, __LINE__, "authorization", json);
    armoriq_string_free(json);
    json = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_dispatch(without, "authorization", NULL, NULL, &json));
    if (strcmp(content(json), "\"\"") != 0) test_fail(__FILE__, __LINE__, "authorization", json);
    armoriq_string_free(json);
}

int main(int count, char **arguments)
{
    armoriq_client *client, *credentialed;
    armoriq_session *session, *with_credential;
    char *token;

    REQUIRE(count == 2);
    client = environment_client("{\"agent_id\": \"mcp-bot\"}");
    credentialed = environment_client("{\"agent_id\": \"mcp-bot\", \"mcp_credentials\": {\"tools-mcp\": "
                                      "{\"authType\": \"bearer\", \"token\": \"upstream\"}}}");
    session = test_session(client, ALICE, "{\"mode\": \"proxy\"}");
    with_credential = test_session(credentialed, ALICE, "{\"mode\": \"proxy\"}");
    armoriq_string_free(planned(with_credential));
    token = planned(session);
    allowed(client, session, token);
    failing_and_blocked(client, session, token);
    held_in_a_session(session);
    held_in_an_invocation(client, session, token, arguments[1]);
    credential(with_credential, session);
    armoriq_string_free(token);
    armoriq_session_free(session);
    armoriq_session_free(with_credential);
    armoriq_client_free(client);
    armoriq_client_free(credentialed);
    return test_result();
}
