/* The client methods against a running armoriq-local: tokens, approvals, the directory, usage, the tool inventory. */
#include "end_to_end.h"

typedef armoriq_status client_method(armoriq_client *, const char *, char **);

/* Calls a method with an intent token and other params (", \"name\": value"). */
static armoriq_status with_token(client_method *call, armoriq_client *client, const char *token, const char *more, char **json)
{
    char *params = malloc(strlen(token) + strlen(more) + 32);
    armoriq_status status;
    REQUIRE(params != NULL);
    sprintf(params, "{\"intent_token\": %s%s}", token, more);
    status = call(client, params, json);
    free(params);
    return status;
}

static char *minted(armoriq_client *client)
{
    char *token = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_get_intent_token(
        client,
        "{\"plan\": {\"goal\": \"g\", \"steps\": [{\"action\": \"fetch_sales\", \"tool\": \"fetch_sales\", \"mcp\": \"data-mcp\", "
        "\"params\": {\"quarter\": \"Q4\"}}]}, \"validity_seconds\": 600, \"user_email\": \"alice@example.com\"}", &token));
    REQUIRE(token != NULL);
    return token;
}

static void tokens(armoriq_client *client)
{
    const char *grown = ", \"reason\": \"r\", \"updated_plan\": {\"goal\": \"g\", \"steps\": [{\"action\": \"fetch_sales\", "
                        "\"mcp\": \"data-mcp\"}, {\"action\": \"read_file\", \"mcp\": \"data-mcp\"}]}";
    char *token = minted(client), *changed, *json = NULL;

    CHECK_MEMBER(token, "total_steps", "1");
    EXPECT_JSON("true", with_token(armoriq_client_verify_token, client, token, "", &json));
    changed = strstr(token, "\"issued_at\":");
    REQUIRE(changed != NULL && (changed = strstr(changed + 1, "\"issued_at\":")) != NULL);
    changed[13] = changed[13] == '1' ? '2' : '1';
    EXPECT_JSON("false", with_token(armoriq_client_verify_token, client, token, "", &json));
    armoriq_string_free(token);

    token = minted(client);
    CHECK_STATUS(ARMORIQ_OK, with_token(armoriq_client_reanchor, client, token, grown, &json));
    CHECK_CONTAINS(json, "\"trustId\"");
    armoriq_string_free(json);
    json = NULL;
    CHECK_STATUS(ARMORIQ_OK, with_token(armoriq_client_revoke, client, token, ", \"reason\": \"stolen\"", &json));
    CHECK_CONTAINS(json, "\"trustId\"");
    armoriq_string_free(json);
    EXPECT_FAILURE(ARMORIQ_ERR_TOKEN_REVOKED, "intent_plan_revoked",
                   with_token(armoriq_client_reanchor, client, token, grown, &json));
    armoriq_string_free(token);
}

static void approvals(armoriq_client *client)
{
    const char *wanted = "{\"user_email\": \"alice@example.com\", \"tool\": \"pay_vendor\", \"amount\": 250, \"plan_id\": \"%s\"}";
    char *token = minted(client), *json = NULL;
    char params[1024], plan_id[128], id[128], expected[256];

    snprintf(plan_id, sizeof plan_id, "%s", json_text(token, "plan_id"));
    armoriq_string_free(token);
    snprintf(params, sizeof params,
             "{\"tool\": \"pay_vendor\", \"action\": \"pay_vendor\", \"arguments\": {\"amount\": 250}, \"amount\": 250, "
             "\"requester_email\": \"alice@example.com\", \"requester_role\": \"agent_user\", \"requester_limit\": 0, "
             "\"domain\": \"pay-mcp\", \"plan_id\": \"%s\"}", plan_id);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_create_delegation_request(client, params, &json));
    CHECK_MEMBER(json, "status", "\"pending\"");
    snprintf(id, sizeof id, "%s", json_text(json, "delegation_id"));
    armoriq_string_free(json);

    snprintf(params, sizeof params, wanted, plan_id);
    EXPECT_JSON("null", armoriq_client_check_approved_delegation(client, params, &json));
    answer_hold("approve", id);
    snprintf(params, sizeof params, "{\"delegation_id\": \"%s\"}", id);
    EXPECT_JSON("\"approved\"", armoriq_client_get_delegation_status(client, params, &json));
    snprintf(params, sizeof params, wanted, plan_id);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_check_approved_delegation(client, params, &json));
    snprintf(expected, sizeof expected, "\"%s\"", id);
    CHECK_MEMBER(json, "delegation_id", expected);
    CHECK_MEMBER(json, "approved", "true");
    armoriq_string_free(json);

    snprintf(params, sizeof params,
             "{\"user_email\": \"alice@example.com\", \"delegation_id\": \"%s\", \"plan_id\": \"%s\"}", id, plan_id);
    EXPECT_JSON("null", armoriq_client_mark_delegation_executed(client, params, &json));
    EXPECT_FAILURE(ARMORIQ_ERR_DELEGATION, "\"status_code\":409", armoriq_client_mark_delegation_executed(client, params, &json));

    snprintf(params, sizeof params, "{\"plan_id\": \"%s\"}", plan_id);
    EXPECT_JSON("{\"delivered\":true}", armoriq_client_complete_plan(client, params, &json));
    snprintf(params, sizeof params, "{\"plan_id\": \"%s\", \"status\": \"forgotten\"}", plan_id);
    EXPECT_JSON("{\"delivered\":false,\"reason\":\"HTTP 400\"}", armoriq_client_update_plan_status(client, params, &json));
}

static void directory(armoriq_client *client)
{
    char *json = NULL;

    CHECK_STATUS(ARMORIQ_OK, armoriq_client_bootstrap(client, NULL, &json));
    CHECK_CONTAINS(json_member(json, "toolMap"), "\"pay_vendor\":\"pay-mcp\"");
    armoriq_string_free(json);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_list_mcps(client, NULL, &json));
    CHECK_CONTAINS(json, "\"name\":\"crm-mcp\"");
    armoriq_string_free(json);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_get_mcp_tool_schemas(client, "{\"mcp_name\": \"data-mcp\"}", &json));
    CHECK_CONTAINS(json, "fetch_sales");
    armoriq_string_free(json);
    EXPECT_FAILURE(ARMORIQ_ERR_MCP_INVOCATION, "get_mcp_tool_schemas(nobody) failed: 404",
                   armoriq_client_get_mcp_tool_schemas(client, "{\"mcp_name\": \"nobody\"}", &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_fetch_tool_metadata(client, "{\"mcp_name\": \"pay-mcp\"}", &json));
    CHECK_MEMBER(json, "name", "\"pay-mcp\"");
    armoriq_string_free(json);
    EXPECT_JSON("\"member\"", armoriq_client_resolve_role(client, "{\"mcp_name\": \"pay-mcp\", \"org_role\": \"member\"}", &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_resolve_user(client, "{\"user_email\": \"BOB@example.com\"}", &json));
    CHECK_CONTAINS(json, "member-bob");
    armoriq_string_free(json);
    EXPECT_FAILURE(ARMORIQ_ERR_CONFIGURATION, "sdk/resolve-user failed for eve@example.com: 404",
                   armoriq_client_resolve_user(client, "{\"user_email\": \"eve@example.com\"}", &json));
}

static void usage(armoriq_client *client)
{
    char params[1024], generation[64];
    char *json = NULL;

    CHECK_STATUS(ARMORIQ_OK, armoriq_client_record_token_usage(
        client,
        "{\"product\": \"p\", \"session_id\": \"s\", \"usage_date\": \"2026-01-02\", \"usage_hour\": 3, \"entries\": [{\"model\": "
        "\"m\", \"inputTokens\": 1, \"outputTokens\": 2, \"cacheReadTokens\": 0, \"cacheWriteTokens\": 0}]}", &json));
    CHECK_MEMBER(json, "ok", "true");
    CHECK_MEMBER(json, "recorded", "1");
    armoriq_string_free(json);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_initialize_usage_stream(client, NULL, &json));
    CHECK_MEMBER(json, "ok", "true");
    snprintf(generation, sizeof generation, "%s", json_text(json_member(json, "value"), "generation"));
    armoriq_string_free(json);
    snprintf(params, sizeof params,
             "{\"batch\": {\"generation\": \"%s\", \"batchId\": \"4f2b8c1e-5a0d-4e8f-9b1a-2c3d4e5f6a7b\", \"snapshots\": "
             "[{\"sessionId\": \"s\", \"revision\": 1, \"product\": \"p\", \"usageDate\": \"2026-01-02\", \"usageHour\": 4, "
             "\"entries\": [{\"model\": \"m\", \"inputTokens\": 1, \"outputTokens\": 2, \"cacheReadTokens\": 0, "
             "\"cacheWriteTokens\": 0}]}]}}", generation);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_record_token_usage_batch(client, params, &json));
    CHECK_MEMBER(json, "ok", "true");
    CHECK_CONTAINS(json_member(json, "value"), "\"status\":\"applied\"");
    armoriq_string_free(json);
    snprintf(params, sizeof params, "{\"generation\": \"%s\", \"reset_id\": \"5f2b8c1e-5a0d-4e8f-9b1a-2c3d4e5f6a7b\"}", generation);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_reset_usage_stream(client, params, &json));
    CHECK_MEMBER(json, "ok", "true");
    armoriq_string_free(json);
}

static void inventory(armoriq_client *client)
{
    char *json = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_declare_tools(
        client, "{\"tools\": [{\"name\": \"own\", \"input_schema\": {\"type\": \"object\"}}, {\"name\": \"fetch_sales\"}]}", &json));
    /* The bootstrap told that fetch_sales is a server's. */
    CHECK_MEMBER(json, "tools", "1");
    CHECK_MEMBER(json, "mcp_servers", "1");
    CHECK_MEMBER(json, "push", "\"scheduled\"");
    armoriq_string_free(json);
    EXPECT_JSON("{\"pending\":0}", armoriq_client_close(client, 10000, &json));
}

int main(void)
{
    armoriq_client *client = environment_client("{\"agent_id\": \"sales-bot\"}");
    tokens(client);
    approvals(client);
    directory(client);
    usage(client);
    inventory(client);
    armoriq_client_free(client);
    return test_result();
}
