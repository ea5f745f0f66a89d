/* A program in sdk mode against a running armoriq-local: the service decides. */
#include "end_to_end.h"

static armoriq_client *client;

static void decisions(armoriq_session *session)
{
    EXPECT(session, "data-mcp__fetch_sales", "{\"quarter\": \"Q4\"}", NULL, ARMORIQ_ALLOW, "allow:fetch_sales#0", NULL);
    EXPECT(session, "mcp__data-mcp__fetch_sales", "{}", NULL, ARMORIQ_ALLOW, "allow:fetch_sales#0", NULL);
    EXPECT(session, "fetch_sales", NULL, NULL, ARMORIQ_ALLOW, "allow:fetch_sales#0", NULL);
    EXPECT(session, "drop_table", "{\"table\": \"t\"}", NULL, ARMORIQ_BLOCK, "block:drop_table#0", "policy");
    EXPECT(session, "export_contacts", "{}", NULL, ARMORIQ_BLOCK, "block:tools.default", "policy");
    EXPECT(session, "pay_vendor", "{\"amount\": 100}", NULL, ARMORIQ_ALLOW, "allow:pay_vendor#1", NULL);
    EXPECT(session, "pay_vendor", "{\"amount\": \"100\"}", NULL, ARMORIQ_BLOCK, "block:tools.default", "policy");
    EXPECT(session, "read_file", "{}", NULL, ARMORIQ_ALLOW, "allow:read_*#0", NULL);
    EXPECT(session, "wipe_cache", "{}", NULL, ARMORIQ_BLOCK, "block:destructive#0", "policy");
    EXPECT(session, "data-mcp__search", "{}", NULL, ARMORIQ_ALLOW, "allow:search#0", NULL);
    EXPECT(session, "analyze", "{}", NULL, ARMORIQ_ALLOW, "allow:analyze#0", NULL);
    EXPECT(session, "analyze", "{}", "{\"user_email\": \"bob@example.com\"}", ARMORIQ_BLOCK, NULL, "policy");
}

static void *approve(void *delegation_id)
{
    test_sleep_ms(300);
    answer_hold("approve", delegation_id);
    return NULL;
}

/* The check that is held, and the id that a person answers. */
static void held(armoriq_session *session, const char *args, char id[64])
{
    armoriq_verdict verdict;
    char *json = DECIDE(session, "pay_vendor", args, NULL, &verdict);
    CHECK(verdict == ARMORIQ_HOLD);
    CHECK_MEMBER(json, "reason", "\"hold:pay_vendor#0\"");
    CHECK_MEMBER(json, "cause", "\"approval\"");
    CHECK_MEMBER(json, "matched_policy", "\"Sales\"");
    snprintf(id, 64, "%s", json_text(json, "delegation_id"));
    CHECK(strcmp(id, "null") != 0);
    armoriq_string_free(json);
}

/* Held, approved, spent: an approval is good for one call. */
static void approved_then_checked(armoriq_session *session)
{
    char id[64], reason[128];
    held(session, "{\"amount\": 250}", id);
    answer_hold("approve", id);
    snprintf(reason, sizeof reason, "Allowed by approved delegation %s", id);
    EXPECT(session, "pay_vendor", "{\"amount\": 250}", NULL, ARMORIQ_ALLOW, reason, NULL);
    EXPECT(session, "pay_vendor", "{\"amount\": 250}", NULL, ARMORIQ_HOLD, NULL, "approval");
}

static void awaited(armoriq_session *session)
{
    static const char *const options = "{\"timeout_ms\": 10000, \"interval_ms\": 100}";
    char id[64], *json = NULL;
    pthread_t person;

    held(session, "{\"amount\": 300}", id);
    REQUIRE(pthread_create(&person, NULL, approve, id) == 0);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_await_approval(session, id, options, &json));
    CHECK_MEMBER(json, "status", "\"approved\"");
    armoriq_string_free(json);
    pthread_join(person, NULL);

    held(session, "{\"amount\": 301}", id);
    answer_hold("reject", id);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_await_approval(session, id, options, &json));
    CHECK_MEMBER(json, "status", "\"rejected\"");
    armoriq_string_free(json);
    EXPECT(session, "pay_vendor", "{\"amount\": 301}", NULL, ARMORIQ_HOLD, NULL, "approval");

    held(session, "{\"amount\": 302}", id);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_await_approval(session, id, "{\"timeout_ms\": 200, \"interval_ms\": 50}", &json));
    CHECK_MEMBER(json, "status", "\"timeout\"");
    armoriq_string_free(json);
}

/* What another process has used, as this other client stands for, is waited for by nobody; nor what this one has. */
static void used_before(armoriq_session *session)
{
    static const char *const options = "{\"timeout_ms\": 600000, \"interval_ms\": 600000}";
    armoriq_client *other = environment_client("{\"agent_id\": \"sales-bot\"}");
    armoriq_session *own = test_session(other, "alice@example.com", "{\"mode\": \"sdk\"}");
    char id[64];
    held(session, "{\"amount\": 310}", id);
    answer_hold("approve", id);
    EXPECT(session, "pay_vendor", "{\"amount\": 310}", NULL, ARMORIQ_ALLOW, NULL, NULL);
    EXPECT_FAILURE(ARMORIQ_ERR_DELEGATION, "used before", armoriq_session_await_approval(own, id, options, &json));
    EXPECT_FAILURE(ARMORIQ_ERR_DELEGATION, "used before", armoriq_session_await_approval(session, id, options, &json));
    armoriq_session_free(own);
    armoriq_client_free(other);
}

/* With nobody whom an approval could belong to there is none to ask for. */
static void held_without_a_user(void)
{
    armoriq_session *session = test_session(client, NULL, "{\"mode\": \"sdk\"}");
    armoriq_verdict verdict;
    char *json;
    test_plan(session, PLAN);
    json = DECIDE(session, "pay_vendor", "{\"amount\": 250}", NULL, &verdict);
    CHECK(verdict == ARMORIQ_HOLD);
    CHECK_MEMBER(json, "delegation_id", "null");
    armoriq_string_free(json);
    armoriq_session_free(session);
}

static void info_and_report(armoriq_session *session)
{
    char *json = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_info(session, &json));
    CHECK_MEMBER(json, "session_id", "\"22222222-2222-4222-8222-222222222222\"");
    CHECK_MEMBER(json, "mode", "\"sdk\"");
    CHECK_MEMBER(json, "user_email", "\"alice@example.com\"");
    CHECK_CONTAINS(json_member(json, "current_token"), "plan_id");
    armoriq_string_free(json);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_report(session, "fetch_sales", "{}", "{\"rows\": 3}",
                                                    "{\"status\": \"success\", \"duration_ms\": 12.5}", &json));
    CHECK_MEMBER(json, "delivered", "true");
    armoriq_string_free(json);
}

static void user(void)
{
    armoriq_user_scope *scope = NULL;
    char *json = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_for_user(client, " Alice@Example.com", &scope, NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_user_resolve(scope, &json));
    CHECK_CONTAINS(json, "alice@example.com");
    armoriq_string_free(json);
    armoriq_user_scope_free(scope);
}

static void bad_key(void)
{
    armoriq_client *stranger = environment_client("{\"api_key\": \"ak_test_unknown\"}");
    armoriq_session *session = test_session(stranger, "alice@example.com", "{\"mode\": \"sdk\"}");
    CHECK_ERROR(ARMORIQ_ERR_INVALID_TOKEN, armoriq_session_start_plan(session, PLAN, NULL, &json));
    EXPECT(session, "fetch_sales", "{}", NULL, ARMORIQ_BLOCK, NULL, "plan");
    armoriq_session_free(session);
    armoriq_client_free(stranger);
}

/* The key is withdrawn in the middle of a session: not the policy's fault. */
static void key_withdrawn(void)
{
    armoriq_client *own = environment_client("{\"agent_id\": \"sales-bot\"}");
    armoriq_session *session = test_session(own, "alice@example.com", "{\"mode\": \"sdk\"}");
    test_plan(session, PLAN);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_set_api_key(own, "ak_test_unknown", NULL));
    EXPECT(session, "fetch_sales", "{}", NULL, ARMORIQ_BLOCK, NULL, "config");
    armoriq_session_free(session);
    armoriq_client_free(own);
}

int main(void)
{
    static const char *const options = "{\"mode\": \"sdk\", \"session_id\": \"22222222-2222-4222-8222-222222222222\"}";
    armoriq_session *session;

    client = environment_client("{\"agent_id\": \"sales-bot\"}");
    session = test_session(client, "alice@example.com", options);
    plan_states(session);
    decisions(session);
    names_and_plans(session);
    approved_then_checked(session);
    awaited(session);
    used_before(session);
    info_and_report(session);
    held_without_a_user();
    expired_token(client, "sdk");
    user();
    bad_key();
    key_withdrawn();
    armoriq_session_free(session);
    armoriq_client_free(client);
    return test_result();
}
