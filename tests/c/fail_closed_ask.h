/* A cell of the table, and how it asks: by the function that blocks, or by the queue. */
#ifndef FAIL_CLOSED_ASK_H
#define FAIL_CLOSED_ASK_H

#include "fail_closed.h"

/* A path and a fault. */
struct cell {
    const struct path *path;
    const struct fault *fault;
    struct service *service;
    armoriq_client *client;
    armoriq_session *session;
    armoriq_queue *queue; /* there where the call is submitted; otherwise it blocks */
    armoriq_call *call;
    char *token;
    char options[96], params[8192]; /* what is asked: options of a function, params of a method */
    char text[64];                  /* what came of it */
};

HELPER void says(struct cell *cell, const char *text)
{
    snprintf(cell->text, sizeof cell->text, "%s", text);
}

HELPER void says_status(struct cell *cell, armoriq_status status)
{
    says(cell, armoriq_status_name(status) + strlen("ARMORIQ_ERR_"));
}

/* A decision in one word: allow, hold, or the cause of the block. */
HELPER void says_decision(struct cell *cell, armoriq_verdict verdict, const char *json)
{
    const char *decision = *json == '[' ? json + 1 : json;
    says(cell, verdict == ARMORIQ_ALLOW ? "allow" : verdict == ARMORIQ_HOLD ? "hold" : json_text(decision, "cause"));
    CHECK_MEMBER(decision, "allowed", verdict == ARMORIQ_ALLOW ? "true" : "false");
}

/* The list that the tool is in. */
HELPER void says_outlook(struct cell *cell, const char *json)
{
    static const char *const lists[] = {"always", "depends", "hold", "never", "unknown"};
    size_t i;
    for (i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (strstr(json_member(json, lists[i]), "data__fetch")) says(cell, lists[i]);
    }
}

HELPER void says_answer(struct cell *cell, armoriq_status status, armoriq_verdict verdict, const char *json)
{
    if (status != ARMORIQ_OK) {
        if (verdict != ARMORIQ_BLOCK) test_fail(__FILE__, __LINE__, "an error with a verdict", json);
        says_status(cell, status);
        return;
    }
    switch (cell->path->call) {
    case CHECK_CALL:
    case BATCH: says_decision(cell, verdict, json); break;
    case TOOLS: says_outlook(cell, json); break;
    case AWAIT: says(cell, json_text(json, "status")); break;
    case DISPATCH: says(cell, json); break;
    case INVOCATION:
    case INVOCATION_WITH_POLICY: says(cell, json_text(json, "result")); break;
    }
}

static const char *const CALLS = "[{\"tool\": \"data__fetch\", \"args\": {}}]";

/*
 * The limit of a cell's call, or 0: long enough for what comes before the request that is not answered, also on a
 * machine that is busy.
 */
HELPER int cell_limit(const struct cell *cell)
{
    int limit = cell->fault->timeout_ms;
    if (limit <= 1) return limit;
    limit = test_patient(limit);
    return limit < 400 ? 400 : limit;
}

/* Writes down what is asked of a cell that has a plan. */
HELPER void prepare_cell(struct cell *cell)
{
    int limit = cell_limit(cell);
    char *params = cell->params, in_time[64] = "";
    size_t size = sizeof cell->params;
    int written = 0;

    if (limit) snprintf(in_time, sizeof in_time, "\"timeout_ms\": %d", limit);
    snprintf(cell->options, sizeof cell->options, "{%s}", in_time);
    switch (cell->path->call) {
    case CHECK_CALL:
    case TOOLS: break;
    case BATCH: written = snprintf(params, size, "{\"calls\": %s, \"options\": %s}", CALLS, cell->options); break;
    case AWAIT:
        if (!limit) snprintf(in_time, sizeof in_time, "\"timeout_ms\": %d", test_patient(300));
        snprintf(cell->options, sizeof cell->options, "{%s, \"interval_ms\": 100}", in_time);
        written = snprintf(params, size, "{\"delegation_id\": \"d\", %s", cell->options + 1);
        break;
    case DISPATCH:
        written = snprintf(params, size, "{\"tool\": \"data__fetch\", \"args\": {}, \"options\": %s}", cell->options);
        break;
    case INVOCATION:
        written = snprintf(params, size, "{\"mcp\": \"data\", \"action\": \"fetch\", \"intent_token\": %s%s%s}",
                           cell->token, limit ? ", " : "", in_time);
        break;
    case INVOCATION_WITH_POLICY:
        written = snprintf(params, size, "{\"mcp\": \"data\", \"action\": \"fetch\", \"intent_token\": %s}",
                           cell->token);
        break;
    }
    REQUIRE(written >= 0 && (size_t)written < size);
}

/* Makes the call, and waits in it. */
HELPER void call_and_wait(struct cell *cell)
{
    char *json = NULL;
    /* What an error leaves of it is seen, too. */
    armoriq_verdict verdict = ARMORIQ_ALLOW;
    armoriq_status status = ARMORIQ_OK;

    switch (cell->path->call) {
    case CHECK_CALL:
        status = armoriq_session_check(cell->session, "data__fetch", "{}", cell->options, &verdict, &json);
        break;
    case BATCH: status = armoriq_session_check_batch(cell->session, CALLS, cell->options, &verdict, &json); break;
    case TOOLS: status = armoriq_session_tools(cell->session, "[\"data__fetch\"]", &json); break;
    case AWAIT: status = armoriq_session_await_approval(cell->session, "d", cell->options, &json); break;
    case DISPATCH:
        status = armoriq_session_dispatch(cell->session, "data__fetch", "{}", cell->options, &json);
        break;
    case INVOCATION: status = armoriq_client_invoke(cell->client, cell->params, &json); break;
    case INVOCATION_WITH_POLICY:
        status = armoriq_client_invoke_with_policy(cell->client, cell->params, &json);
        break;
    }
    says_answer(cell, status, cell->path->call > BATCH ? ARMORIQ_BLOCK : verdict, json);
    armoriq_string_free(json);
}

/* Submits the call. */
HELPER void submit(struct cell *cell)
{
    static const char *const methods[] = {NULL, "check_batch", NULL, "await_approval", "dispatch", "invoke",
                                          "invoke_with_policy"};
    enum call call = cell->path->call;
    int of_client = call >= INVOCATION;
    armoriq_status status;
    if (call == CHECK_CALL) {
        status = armoriq_submit_check(cell->session, cell->queue, 7, "data__fetch", "{}", cell->options, &cell->call,
                                      NULL);
    } else {
        status = armoriq_submit(of_client ? cell->client : NULL, of_client ? NULL : cell->session, cell->queue, 7,
                                methods[call], cell->params, &cell->call, NULL);
    }
    if (status != ARMORIQ_OK) says_status(cell, status);
}

/* Takes the completion of a call that was accepted. */
HELPER void take(struct cell *cell)
{
    armoriq_completion completion;
    armoriq_status status;
    if (cell->text[0]) return;
    status = armoriq_queue_next(cell->queue, 60000, &completion, NULL);
    if (status != ARMORIQ_OK) {
        says_status(cell, status);
        return;
    }
    CHECK(completion.user_data == 7);
    if (cell->path->call != CHECK_CALL) {
        CHECK(completion.verdict == ARMORIQ_BLOCK);
        /* A batch's strictest verdict does not come with its completion: it is that of its one decision. */
        if (completion.status == ARMORIQ_OK && cell->path->call == BATCH) {
            const char *action = json_text(completion.json + 1, "action");
            completion.verdict = strcmp(action, "allow") == 0  ? ARMORIQ_ALLOW
                                 : strcmp(action, "hold") == 0 ? ARMORIQ_HOLD
                                                               : ARMORIQ_BLOCK;
        }
    }
    says_answer(cell, completion.status, completion.verdict, completion.json);
    armoriq_string_free(completion.json);
}

HELPER void ask(struct cell *cell)
{
    if (!cell->queue) {
        call_and_wait(cell);
        return;
    }
    submit(cell);
    take(cell);
}

HELPER int goes_ahead(const char *text)
{
    static const char *const ahead[] = {"allow", "always", "approved", "OK", "done", "\"done\""};
    size_t i;
    for (i = 0; i < sizeof ahead / sizeof *ahead; i++) {
        if (strcmp(text, ahead[i]) == 0) return 1;
    }
    return 0;
}

#endif
