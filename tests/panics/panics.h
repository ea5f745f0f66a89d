/* What the programs share that make the library panic: tests/panics/run.sh says how. */
#ifndef PANICS_H
#define PANICS_H

#include "queue.h"

/* Of the feature panic_probe; src/ffi/panic_probe.rs says what it does. */
extern uint32_t armoriq_panic_probe(uint32_t nth, int32_t at_end);

#define ENFORCE "/iap/sdk/enforce"
#define TEXT "panic: as asked for"
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- Handles of every kind --------------------------------------------------------------------------------------- */

enum owner { NOBODY, CLIENT, USER, SESSION, QUEUE, CALL };

struct handles {
    armoriq_client *client;
    armoriq_user_scope *user;
    armoriq_session *session;
    armoriq_queue *queue;
    armoriq_call *call;
};

static struct service *service;

HELPER struct handles handles_new(void)
{
    struct handles made = {NULL, NULL, NULL, NULL, NULL};
    made.client = test_client(service->url, ", \"timeout_ms\": 20000, \"max_retries\": 0");
    CHECK_STATUS(ARMORIQ_OK, armoriq_for_user(made.client, "a@b.co", &made.user, NULL));
    made.session = test_session(made.client, NULL, "{\"mode\": \"sdk\"}");
    test_plan(made.session, "[{\"name\": \"data__fetch\"}]");
    made.queue = queue_new(4);
    queue_check(made.session, made.queue, 1, &made.call);
    armoriq_string_free(queue_take(made.queue).json);
    return made;
}

HELPER void handles_free(struct handles *handles)
{
    armoriq_call_free(handles->call);
    armoriq_queue_free(handles->queue);
    armoriq_session_free(handles->session);
    armoriq_user_scope_free(handles->user);
    armoriq_client_free(handles->client);
}

/* The handles but one work, whatever happened to that one. */
HELPER void check_others(const struct handles *on, enum owner spoiled)
{
    armoriq_completion none;
    char *json = NULL;
    if (spoiled != CLIENT) CHECK_STATUS(ARMORIQ_OK, armoriq_client_info(on->client, NULL));
    if (spoiled != SESSION) CHECK_STATUS(ARMORIQ_OK, armoriq_session_info(on->session, NULL));
    if (spoiled != QUEUE) CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(on->queue, 0, &none, NULL));
    if (spoiled != CALL) CHECK_STATUS(ARMORIQ_OK, armoriq_call_cancel(on->call, NULL));
    /* What a scope does goes out to the service, which does not know it. */
    if (spoiled != USER && armoriq_user_resolve(on->user, &json) == ARMORIQ_ERR_INTERNAL) CHECK(!"the user's scope");
    armoriq_string_free(json);
}

/* --- Methods, with params that get as far as the service or the guard's end -------------------------------------- */

#define CLIENT_METHODS(DO)                                                                                             \
    DO(bootstrap, "{}")                                                                                                \
    DO(refresh_bootstrap, "{}")                                                                                        \
    DO(list_mcps, "{}")                                                                                                \
    DO(resolve_user, "{\"user_email\": \"a@b.co\"}")                                                                   \
    DO(invalidate_user, "{\"user_email\": \"a@b.co\"}")                                                                \
    DO(get_intent_token, "{\"plan\": {\"steps\": [{\"action\": \"fetch\", \"mcp\": \"data\"}]}}")                      \
    DO(verify_token, "{\"intent_token\": " SERVICE_TOKEN "}")                                                          \
    DO(invoke, "{\"mcp\": \"data\", \"action\": \"fetch\", \"intent_token\": " SERVICE_TOKEN "}")                      \
    DO(invoke_with_policy, "{\"mcp\": \"data\", \"action\": \"fetch\", \"intent_token\": " SERVICE_TOKEN "}")          \
    DO(delegate, "{\"intent_token\": " SERVICE_TOKEN ", \"delegate_public_key\": \"00\"}")                             \
    DO(delegate_subtree,                                                                                               \
       "{\"intent_token\": " SERVICE_TOKEN ", \"delegate_public_key\": \"00\", \"subtree_path\": \"/steps/[0]\"}")     \
    DO(revoke, "{\"intent_token\": " SERVICE_TOKEN ", \"reason\": \"r\"}")                                             \
    DO(reanchor, "{\"intent_token\": " SERVICE_TOKEN ", \"updated_plan\": {\"steps\": []}}")                           \
    DO(refine, "{\"agent_id\": \"agent-1\"}")                                                                          \
    DO(create_delegation_request, "{\"tool\": \"t\", \"action\": \"a\", \"requester_email\": \"a@b.co\"}")             \
    DO(check_approved_delegation, "{\"user_email\": \"a@b.co\", \"tool\": \"t\", \"amount\": 1}")                      \
    DO(get_delegation_status, "{\"delegation_id\": \"d\"}")                                                            \
    DO(mark_delegation_executed, "{\"user_email\": \"a@b.co\", \"delegation_id\": \"d\"}")                             \
    DO(complete_plan, "{\"plan_id\": \"p\"}")                                                                          \
    DO(update_plan_status, "{\"plan_id\": \"p\", \"status\": \"completed\"}")                                          \
    DO(get_mcp_tool_schemas, "{\"mcp_name\": \"data\"}")                                                               \
    DO(fetch_tool_metadata, "{\"mcp_name\": \"data\"}")                                                                \
    DO(resolve_role, "{\"mcp_name\": \"data\", \"org_role\": \"admin\"}")                                              \
    DO(declare_tools, "{\"tools\": []}")                                                                               \
    DO(record_token_usage,                                                                                             \
       "{\"product\": \"p\", \"session_id\": \"s\", \"entries\": [], "                                                 \
       "\"usage_date\": \"2026-01-01\", \"usage_hour\": 1}")                                                           \
    DO(initialize_usage_stream, "{}")                                                                                  \
    DO(reset_usage_stream, "{\"generation\": 1, \"reset_id\": \"r\"}")                                                 \
    DO(record_token_usage_batch, "{\"batch\": {}}")                                                                    \
    DO(report_usage_run, "{\"run_id\": \"r\", \"report\": {}}")                                                        \
    DO(capture_transcript_tokens, "{\"transcript_path\": \"none\", \"product\": \"p\", \"session_id\": \"s\"}")

#define SESSION_METHODS(DO)                                                                                            \
    DO(start_plan, "{\"tool_calls\": [{\"name\": \"data__fetch\"}, {\"name\": \"data__more\"}]}")                      \
    DO(check_batch, "{\"calls\": [{\"tool\": \"data__fetch\", \"args\": {}}]}")                                        \
    DO(report, "{\"tool\": \"data__fetch\"}")                                                                          \
    DO(dispatch, "{\"tool\": \"data__fetch\"}")                                                                        \
    DO(await_approval, "{\"delegation_id\": \"d\"}")

/* --- Counting ---------------------------------------------------------------------------------------------------- */

static int passed, failed;

/* Counts what ran since the last call. */
HELPER void count(const char *name, const char *how)
{
    static int failures;
    if (test_failures == failures) {
        passed++;
    } else {
        failed++;
        printf("FAILED %s%s\n", name, how);
    }
    failures = test_failures;
}

#endif
