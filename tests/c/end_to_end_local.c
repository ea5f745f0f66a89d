/* A program in local mode against a running armoriq-local: the policy is fetched, the library decides. */
#include "end_to_end.h"

static void decisions(armoriq_session *session)
{
    EXPECT(session, "data-mcp__fetch_sales", "{\"quarter\": \"Q4\"}", NULL, ARMORIQ_ALLOW, "allow:fetch_sales#0", NULL);
    EXPECT(session, "fetch_sales", NULL, NULL, ARMORIQ_ALLOW, "allow:fetch_sales#0", NULL);
    EXPECT(session, "drop_table", "{}", NULL, ARMORIQ_BLOCK, "block:drop_table#0", "policy");
    EXPECT(session, "export_contacts", "{}", NULL, ARMORIQ_BLOCK, "block:tools.default", "policy");
    EXPECT(session, "pay_vendor", "{\"amount\": 100}", NULL, ARMORIQ_ALLOW, "allow:pay_vendor#1", NULL);
    EXPECT(session, "pay_vendor", "{\"amount\": 100.5}", NULL, ARMORIQ_BLOCK,
           "hold:pay_vendor#0 \xe2\x80\x94 switch ARMORIQ_MODE=proxy to enable approval workflows for this action.",
           "approval");
    EXPECT(session, "pay_vendor", "{\"amount\": \"100\"}", NULL, ARMORIQ_BLOCK, "block:tools.default", "policy");
    EXPECT(session, "read_file", "{}", NULL, ARMORIQ_ALLOW, "allow:read_*#0", NULL);
    EXPECT(session, "wipe_cache", "{}", NULL, ARMORIQ_BLOCK, "block:destructive#0", "policy");
    EXPECT(session, "analyze", "{}", NULL, ARMORIQ_ALLOW, "allow:analyze#0", NULL);
    EXPECT(session, "analyze", "{}", "{\"user_email\": \"bob@example.com\"}", ARMORIQ_BLOCK, NULL, "policy");
    EXPECT(session, "pay_vendor", "{\"amount\": 999}", "{\"user_email\": \"CAROL@example.com\"}", ARMORIQ_ALLOW, NULL, NULL);
}

/* One check of a client that has these options. */
static void one_check(const char *options, armoriq_verdict verdict, const char *reason, const char *cause)
{
    armoriq_client *client = environment_client(options);
    armoriq_session *session = test_session(client, "alice@example.com", NULL);
    test_plan(session, PLAN);
    EXPECT(session, "fetch_sales", "{}", NULL, verdict, reason, cause);
    armoriq_session_free(session);
    armoriq_client_free(client);
}

static void agents(void)
{
    armoriq_client *client;
    armoriq_session *session;

    one_check(NULL, ARMORIQ_BLOCK, "agent_unresolved: pass agent_id (or set AGENT_ID) to decide calls in local mode", "config");
    one_check("{\"agent_id\": \"free-bot\"}", ARMORIQ_ALLOW, "no_active_policy", NULL);
    one_check("{\"agent_id\": \"free-bot\", \"require_policy\": true}", ARMORIQ_BLOCK, NULL, "config");
    one_check("{\"agent_id\": \"sales-bot\", \"require_policy\": true}", ARMORIQ_ALLOW, "allow:fetch_sales#0", NULL);
    /* The wrong key, of the right form: the token's signature is not that key's. */
    one_check("{\"agent_id\": \"sales-bot\", \"iap_public_key\": "
              "\"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8\"}",
              ARMORIQ_BLOCK, "token-signature-invalid", "token");

    client = environment_client("{\"agent_id\": \"lapsed-bot\"}");
    session = test_session(client, "alice@example.com", NULL);
    CHECK(armoriq_session_start_plan(session, PLAN, NULL, NULL) != ARMORIQ_OK);
    EXPECT(session, "fetch_sales", "{}", NULL, ARMORIQ_BLOCK, NULL, "plan");
    armoriq_session_free(session);
    armoriq_client_free(client);
}

int main(void)
{
    armoriq_client *client = environment_client("{\"agent_id\": \"sales-bot\"}");
    armoriq_session *session = test_session(client, "alice@example.com", NULL);

    plan_states(session);
    decisions(session);
    names_and_plans(session);
    expired_token(client, "local");
    agents();
    armoriq_session_free(session);
    armoriq_client_free(client);
    return test_result();
}
