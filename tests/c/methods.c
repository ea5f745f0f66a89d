/* Client methods against a service that answers badly: names that need encoding, revoked tokens, pages, no answer. */
#include "service.h"

typedef armoriq_status client_method(armoriq_client *, const char *, char **);

static struct service *service;
static armoriq_client *client;

#define TOKEN                                                                                                            \
    "\"intent_token\": {\"token_id\": \"ref_1\", \"plan_hash\": \"ph_1\", \"plan_id\": \"plan_1\", \"signature\": "      \
    "\"5ec2e7\", \"issued_at\": 1, \"expires_at\": 4102444800, \"jwt_token\": \"" SERVICE_JWT "\", \"raw_token\": "      \
    "{\"plan\": {}, \"token\": {\"signature\": \"5ec2e75ec2e7\", \"issued_at\": 1.50}}}"

static void tokens(void)
{
    char *json = NULL;

    CHECK_STATUS(ARMORIQ_OK, armoriq_client_get_intent_token(
        client, "{\"plan\": {\"steps\": [{}, {}], \"n\": 1.50}, \"validity_seconds\": 60.0, \"llm\": \"m\"}", &json));
    CHECK_MEMBER(json, "total_steps", "2");
    CHECK_MEMBER(json, "plan_id", "\"plan_1\"");
    armoriq_string_free(json);
    CHECK_CONTAINS(service_last(service, "/iap/sdk/token"), "\"plan\":{\"steps\":[{},{}],\"n\":1.50}");
    CHECK_CONTAINS(service_last(service, "/iap/sdk/token"), "\"expires_in\":60.0");
    EXPECT_FAILURE(ARMORIQ_ERR_INVALID_ARGUMENT, "Plan structure is required.",
                   armoriq_client_get_intent_token(client, NULL, &json));
    EXPECT_FAILURE(ARMORIQ_ERR_INVALID_ARGUMENT, "Plan must contain 'steps' key",
                   armoriq_client_get_intent_token(client, "{\"plan\": {}}", &json));
    EXPECT_JSON("false", armoriq_client_verify_token(client, "{" TOKEN "}", &json));
}

static void revoked(client_method *call, const char *path, const char *params)
{
    service_set(service, path, SERVICE_ANSWERS, 401, "X-Armoriq-Revoked: true\r\n", "{\"reason\": \"stolen 5ec2e75ec2e7\"}");
    EXPECT_FAILURE(ARMORIQ_ERR_TOKEN_REVOKED, "\"token_id\":\"ref_1\"", call(client, params, &json));
    EXPECT_FAILURE(ARMORIQ_ERR_TOKEN_REVOKED, "\"reason\":\"stolen [redacted]\"", call(client, params, &json));
}

static void trust(void)
{
    const char *delegate = "{" TOKEN ", \"delegate_public_key\": \"k\", \"target_agent\": \"ag\"}";
    const char *subtree = "{" TOKEN ", \"delegate_public_key\": \"k\", \"subtree_path\": \"/s\", \"target_agent\": \"ag\"}";
    const char *revoke = "{" TOKEN ", \"reason\": \"r\"}";
    const char *reanchor = "{" TOKEN ", \"updated_plan\": {\"steps\": []}, \"plan_id\": \"other\"}";

    revoked(armoriq_client_delegate, "/iap/trust/delegate", delegate);
    revoked(armoriq_client_delegate_subtree, "/iap/trust/delegate", subtree);
    revoked(armoriq_client_revoke, "/iap/trust/revoke", revoke);
    revoked(armoriq_client_reanchor, "/iap/trust/reanchor", reanchor);
    /* The signed token goes out as it is, without the API key's own header. */
    CHECK_CONTAINS(service_last(service, "/iap/trust/revoke"), "\"token\":{\"signature\":\"5ec2e75ec2e7\",\"issued_at\":1.50}");
    CHECK(strstr(service_last(service, "/iap/trust/revoke"), "x-api-key") == NULL);
    CHECK_CONTAINS(service_last(service, "/iap/trust/revoke"), "idempotency-key: ");
    CHECK_CONTAINS(service_last(service, "/iap/trust/reanchor"), "\"planId\":\"other\"");

    service_json(service, "/iap/trust/delegate", 403, "{\"message\": \"no, not " SERVICE_JWT "\"}");
    EXPECT_FAILURE(ARMORIQ_ERR_DELEGATION, "\"target_agent\":\"ag\"", armoriq_client_delegate(client, delegate, &json));
    EXPECT_FAILURE(ARMORIQ_ERR_DELEGATION, "no, not [redacted]", armoriq_client_delegate_subtree(client, subtree, &json));
    service_json(service, "/iap/trust/delegate", 200, "<html>");
    EXPECT_FAILURE(ARMORIQ_ERR_SERVICE, "is not JSON", armoriq_client_delegate(client, delegate, &json));
    EXPECT_FAILURE(ARMORIQ_ERR_SERVICE, "is not JSON", armoriq_client_delegate_subtree(client, subtree, &json));
    service_json(service, "/iap/trust/delegate", 200, "{\"delegation\": {\"token_id\": \"d\", \"expires_at\": \"soon\"}}");
    EXPECT_FAILURE(ARMORIQ_ERR_DELEGATION, "expires_at must be a finite number", armoriq_client_delegate(client, delegate, &json));
    service_json(service, "/iap/trust/delegate", 200, "[1]");
    EXPECT_FAILURE(ARMORIQ_ERR_DELEGATION, "Got keys: []", armoriq_client_delegate(client, delegate, &json));

    /* No actions at all would come out as all of them. */
    EXPECT_FAILURE(ARMORIQ_ERR_INVALID_ARGUMENT, "a list of strings that is not empty", armoriq_client_delegate(
        client, "{" TOKEN ", \"delegate_public_key\": \"k\", \"allowed_actions\": []}", &json));

    service_json(service, "/iap/sdk/preflight", 200, "{\"decision\": true}");
    EXPECT_FAILURE(ARMORIQ_ERR_SERVICE, "malformed response", armoriq_client_refine(client, NULL, &json));
    service_json(service, "/iap/sdk/preflight", 200, "{\"decision\": \"accept\", \"violations\": null}");
    EXPECT_JSON("{\"decision\":\"accept\",\"intent_id\":null,\"violations\":[],\"offending_interfaces\":[],"
                "\"predicate_fails\":[],\"meta\":{}}", armoriq_client_refine(client, NULL, &json));
    service_set(service, "/iap/sdk/preflight", SERVICE_CLOSES, 200, "", "");
    EXPECT_FAILURE(ARMORIQ_ERR_SERVICE, "message", armoriq_client_refine(client, NULL, &json));
}

static void approvals(void)
{
    char *json = NULL;

    service_json(service, "/delegation/request", 201, "{\"delegationId\": \"d\"}");
    EXPECT_JSON("{\"delegation_id\":\"d\",\"status\":\"pending\",\"expires_at\":null}",
                armoriq_client_create_delegation_request(
                    client,
                    "{\"tool\": \"t\", \"action\": \"a\", \"requester_email\": \"a@b.co\", \"amount\": 100, "
                    "\"arguments\": {\"n\": 12345678901234567890123, \"x\": 1.0,  \"e\": \"\\u00e9\"}}", &json));
    CHECK_CONTAINS(service_last(service, "/delegation/request"),
                   "{\"tool\":\"t\",\"action\":\"a\",\"arguments\":{\"n\": 12345678901234567890123, \"x\": 1.0,  \"e\": "
                   "\"\\u00e9\"},\"amount\":100.0,\"requesterEmail\":\"a@b.co\"}");
    service_json(service, "/delegation/request", 200, "<html>");
    EXPECT_FAILURE(ARMORIQ_ERR_DELEGATION, "no delegationId", armoriq_client_create_delegation_request(
        client, "{\"tool\": \"t\", \"action\": \"a\", \"requester_email\": \"a@b.co\"}", &json));

    /* An approval that nobody can name is none. */
    service_json(service, "/delegation/check-approved", 200, "{\"approved\": true}");
    EXPECT_JSON("null", armoriq_client_check_approved_delegation(
        client, "{\"user_email\": \"a@b.co\", \"tool\": \"t&x=1\", \"amount\": 100}", &json));
    CHECK_CONTAINS(service_last(service, "/delegation/check-approved"), "?tool=t%26x%3D1&amount=100.0 HTTP");
    service_set(service, "/delegation/check-approved", SERVICE_CLOSES, 200, "", "");
    EXPECT_FAILURE(ARMORIQ_ERR_SERVICE, "message", armoriq_client_check_approved_delegation(
        client, "{\"user_email\": \"a@b.co\", \"tool\": \"t\", \"amount\": 1}", &json));

    service_json(service, "/delegation/..%2Fd%3F/status", 200, "[]");
    EXPECT_JSON("\"none\"", armoriq_client_get_delegation_status(client, "{\"delegation_id\": \"../d?\"}", &json));
    service_json(service, "/delegation/mark-executed", 409, "{}");
    EXPECT_FAILURE(ARMORIQ_ERR_DELEGATION, "\"status_code\":409", armoriq_client_mark_delegation_executed(
        client, "{\"user_email\": \"a@b.co\", \"delegation_id\": \"d\"}", &json));

    service_json(service, "/iap/plans/p%2F1/status", 200, "");
    EXPECT_JSON("{\"delivered\":true}", armoriq_client_complete_plan(client, "{\"plan_id\": \"p/1\"}", &json));
    CHECK_CONTAINS(service_last(service, "/iap/plans/p%2F1/status"), "{\"status\":\"completed\"}");
    service_json(service, "/iap/plans/p%2F1/status", 404, "");
    EXPECT_JSON("{\"delivered\":false,\"reason\":\"HTTP 404\"}",
                armoriq_client_update_plan_status(client, "{\"plan_id\": \"p/1\", \"status\": \"failed\"}", &json));
    service_set(service, "/iap/plans/p%2F1/status", SERVICE_CLOSES, 200, "", "");
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_complete_plan(client, "{\"plan_id\": \"p/1\"}", &json));
    CHECK_MEMBER(json, "delivered", "false");
    armoriq_string_free(json);
    /* A header cannot carry this, which is nothing that the service could do. */
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_update_plan_status(client, "{\"plan_id\": \"p\", \"status\": \"a\\nb\"}", &json));
    CHECK_MEMBER(json, "delivered", "false");
    armoriq_string_free(json);
}

static void directory(void)
{
    static const char *const lists[] = {"{}", "{\"data\": null}", "{\"data\": {}}"};
    size_t i;

    for (i = 0; i < sizeof lists / sizeof *lists; i++) {
        service_json(service, "/mcp/my-servers", 200, lists[i]);
        EXPECT_JSON("[]", armoriq_client_list_mcps(client, NULL, &json));
    }
    service_json(service, "/mcp/my-servers", 200, "<html>");
    EXPECT_FAILURE(ARMORIQ_ERR_SERVICE, "answered no JSON", armoriq_client_list_mcps(client, NULL, &json));
    service_json(service, "/mcp/my-servers", 500, "down " TEST_KEY);
    EXPECT_FAILURE(ARMORIQ_ERR_MCP_INVOCATION, "list_mcps failed: 500 down [redacted]",
                   armoriq_client_list_mcps(client, NULL, &json));

    service_json(service, "/mcp/tool-metadata/a%2Fb", 404, "{}");
    EXPECT_JSON("{\"mcp_id\":\"\",\"name\":\"a/b\",\"tool_metadata\":{},\"role_mapping\":{}}",
                armoriq_client_fetch_tool_metadata(client, "{\"mcp_name\": \"a/b\"}", &json));
    EXPECT_JSON("\"admin\"", armoriq_client_resolve_role(client, "{\"mcp_name\": \"a/b\", \"org_role\": \"admin\"}", &json));
    /* What is unknown is asked again, what is known is not. */
    CHECK(service_count(service, "/mcp/tool-metadata/a%2Fb") == 2);
    service_json(service, "/mcp/tool-metadata/a%2Fb", 200, "{\"data\": {\"roleMapping\": {\"admin\": \"owner\"}}}");
    EXPECT_JSON("\"owner\"", armoriq_client_resolve_role(client, "{\"mcp_name\": \"a/b\", \"org_role\": \"admin\"}", &json));
    EXPECT_JSON("\"guest\"", armoriq_client_resolve_role(client, "{\"mcp_name\": \"a/b\", \"org_role\": \"guest\"}", &json));
    CHECK(service_count(service, "/mcp/tool-metadata/a%2Fb") == 1);

    service_json(service, "/iap/sdk/resolve-user", 200, "{\"user\": 1}");
    EXPECT_JSON("{\"user\":1}", armoriq_client_resolve_user(client, "{\"user_email\": \" A@b.co\"}", &json));
    EXPECT_JSON("{\"user\":1}", armoriq_client_resolve_user(client, "{\"user_email\": \"a@B.co \"}", &json));
    CHECK(service_count(service, "/iap/sdk/resolve-user") == 1);
    EXPECT_JSON("null", armoriq_client_invalidate_user(client, "{\"user_email\": \"A@B.co\"}", &json));
    EXPECT_JSON("{\"user\":1}", armoriq_client_resolve_user(client, "{\"user_email\": \"a@b.co\"}", &json));
    CHECK(service_count(service, "/iap/sdk/resolve-user") == 2);
}

static void no_answer(void)
{
    static const struct {
        client_method *call;
        const char *params;
    } calls[] = {
        {armoriq_client_list_mcps, NULL},
        {armoriq_client_fetch_tool_metadata, "{\"mcp_name\": \"m\"}"},
        {armoriq_client_resolve_role, "{\"mcp_name\": \"m\", \"org_role\": \"r\"}"},
        {armoriq_client_get_delegation_status, "{\"delegation_id\": \"d\"}"},
        {armoriq_client_delegate, "{" TOKEN ", \"delegate_public_key\": \"k\"}"},
        {armoriq_client_reanchor, "{" TOKEN ", \"updated_plan\": {}}"},
        {armoriq_client_get_intent_token, "{\"plan\": {\"steps\": []}}"},
    };
    armoriq_client *nowhere = test_client("http://127.0.0.1:9", ", \"max_retries\": 0");
    size_t i;
    for (i = 0; i < sizeof calls / sizeof *calls; i++) {
        CHECK_ERROR(ARMORIQ_ERR_SERVICE, calls[i].call(nowhere, calls[i].params, &json));
    }
    armoriq_client_free(nowhere);
}

int main(void)
{
    service = service_start();
    client = test_client(service->url, ", \"max_retries\": 0");
    tokens();
    trust();
    approvals();
    directory();
    no_answer();
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
