/* What the user of a session may ever do with the agent's tools, from the policy of a running armoriq-local. */
#include "end_to_end.h"

static const char *const TOOLS =
    "[\"wipe_cache\", \"data-mcp__fetch_sales\", \"search\","
    " {\"name\": \"pay_vendor\", \"inputSchema\": {\"type\": \"object\", \"properties\": {\"amount\": {}}}},"
    " {\"name\": \"mcp__crm-mcp__send_mail\", \"description\": \"Sends\", \"input_schema\": {\"type\": \"object\"}},"
    " {\"type\": \"function\", \"function\": {\"name\": \"analyze\", \"parameters\": {\"type\": \"object\"}}},"
    " \"read_anything\", \"__malformed\", \"sign_contract\", \"export_contacts\", \"fetch_sales_of\", \"search\"]";

#define EXPECT_TOOLS(session, expected) expect_tools(__LINE__, (session), TOOLS, (expected))

/* The same bytes, every time. */
static void expect_tools(int line, armoriq_session *session, const char *tools, const char *expected)
{
    int i;
    for (i = 0; i < 3; i++) {
        char *json = NULL;
        test_status(__FILE__, line, "armoriq_session_tools", ARMORIQ_OK, armoriq_session_tools(session, tools, &json));
        if (!json || strcmp(json, expected) != 0) test_fail(__FILE__, line, expected, json);
        armoriq_string_free(json);
    }
}

static const char *const ALICE =
    "{\"always\":[\"analyze\",\"data-mcp__fetch_sales\",\"read_anything\",\"search\"],"
    "\"depends\":[{\"tool\":\"fetch_sales_of\",\"paths\":[\"quarter\",\"year\"]},"
    "{\"tool\":\"mcp__crm-mcp__send_mail\",\"paths\":[\"attachments.length\",\"to\"]},"
    "{\"tool\":\"pay_vendor\",\"paths\":[\"amount\"]}],"
    "\"hold\":[\"sign_contract\"],"
    "\"never\":[\"__malformed\",\"export_contacts\",\"wipe_cache\"],"
    "\"unknown\":[]}";

static const char *const BOB =
    "{\"always\":[\"data-mcp__fetch_sales\",\"read_anything\",\"search\"],"
    "\"depends\":[{\"tool\":\"fetch_sales_of\",\"paths\":[\"quarter\",\"year\"]},"
    "{\"tool\":\"mcp__crm-mcp__send_mail\",\"paths\":[\"attachments.length\",\"to\"]},"
    "{\"tool\":\"pay_vendor\",\"paths\":[\"amount\"]}],"
    "\"hold\":[\"sign_contract\"],"
    "\"never\":[\"__malformed\",\"analyze\",\"export_contacts\",\"wipe_cache\"],"
    "\"unknown\":[]}";

/* Before any plan, in every mode, for each user. */
static void users_and_modes(armoriq_client *client)
{
    static const char *const modes[] = {NULL, "{\"mode\": \"sdk\"}", "{\"mode\": \"proxy\"}"};
    size_t i;
    for (i = 0; i < sizeof modes / sizeof *modes; i++) {
        armoriq_session *alice = test_session(client, "Alice@example.com", modes[i]);
        armoriq_session *bob = test_session(client, "bob@example.com", modes[i]);
        EXPECT_TOOLS(alice, ALICE);
        EXPECT_TOOLS(bob, BOB);
        armoriq_session_free(alice);
        armoriq_session_free(bob);
    }
}

/* What checks then decide. */
static void checks_agree(armoriq_client *client)
{
    armoriq_session *session = test_session(client, "alice@example.com", NULL);
    test_plan(session, "[{\"name\": \"data-mcp__fetch_sales\"}, {\"name\": \"pay-mcp__pay_vendor\"},"
                       " {\"name\": \"crm-mcp__sign_contract\"}, {\"name\": \"data-mcp__wipe_cache\"}]");
    EXPECT(session, "fetch_sales", "{\"quarter\": [null, 1e400]}", NULL, ARMORIQ_ALLOW, NULL, NULL);
    EXPECT(session, "pay_vendor", "{\"amount\": 100}", NULL, ARMORIQ_ALLOW, NULL, NULL);
    EXPECT(session, "pay_vendor", "{\"amount\": 101}", NULL, ARMORIQ_BLOCK, NULL, "approval");
    EXPECT(session, "sign_contract", "{\"value\": 1}", NULL, ARMORIQ_BLOCK, NULL, "approval");
    EXPECT(session, "sign_contract", "{}", NULL, ARMORIQ_BLOCK, NULL, "policy");
    EXPECT(session, "wipe_cache", "{}", NULL, ARMORIQ_BLOCK, NULL, "policy");
    EXPECT_TOOLS(session, ALICE);
    armoriq_session_free(session);
}

/* One answer of a client that has these options. */
static void one_answer(const char *options, const char *expected)
{
    armoriq_client *client = environment_client(options);
    armoriq_session *session = test_session(client, "alice@example.com", NULL);
    expect_tools(__LINE__, session, "[\"b\", \"a\"]", expected);
    armoriq_session_free(session);
    armoriq_client_free(client);
}

static void agents(void)
{
    const char *unknown = "{\"always\":[],\"depends\":[],\"hold\":[],\"never\":[],\"unknown\":[\"a\",\"b\"]}";
    const char *never = "{\"always\":[],\"depends\":[],\"hold\":[],\"never\":[\"a\",\"b\"],\"unknown\":[]}";
    const char *always = "{\"always\":[\"a\",\"b\"],\"depends\":[],\"hold\":[],\"never\":[],\"unknown\":[]}";
    one_answer(NULL, unknown);
    one_answer("{\"agent_id\": \"nobody\"}", unknown);
    one_answer("{\"agent_id\": \"free-bot\"}", always);
    one_answer("{\"agent_id\": \"free-bot\", \"require_policy\": true}", never);
    one_answer("{\"agent_id\": \"lapsed-bot\"}", never);
    /* Nothing listens there: without a policy nothing is known. */
    one_answer("{\"agent_id\": \"sales-bot\", \"backend_endpoint\": \"http://127.0.0.1:9\", \"max_retries\": 0}", unknown);
}

static void misuse(armoriq_client *client)
{
    static const char *const bad[] = {NULL, "\xff", "", "{}", "null", "[7]", "[\"a\", {}]", "[\"\"]", "[{\"name\": 1}]", "[\"a\""};
    armoriq_session *session = test_session(client, "alice@example.com", NULL);
    size_t i;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_tools(session, bad[i], &json));
    }
    expect_tools(__LINE__, session, "[]", "{\"always\":[],\"depends\":[],\"hold\":[],\"never\":[],\"unknown\":[]}");
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_tools(session, TOOLS, NULL));
    armoriq_session_free(session);
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_tools(session, TOOLS, &json));
}

int main(void)
{
    armoriq_client *client = environment_client("{\"agent_id\": \"sales-bot\"}");
    armoriq_session *session;

    users_and_modes(client);
    checks_agree(client);
    agents();
    misuse(client);

    session = test_session(client, "alice@example.com", NULL);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 0, NULL));
    CHECK_ERROR(ARMORIQ_ERR_CLOSED, armoriq_session_tools(session, TOOLS, &json));
    armoriq_session_free(session);
    armoriq_client_free(client);
    return test_result();
}
