/* The calls that the soak mixes. */
#ifndef CALLS_H
#define CALLS_H

#include "tickets.h"

enum { SHARED_TICKETS = 1 << 13, OWN_TICKETS = 16, CLIENT_MS = 1000, PLAN_MS = 12000, LOST_MS = 60000 };

static const char *const KEYS[] = {"ak_test_soak_key_00000000000000000", "ak_test_soak_key_11111111111111111",
                                   "ak_test_soak_key_22222222222222222", "ak_test_soak_key_33333333333333333"};
static const char *const USERS[] = {NULL, "alice@example.com", "Bob@Example.com ", "carol@example.com",
                                    "%u@example.com"};

/* What all threads use at once. */
static struct {
    armoriq_client *client;
    armoriq_session *sessions[MODES];
    int planned[MODES];
    armoriq_queue *queue;
    struct ticket tickets[SHARED_TICKETS];
    uint32_t next_ticket;
} shared;

HELPER armoriq_client *new_client(struct worker *worker)
{
    armoriq_client *client = NULL;
    char options[256], *json = NULL;
    armoriq_status status;
    snprintf(options, sizeof options,
             "{\"api_key\": \"%s\", \"agent_id\": \"sales-bot\", \"timeout_ms\": %d, \"max_retries\": %d}",
             KEYS[below(worker, 4)], CLIENT_MS, below(worker, 3));
    TIMED(worker, 0, status = armoriq_client_new(ARMORIQ_ABI_VERSION, options, &client, &json));
    note_status("client_new", status, json);
    let_go(json);
    REQUIRE(status == ARMORIQ_OK);
    add(clients, 1);
    return client;
}

HELPER armoriq_session *new_session(struct worker *worker, armoriq_client *client, enum mode mode)
{
    armoriq_session *session = NULL;
    armoriq_user_scope *scope = NULL;
    char options[64], email[64], *json = NULL;
    const char *user = USERS[below(worker, 5)];
    armoriq_status status;

    snprintf(options, sizeof options, "{\"mode\": \"%s\"}", mode_names[mode]);
    if (user) {
        snprintf(email, sizeof email, *user == '%' ? "%u@example.com" : user, (unsigned)unique(worker));
        TIMED(worker, 0, status = armoriq_for_user(client, email, &scope, NULL));
        REQUIRE(status == ARMORIQ_OK);
        TIMED(worker, 0, status = armoriq_user_start_session(scope, options, &session, &json));
        if (below(worker, 8) == 0) {
            char *who = NULL;
            armoriq_status resolved;
            TIMED(worker, CLIENT_MS * 3, resolved = armoriq_user_resolve(scope, &who));
            note_status("resolve", resolved, who);
            let_go(who);
        }
        armoriq_user_scope_free(scope);
    } else {
        TIMED(worker, 0, status = armoriq_client_start_session(client, options, &session, &json));
    }
    note_status("start_session", status, json);
    let_go(json);
    REQUIRE(status == ARMORIQ_OK);
    add(sessions, 1);
    return session;
}

/* Plans, and gives the token to those who want it; whether there is a plan. */
HELPER int plan(struct worker *worker, armoriq_session *session, char **token)
{
    char *json = NULL;
    armoriq_status status;
    TIMED(worker, PLAN_MS, status = armoriq_session_start_plan(session, PLAN, "soak", &json));
    note_status("start_plan", status, status == ARMORIQ_OK ? NULL : json);
    if (status != ARMORIQ_OK) add(no_plan, 1);
    if (token && status == ARMORIQ_OK) {
        *token = json;
    } else {
        let_go(json);
    }
    return status == ARMORIQ_OK;
}

/* One check, and its decision if that is wanted. */
HELPER void check(struct worker *worker, armoriq_session *session, enum mode mode, int planned,
                  const struct question *question, char delegation[64])
{
    armoriq_verdict verdict = 77;
    char *json = NULL;
    armoriq_status status;
    TIMED(worker, question->timeout_ms,
          status = armoriq_session_check(session, question->tool, question->args, question->options, &verdict, &json));
    if (status == ARMORIQ_OK) {
        judge(mode, planned, question, verdict, json);
        if (delegation) snprintf(delegation, 64, "%s", json_text(json, "delegation_id"));
        if (delegation && verdict != ARMORIQ_HOLD) *delegation = '\0';
    } else {
        fault(unexpected_statuses, "check", json);
    }
    if (json && strstr(json, "ak_test_")) fault(secrets_shown, "check", json);
    let_go(json);
}

HELPER void check_any(struct worker *worker, armoriq_session *session, enum mode mode, int planned)
{
    struct question question;
    pose_any(worker, &question);
    check(worker, session, mode, planned, &question, NULL);
}

/* A call of something that must be refused: with this status and nothing decided. */
HELPER void refused(struct worker *worker, armoriq_session *session, armoriq_status expected)
{
    armoriq_verdict verdict = ARMORIQ_ALLOW;
    char *json = NULL;
    armoriq_status status;
    TIMED(worker, 0, status = armoriq_session_check(session, "fetch_sales", "{}", NULL, &verdict, &json));
    if (status != expected) fault(unexpected_statuses, "check of a dead handle", json);
    if (verdict != ARMORIQ_BLOCK) fault(wrong_verdicts, "check of a dead handle", json);
    let_go(json);
}

HELPER enum mode any_mode(struct worker *worker)
{
    return (enum mode)below(worker, MODES);
}

/* --- the calls ---------------------------------------------------------------------------------------------------- */

static void check_shared(struct worker *worker)
{
    enum mode mode = (enum mode)below(worker, LOCAL);
    check_any(worker, shared.sessions[mode], mode, shared.planned[mode]);
}

static void check_locally(struct worker *worker)
{
    int i;
    for (i = 0; i < 50; i++) check_any(worker, shared.sessions[LOCAL], LOCAL, shared.planned[LOCAL]);
}

static void check_batch(struct worker *worker)
{
    struct question questions[12];
    char calls[12 * 192], *json = NULL;
    int number = 1 + below(worker, 12), length = 0, i;
    enum mode mode = any_mode(worker);
    armoriq_verdict strictest = 77;
    armoriq_status status;

    for (i = 0; i < number; i++) {
        do pose_any(worker, &questions[i]);
        while (strstr(questions[i].options, "user_email"));
        length += snprintf(calls + length, sizeof calls - (size_t)length, "%c{\"tool\": \"%s\", \"args\": %s}",
                           i ? ',' : '[', questions[i].tool, questions[i].args);
    }
    strcpy(calls + length, "]");
    TIMED(worker, questions->timeout_ms, status = armoriq_session_check_batch(shared.sessions[mode], calls,
                                                                             questions->options, &strictest, &json));
    if (status == ARMORIQ_OK) {
        judge_batch(mode, shared.planned[mode], questions, number, strictest, json);
    } else {
        fault(unexpected_statuses, "check_batch", json);
    }
    let_go(json);
}

static void own_session(struct worker *worker)
{
    enum mode mode = any_mode(worker);
    armoriq_session *session = new_session(worker, shared.client, mode);
    int planned = plan(worker, session, NULL), i;
    char *json = NULL;
    armoriq_status status;

    for (i = below(worker, 6); i > 0; i--) check_any(worker, session, mode, planned);
    TIMED(worker, 0, status = armoriq_session_info(session, &json));
    if (status != ARMORIQ_OK || strcmp(json_text(json, "mode"), mode_names[mode]) != 0) {
        fault(wrong_results, "info", json);
    }
    let_go(json);
    json = NULL;
    TIMED(worker, 5000, status = armoriq_session_report(session, "data-mcp__fetch_sales", "{\"a\": 1}", "{\"rows\": 3}",
                                                        "{\"status\": \"success\", \"duration_ms\": 12}", &json));
    if (status != ARMORIQ_OK) fault(unexpected_statuses, "report", json);
    let_go(json);
    if (below(worker, 4) == 0) {
        TIMED(worker, 0, note_status("reset", armoriq_session_reset(session, NULL), NULL));
        check_any(worker, session, mode, 0);
    }
    armoriq_session_free(session);
    refused(worker, session, ARMORIQ_ERR_INVALID_HANDLE);
}

/* Asks, waits for the person, and asks again: an approval counts once, wherever it was found. */
static void be_held(struct worker *worker)
{
    static const char *const patience = "{\"timeout_ms\": 2000, \"interval_ms\": 100}";
    enum mode mode = (enum mode)below(worker, LOCAL);
    armoriq_session *session = shared.sessions[mode];
    struct question question;
    char delegation[64] = "", *json = NULL;
    int i;

    pose(worker, &templates[10], &question);
    question.timeout_ms = 2000;
    strcpy(question.options, "{\"timeout_ms\": 2000}");
    check(worker, session, mode, shared.planned[mode], &question, delegation);
    if (!*delegation || strcmp(delegation, "null") == 0) return;
    if (below(worker, 2)) {
        armoriq_status status;
        const char *wrong;
        TIMED(worker, 4000, status = armoriq_session_await_approval(session, delegation, patience, &json));
        note_status("await_approval", status, json);
        if (status == ARMORIQ_OK && strcmp(json_text(json, "status"), "approved") == 0) {
            wrong = note_approval(delegation, question.digest, 1);
            if (wrong) fault(wrong_verdicts, "await_approval", wrong);
            add(approvals_used, 1);
        }
        let_go(json);
    } else {
        test_sleep_ms(500 + below(worker, 1000));
    }
    for (i = 0; i < 2; i++) check(worker, session, mode, shared.planned[mode], &question, NULL);
}

static void submit_to_own_queue(struct worker *worker)
{
    struct ticket tickets[OWN_TICKETS];
    armoriq_call *calls[OWN_TICKETS] = {NULL};
    enum mode mode = any_mode(worker);
    int own = below(worker, 4) == 0, number = 1 + below(worker, OWN_TICKETS), i, planned = shared.planned[mode];
    armoriq_session *session = shared.sessions[mode];
    armoriq_queue *queue = NULL;
    armoriq_status status;

    memset(tickets, 0, sizeof tickets);
    TIMED(worker, 0, status = armoriq_queue_new((uint32_t)number, &queue, NULL));
    REQUIRE(status == ARMORIQ_OK);
    if (own) {
        session = new_session(worker, shared.client, mode);
        planned = plan(worker, session, NULL);
    }
    for (i = 0; i < number; i++) {
        tickets[i].mode = mode;
        tickets[i].planned = planned;
        submit(worker, shared.client, session, queue, &tickets[i], (uint64_t)i, below(worker, 2) ? &calls[i] : NULL);
    }
    if (number < OWN_TICKETS && submit(worker, shared.client, session, queue, &tickets[number], 0, NULL)) {
        fault(unexpected_statuses, "submit", "one more than the queue takes");
    }
    /* What was submitted goes on without it. */
    if (own) armoriq_session_free(session);
    for (i = 0; i < number; i++) {
        if (calls[i]) cancel_some(worker, &tickets[i], &calls[i]);
    }
    if (below(worker, 8) == 0) {
        int missing = 0;
        for (i = 0; i < number; i++) missing += tickets[i].stamps == 1;
        add(dropped_with_their_queue, (uint64_t)missing);
    } else {
        TIMED(worker, LOST_MS, stamp_all(queue, tickets, (size_t)number, LOST_MS));
    }
    armoriq_queue_free(queue);
}

static void submit_to_shared_queue(struct worker *worker)
{
    int number = 1 + below(worker, 4), i;
    armoriq_completion completion;
    for (i = 0; i < number; i++) {
        uint32_t at = __sync_fetch_and_add(&shared.next_ticket, 1);
        enum mode mode = any_mode(worker);
        struct ticket *ticket = &shared.tickets[at];
        armoriq_call *call = NULL;
        if (at >= SHARED_TICKETS) break;
        ticket->mode = mode;
        ticket->planned = shared.planned[mode];
        /* Whoever takes the completion may do so before the cancel. */
        ticket->cancelled = 1;
        if (!submit(worker, shared.client, shared.sessions[mode], shared.queue, ticket, at, &call)) continue;
        if (below(worker, 4) == 0) TIMED(worker, 0, note_status("cancel", armoriq_call_cancel(call, NULL), NULL));
        armoriq_call_free(call);
    }
    for (i = 0; i < number; i++) {
        armoriq_status status;
        TIMED(worker, 50, status = armoriq_queue_next(shared.queue, 50, &completion, NULL));
        if (status == ARMORIQ_OK) stamp(shared.tickets, SHARED_TICKETS, &completion);
    }
}

/* A client of its own, which is closed while it works. */
static void own_client(struct worker *worker)
{
    enum mode mode = any_mode(worker);
    armoriq_client *client = new_client(worker);
    armoriq_session *session = new_session(worker, client, mode);
    int planned = plan(worker, session, NULL), number = below(worker, OWN_TICKETS), i, wait_ms = below(worker, 2) * 100;
    struct ticket tickets[OWN_TICKETS];
    armoriq_queue *queue = NULL;
    char *json = NULL;
    armoriq_status status;

    memset(tickets, 0, sizeof tickets);
    REQUIRE(armoriq_queue_new(OWN_TICKETS, &queue, NULL) == ARMORIQ_OK);
    check_any(worker, session, mode, planned);
    if (below(worker, 4) == 0) {
        TIMED(worker, 0, status = armoriq_client_declare_tools(client, "{\"tools\": [\"data-mcp__search\"]}", &json));
        note_status("declare_tools", status, json);
        let_go(json);
        json = NULL;
    }
    for (i = 0; i < number; i++) {
        tickets[i].mode = mode;
        tickets[i].planned = planned;
        tickets[i].closed = 1;
        submit(worker, client, session, queue, &tickets[i], (uint64_t)i, NULL);
    }
    TIMED(worker, wait_ms, status = armoriq_client_close(client, (uint32_t)wait_ms, &json));
    note_status("close", status, json);
    let_go(json);
    /* All of them are there by now. */
    TIMED(worker, 0, stamp_all(queue, tickets, (size_t)number, 0));
    refused(worker, session, ARMORIQ_ERR_CLOSED);
    if (below(worker, 2)) armoriq_session_free(session);
    armoriq_client_free(client);
    armoriq_session_free(session);
    armoriq_queue_free(queue);
}

static void rotate_key(struct worker *worker)
{
    armoriq_status status;
    TIMED(worker, 0, status = armoriq_client_set_api_key(shared.client, KEYS[below(worker, 4)], NULL));
    note_status("set_api_key", status, NULL);
}

static void ask_for_tools(struct worker *worker)
{
    static const char *const tools = "[\"data-mcp__fetch_sales\", \"drop_table\", \"pay_vendor\"]";
    char *json = NULL;
    armoriq_status status;
    TIMED(worker, 10000, status = armoriq_session_tools(shared.sessions[any_mode(worker)], tools, &json));
    if (status != ARMORIQ_OK || strstr(json_member(json, "always"), "drop_table")) fault(wrong_results, "tools", json);
    let_go(json);
}

/* What the proxy makes itself. */
static void dispatch(struct worker *worker)
{
    static const struct {
        const char *tool, *args;
        armoriq_status status;
    } cases[] = {
        {"fetch_sales", "{\"quarter\": \"Q1\"}", ARMORIQ_OK},
        {"drop_table", "{}", ARMORIQ_ERR_POLICY_BLOCKED},
        {"wipe_cache", "{}", ARMORIQ_ERR_POLICY_BLOCKED},
        {"sign_contract", "{\"value\": 7}", ARMORIQ_ERR_POLICY_HOLD},
    };
    int at = below(worker, 4);
    char *json = NULL;
    armoriq_status status;
    if (!shared.planned[PROXY]) return;
    TIMED(worker, 1500, status = armoriq_session_dispatch(shared.sessions[PROXY], cases[at].tool, cases[at].args,
                                                          "{\"timeout_ms\": 1500}", &json));
    if (status == ARMORIQ_OK && cases[at].status != ARMORIQ_OK) {
        fault(wrong_verdicts, "dispatched", json);
    } else if (status != cases[at].status) {
        note_status("dispatch", status, json);
    }
    let_go(json);
}

/* A token that was revoked, with an answer that says so, is good for nothing any more. */
static void revoke(struct worker *worker)
{
    armoriq_session *session = new_session(worker, shared.client, SDK);
    char *token = NULL, *params, *json = NULL;
    armoriq_status status;
    int i;

    if (plan(worker, session, &token)) {
        check_any(worker, session, SDK, 1);
        params = malloc(strlen(token) + 64);
        REQUIRE(params != NULL);
        sprintf(params, "{\"intent_token\": %s}", token);
        TIMED(worker, 0, status = armoriq_client_verify_token(shared.client, params, &json));
        if (status != ARMORIQ_OK || strcmp(json, "true") != 0) fault(wrong_results, "verify_token", json);
        let_go(json);
        json = NULL;
        sprintf(params, "{\"intent_token\": %s, \"reason\": \"soak\"}", token);
        TIMED(worker, PLAN_MS, status = armoriq_client_revoke(shared.client, params, &json));
        note_status("revoke", status, json);
        let_go(json);
        for (i = 0; i < 2 && status == ARMORIQ_OK; i++) {
            armoriq_verdict verdict = ARMORIQ_BLOCK;
            armoriq_status asked;
            json = NULL;
            TIMED(worker, 1000, asked = armoriq_session_check(session, "fetch_sales", "{}", "{\"timeout_ms\": 1000}",
                                                              &verdict, &json));
            add(decisions, 1);
            if (asked != ARMORIQ_OK || verdict != ARMORIQ_BLOCK ||
                !(is_outage(json_text(json, "cause")) || strcmp(json_text(json, "cause"), "token") == 0)) {
                fault(wrong_verdicts, "a revoked token", json);
            }
            let_go(json);
        }
        free(params);
        let_go(token);
    }
    armoriq_session_free(session);
}

#define METHOD(name, params) {armoriq_client_##name, #name, params}

static void call_method(struct worker *worker)
{
    static const struct {
        armoriq_status (*call)(armoriq_client *, const char *, char **);
        const char *name, *params;
    } methods[] = {
        METHOD(bootstrap, NULL),
        METHOD(refresh_bootstrap, NULL),
        METHOD(list_mcps, NULL),
        METHOD(resolve_user, "{\"user_email\": \"alice@example.com\"}"),
        METHOD(invalidate_user, "{\"user_email\": \"alice@example.com\"}"),
        METHOD(get_intent_token, "{\"plan\": {\"goal\": \"g\", \"steps\": [{\"action\": \"search\", \"mcp\": \"data-mcp\"}]},"
                                 " \"user_email\": \"alice@example.com\"}"),
        METHOD(refine, "{\"agent_id\": \"sales-bot\", \"user_prompt\": \"p\", \"tool_calls\": []}"),
        METHOD(create_delegation_request, "{\"tool\": \"sign_contract\", \"action\": \"sign_contract\", "
                                          "\"requester_email\": \"alice@example.com\", \"amount\": 3}"),
        METHOD(check_approved_delegation, "{\"user_email\": \"bob@example.com\", \"tool\": \"t\", \"amount\": 4}"),
        METHOD(get_delegation_status, "{\"delegation_id\": \"00000000-0000-4000-8000-000000000000\"}"),
        METHOD(complete_plan, "{\"plan_id\": \"00000000-0000-4000-8000-000000000000\"}"),
        METHOD(update_plan_status, "{\"plan_id\": \"00000000-0000-4000-8000-000000000000\", \"status\": \"failed\"}"),
        METHOD(get_mcp_tool_schemas, "{\"mcp_name\": \"data-mcp\"}"),
        METHOD(fetch_tool_metadata, "{\"mcp_name\": \"pay-mcp\"}"),
        METHOD(resolve_role, "{\"mcp_name\": \"pay-mcp\", \"org_role\": \"approver\"}"),
        METHOD(record_token_usage, "{\"product\": \"p\", \"session_id\": \"s\", \"usage_date\": \"2026-01-01\", "
                                   "\"usage_hour\": 1, \"entries\": [{\"model\": \"m\", \"inputTokens\": 1, "
                                   "\"outputTokens\": 1, \"cacheReadTokens\": 0, \"cacheWriteTokens\": 0}]}"),
        METHOD(initialize_usage_stream, "{\"timeout_ms\": 1000}"),
    };
    int at = below(worker, (int)(sizeof methods / sizeof *methods));
    char *json = NULL;
    armoriq_status status;
    worker->doing = methods[at].name;
    TIMED(worker, PLAN_MS, status = methods[at].call(shared.client, methods[at].params, &json));
    note_status(methods[at].name, status, json);
    let_go(json);
}

/* What a thread does next, more often the one than the other. */
static void do_something(struct worker *worker)
{
    static const struct {
        void (*what)(struct worker *);
        int weight;
    } mix[] = {
        {check_shared, 100}, {check_locally, 20}, {check_batch, 15},   {own_session, 6},
        {be_held, 6},        {own_client, 3},     {rotate_key, 3},     {submit_to_own_queue, 10},
        {dispatch, 10},      {revoke, 2},         {ask_for_tools, 4},  {submit_to_shared_queue, 12},
        {call_method, 12},
    };
    size_t i;
    int total = 0, lot;
    for (i = 0; i < sizeof mix / sizeof *mix; i++) total += mix[i].weight;
    lot = below(worker, total);
    for (i = 0; lot >= mix[i].weight; i++) lot -= mix[i].weight;
    mix[i].what(worker);
}

#endif
