/* What the end-to-end programs share: the running armoriq-local, which run.sh starts with data/control-plane.yaml. */
#ifndef END_TO_END_H
#define END_TO_END_H

#include "test.h"

#include <pthread.h>

static const char *const PLAN =
    "[{\"name\": \"data-mcp__fetch_sales\", \"args\": {\"quarter\": \"Q4\"}},"
    " {\"name\": \"mcp__pay-mcp__pay_vendor\", \"args\": {}},"
    " {\"action\": \"drop_table\", \"mcp\": \"data-mcp\", \"params\": {\"table\": \"t\"}},"
    " {\"name\": \"data-mcp__analyze\"}, {\"name\": \"data-mcp__wipe_cache\"},"
    " {\"name\": \"data-mcp__read_file\"}, {\"name\": \"crm-mcp__export_contacts\"},"
    " {\"name\": \"data-mcp__search\"}, {\"name\": \"crm-mcp__search\"}]";

/* The client of a program that has nothing but the environment, and what it adds in options. */
HELPER armoriq_client *environment_client(const char *options)
{
    armoriq_client *client = NULL;
    char *json = NULL;
    REQUIRE(getenv("ARMORIQ_BACKEND_URL") != NULL);
    if (armoriq_client_new(ARMORIQ_ABI_VERSION, options, &client, &json) != ARMORIQ_OK) {
        printf("no client: %s\n", json ? json : "?");
        exit(1);
    }
    armoriq_string_free(json);
    return client;
}

/* A person's answer to a held call: `armoriq-local approve ID` or `reject ID`. */
HELPER void answer_hold(const char *answer, const char *delegation_id)
{
    char command[1024];
    const char *program = getenv("ARMORIQ_LOCAL");
    REQUIRE(program != NULL);
    snprintf(command, sizeof command, "'%s' %s '%s' --backend '%s' > /dev/null", program, answer, delegation_id,
             getenv("ARMORIQ_BACKEND_URL"));
    if (system(command) != 0) test_fail(__FILE__, __LINE__, "failed", command);
}

HELPER void check_last_plan_start(int line, armoriq_session *session, const char *expected)
{
    char *json = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_info(session, &json));
    test_member(__FILE__, line, json, "last_plan_start", expected);
    armoriq_string_free(json);
}

/* Names that resolve to nothing, plans that are none, arguments that are no JSON: alike in every mode. */
HELPER void names_and_plans(armoriq_session *session)
{
    static const struct {
        const char *name;
        const char *reason;
    } unplanned[] = {
        {"data-mcp__export_all", "tool-not-in-plan: 'data-mcp__export_all' was not declared in the captured plan"},
        {"pay-mcp__fetch_sales", "tool-not-in-plan: 'pay-mcp__fetch_sales' was not declared in the captured plan"},
        {"export_all", "tool-not-in-plan: 'export_all' was not declared in the captured plan"},
        {"__fetch_sales", "tool-not-in-plan: '__fetch_sales' was not declared in the captured plan"},
        {"data-mcp__", "tool-not-in-plan: 'data-mcp__' was not declared in the captured plan"},
        {"", "tool-not-in-plan: '' was not declared in the captured plan"},
        {"__", "tool-not-in-plan: '__' was not declared in the captured plan"},
        {"FETCH_SALES", "tool-not-in-plan: 'FETCH_SALES' was not declared in the captured plan"},
        {"fetch_sales ", "tool-not-in-plan: 'fetch_sales ' was not declared in the captured plan"},
        {"search", "tool-ambiguous: 'search' is on data-mcp and crm-mcp"},
    };
    armoriq_verdict verdict;
    size_t i;
    for (i = 0; i < sizeof unplanned / sizeof *unplanned; i++) {
        EXPECT(session, unplanned[i].name, "{}", NULL, ARMORIQ_BLOCK, unplanned[i].reason, "plan");
    }
    verdict = ARMORIQ_ALLOW;
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT,
                armoriq_session_check(session, "fetch_sales", "{\"a\": 1, \"a\": 2}", NULL, &verdict, &json));
    CHECK(verdict == ARMORIQ_BLOCK);
    CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_start_plan(session, "[]", NULL, &json));
    /* A plan that fails leaves the one before it in force. */
    EXPECT(session, "fetch_sales", "{\"quarter\": \"Q4\"}", NULL, ARMORIQ_ALLOW, NULL, NULL);
}

/* minted, unchanged, reanchored, and back to nothing. */
HELPER void plan_states(armoriq_session *session)
{
    const char *grown = "[{\"name\": \"data-mcp__fetch_sales\"}, {\"name\": \"data-mcp__read_secret\"}]";
    char *json = NULL;
    check_last_plan_start(__LINE__, session, "null");
    EXPECT(session, "fetch_sales", "{}", NULL, ARMORIQ_BLOCK, "No intent token \xe2\x80\x94 call start_plan() first", "plan");
    test_plan(session, PLAN);
    check_last_plan_start(__LINE__, session, "\"minted\"");
    test_plan(session, PLAN);
    check_last_plan_start(__LINE__, session, "\"unchanged\"");
    EXPECT(session, "read_secret", "{}", NULL, ARMORIQ_BLOCK, NULL, "plan");
    test_plan(session, grown);
    check_last_plan_start(__LINE__, session, "\"reanchored\"");
    EXPECT(session, "read_secret", "{}", NULL, ARMORIQ_ALLOW, NULL, NULL);
    EXPECT(session, "analyze", "{}", NULL, ARMORIQ_BLOCK, NULL, "plan");
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_reset(session, &json));
    CHECK(json && strcmp(json, "null") == 0);
    armoriq_string_free(json);
    check_last_plan_start(__LINE__, session, "null");
    EXPECT(session, "fetch_sales", "{}", NULL, ARMORIQ_BLOCK, NULL, "plan");
    test_plan(session, PLAN);
    check_last_plan_start(__LINE__, session, "\"minted\"");
}

/* A token that has expired blocks, and the same plan mints a new one. */
HELPER void expired_token(armoriq_client *client, const char *mode)
{
    int validity = test_patient(2000);
    armoriq_session *session;
    char options[96];
    snprintf(options, sizeof options, "{\"mode\": \"%s\", \"validity_seconds\": %d}", mode, validity / 1000);
    session = test_session(client, "alice@example.com", options);
    test_plan(session, PLAN);
    EXPECT(session, "fetch_sales", "{}", NULL, ARMORIQ_ALLOW, NULL, NULL);
    test_sleep_ms(validity + 100);
    EXPECT(session, "fetch_sales", "{}", NULL, ARMORIQ_BLOCK, NULL, "token");
    test_plan(session, PLAN);
    check_last_plan_start(__LINE__, session, "\"minted\"");
    EXPECT(session, "fetch_sales", "{}", NULL, ARMORIQ_ALLOW, NULL, NULL);
    armoriq_session_free(session);
}

#endif
