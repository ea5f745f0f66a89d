/*
 * What no_memory.c calls: every function of the header, with a judgement of its outcome.
 */
#ifndef NO_MEMORY_CALLS_H
#define NO_MEMORY_CALLS_H

#include "client_methods.h"
#include "process.h"

/* Services that allow, and that block, whatever they are asked. */
static struct elsewhere allowing, blocking;
/* Of the one and of the other; agent-1's policy allows fetch and blocks drop. */
static armoriq_client *client, *strict;
static armoriq_session *local, *sdk, *proxy, *strict_sdk, *strict_proxy, *holding;
static armoriq_user_scope *scope;
static armoriq_queue *queue;

#define PLAN "[{\"name\": \"data__fetch\"}, {\"name\": \"data__drop\"}]"
#define DOCUMENTS                                                                                                      \
    "{\"agent\": {\"schemaVersion\": \"armor.policy.v2\", \"policyId\": \"p\", \"target\": {\"agent\": \"a\"}, "       \
    "\"layer\": \"agent\", \"defaults\": {\"tools\": \"block\", \"network\": \"block\", \"files\": \"block\", "        \
    "\"skills\": \"block\"}, \"expiresAt\": \"never\", \"statements\": [{\"id\": \"s\", \"subject\": null, "           \
    "\"conditions\": [{\"field\": \"args.to\", \"op\": \"regex\", \"value\": \"^[a-z]+@example\\\\.com$\"}], "         \
    "\"expiresAt\": \"never\", \"provenance\": {\"ruleKey\": \"send\", \"variant\": 0, \"source\": \"yaml\"}, "        \
    "\"match\": {\"tool\": \"send\", \"keyTier\": \"exact\", \"order\": 0}, \"effect\": \"allow\"}]}}"
#define GOOD_CALL                                                                                                      \
    "{\"tool\": \"send\", \"arguments\": {\"to\": \"a@example.com\"}, \"timestamp\": \"2026-01-01T00:00:00Z\"}"
#define BAD_CALL                                                                                                       \
    "{\"tool\": \"send\", \"arguments\": {\"to\": \"a@example.org\"}, \"timestamp\": \"2026-01-01T00:00:00Z\"}"

enum outcome {
    RIGHT,   /* the right answer, whole */
    REFUSED, /* an error, or a block where the right answer was another */
    WRONG    /* anything else */
};

/* A call that gives a text and no verdict. Where there is no memory for the text, there is none. */
static enum outcome text(armoriq_status status, char **json, const char *part)
{
    enum outcome outcome = REFUSED;
    if (status == ARMORIQ_OK && *json) outcome = strstr(*json, part) ? RIGHT : WRONG;
    armoriq_string_free(*json);
    return outcome;
}

/* The outcome of something that has a verdict. Block is always right enough, and nothing else but the right one is. */
static enum outcome verdict(armoriq_status status, char *json, armoriq_verdict actual, armoriq_verdict expected)
{
    int whole = status == ARMORIQ_OK && json != NULL;
    armoriq_string_free(json);
    if (status != ARMORIQ_OK) return actual == ARMORIQ_BLOCK ? REFUSED : WRONG;
    if (actual == expected) return whole ? RIGHT : REFUSED;
    return actual == ARMORIQ_BLOCK ? REFUSED : WRONG;
}

static enum outcome check(armoriq_session *session, const char *tool, armoriq_verdict expected)
{
    armoriq_verdict actual = 77;
    char *json = NULL;
    armoriq_status status = armoriq_session_check(session, tool, "{\"n\": [1, \"two\", {}]}", NULL, &actual, &json);
    return verdict(status, json, actual, expected);
}

static enum outcome batch(armoriq_session *session, const char *tool, armoriq_verdict expected)
{
    armoriq_verdict actual = 77;
    char calls[256], *json = NULL;
    armoriq_status status;
    snprintf(calls, sizeof calls, "[{\"tool\": \"%s\"}, {\"tool\": \"%s\", \"args\": {\"n\": 1}}]", tool, tool);
    status = armoriq_session_check_batch(session, calls, NULL, &actual, &json);
    return verdict(status, json, actual, expected);
}

/* A submission, its completion, and what there is to free. */
static enum outcome completion(armoriq_status status, armoriq_call *call, armoriq_verdict expected)
{
    armoriq_completion end;
    armoriq_call_free(call);
    if (status != ARMORIQ_OK) return armoriq_queue_next(queue, 0, &end, NULL) == ARMORIQ_ERR_TIMEOUT ? REFUSED : WRONG;
    status = armoriq_queue_next(queue, 20000, &end, NULL);
    if (status != ARMORIQ_OK) return WRONG;
    return verdict(end.status, end.json, end.verdict, expected);
}

static enum outcome submit_check(armoriq_session *session, const char *tool, armoriq_verdict expected)
{
    armoriq_call *call = NULL;
    armoriq_status status = armoriq_submit_check(session, queue, 1, tool, "{}", NULL, &call, NULL);
    return completion(status, call, expected);
}

static enum outcome submit(armoriq_client *owner, armoriq_session *session, const char *method, const char *params)
{
    armoriq_call *call = NULL;
    armoriq_status status = armoriq_submit(owner, session, queue, 1, method, params, &call, NULL);
    return completion(status, call, ARMORIQ_BLOCK);
}

static enum outcome local_allow(void) { return check(local, "data__fetch", ARMORIQ_ALLOW); }
static enum outcome local_block(void) { return check(local, "data__drop", ARMORIQ_BLOCK); }
static enum outcome unplanned(void) { return check(local, "data__other", ARMORIQ_BLOCK); }
static enum outcome sdk_allow(void) { return check(sdk, "data__fetch", ARMORIQ_ALLOW); }
static enum outcome sdk_block(void) { return check(strict_sdk, "data__fetch", ARMORIQ_BLOCK); }
static enum outcome proxy_allow(void) { return check(proxy, "data__fetch", ARMORIQ_ALLOW); }
static enum outcome proxy_block(void) { return check(strict_proxy, "data__fetch", ARMORIQ_BLOCK); }
static enum outcome batch_local_allow(void) { return batch(local, "data__fetch", ARMORIQ_ALLOW); }
static enum outcome batch_local_block(void) { return batch(local, "data__drop", ARMORIQ_BLOCK); }
static enum outcome batch_sdk_allow(void) { return batch(sdk, "data__fetch", ARMORIQ_ALLOW); }
static enum outcome batch_sdk_block(void) { return batch(strict_sdk, "data__fetch", ARMORIQ_BLOCK); }
static enum outcome submit_local_allow(void) { return submit_check(local, "data__fetch", ARMORIQ_ALLOW); }
static enum outcome submit_local_block(void) { return submit_check(local, "data__drop", ARMORIQ_BLOCK); }
static enum outcome submit_sdk_allow(void) { return submit_check(sdk, "data__fetch", ARMORIQ_ALLOW); }
static enum outcome submit_sdk_block(void) { return submit_check(strict_sdk, "data__fetch", ARMORIQ_BLOCK); }
static enum outcome submit_method(void) { return submit(client, NULL, "list_mcps", "{}"); }
static enum outcome submit_report(void) { return submit(NULL, sdk, "report", "{\"tool\": \"data__fetch\"}"); }

static enum outcome cancel(void)
{
    armoriq_call *call = NULL;
    armoriq_completion end;
    armoriq_status status = armoriq_submit_check(sdk, queue, 1, "data__fetch", "{}", NULL, &call, NULL);
    if (status != ARMORIQ_OK) return REFUSED;
    status = armoriq_call_cancel(call, NULL);
    armoriq_call_free(call);
    if (armoriq_queue_next(queue, 0, &end, NULL) != ARMORIQ_OK && status == ARMORIQ_OK) return WRONG;
    armoriq_string_free(end.json);
    return status == ARMORIQ_OK ? RIGHT : REFUSED;
}

static enum outcome next(void)
{
    armoriq_completion end;
    char *json = NULL;
    armoriq_status status = armoriq_queue_next(queue, 0, &end, &json);
    armoriq_string_free(json);
    if (status != ARMORIQ_ERR_TIMEOUT) return WRONG;
    return json ? RIGHT : REFUSED;
}

static enum outcome queue_made(void)
{
    armoriq_queue *made = NULL;
    int works;
    if (armoriq_queue_new(4, &made, NULL) != ARMORIQ_OK) return made ? WRONG : REFUSED;
    works = armoriq_queue_fd(made) >= 0;
    armoriq_queue_free(made);
    return works ? RIGHT : REFUSED;
}

static enum outcome client_made(void)
{
    armoriq_client *made = NULL;
    char *json = NULL;
    armoriq_status status =
        armoriq_client_new(ARMORIQ_ABI_VERSION, "{\"api_key\": \"" TEST_KEY "\", \"agent_id\": \"a\"}", &made, &json);
    if ((status == ARMORIQ_OK) != (made != NULL)) return WRONG;
    armoriq_client_free(made);
    return text(status, &json, "null");
}

static enum outcome client_from_file(void)
{
    armoriq_client *made = NULL;
    char *json = NULL;
    armoriq_status status = armoriq_client_from_config(ARMORIQ_ABI_VERSION, "no-memory.yaml", &made, &json);
    if ((status == ARMORIQ_OK) != (made != NULL)) return WRONG;
    armoriq_client_free(made);
    return text(status, &json, "null");
}

static enum outcome session_made(void)
{
    armoriq_user_scope *user = NULL;
    armoriq_session *own = NULL, *users = NULL;
    char *json = NULL;
    enum outcome outcome = REFUSED;
    if (armoriq_for_user(client, "c@b.co", &user, NULL) == ARMORIQ_OK &&
        armoriq_user_start_session(user, "{\"mode\": \"sdk\"}", &users, NULL) == ARMORIQ_OK) {
        outcome = text(armoriq_client_start_session(client, "{\"mode\": \"local\"}", &own, &json), &json, "null");
    }
    armoriq_session_free(own);
    armoriq_session_free(users);
    armoriq_user_scope_free(user);
    return outcome;
}

/* A plan that fails leaves the one before it in force. */
static enum outcome planned(void)
{
    char *json = NULL;
    enum outcome outcome;
    armoriq_session *own = NULL;
    if (armoriq_client_start_session(client, "{\"mode\": \"local\"}", &own, NULL) != ARMORIQ_OK) return REFUSED;
    outcome = text(armoriq_session_start_plan(own, PLAN, "goal", &json), &json, "plan_1");
    if (outcome == RIGHT) outcome = check(own, "data__drop", ARMORIQ_BLOCK);
    if (outcome == RIGHT) outcome = check(own, "data__fetch", ARMORIQ_ALLOW);
    if (armoriq_session_reset(own, NULL) == ARMORIQ_OK && check(own, "data__fetch", ARMORIQ_ALLOW) == RIGHT) {
        return WRONG;
    }
    armoriq_session_free(own);
    return outcome;
}

static enum outcome evaluated(void)
{
    char *json = NULL;
    return text(armoriq_policy_evaluate(GOOD_CALL, DOCUMENTS, &json), &json, "\"verdict\":\"allow\"");
}

static enum outcome evaluated_to_block(void)
{
    char *json = NULL;
    return text(armoriq_policy_evaluate(BAD_CALL, DOCUMENTS, &json), &json, "\"verdict\":\"block\"");
}

static enum outcome explained(void)
{
    char *json = NULL;
    return text(armoriq_policy_explain(BAD_CALL, DOCUMENTS, &json), &json, "\"verdict\":\"block\"");
}

static enum outcome policy_checked(void)
{
    char *json = NULL;
    return text(armoriq_policy_check(DOCUMENTS, "[\"send\", \"other\"]", &json), &json, "");
}

static enum outcome tools(void)
{
    char *json = NULL;
    return text(armoriq_session_tools(local, "[\"data__fetch\", \"data__drop\"]", &json), &json, "data__drop");
}

static enum outcome reported(void)
{
    char *json = NULL;
    return text(armoriq_session_report(sdk, "data__fetch", "{}", "{\"r\": 1}", NULL, &json), &json, "delivered");
}

static enum outcome dispatched(void)
{
    char *json = NULL;
    return text(armoriq_session_dispatch(proxy, "data__fetch", "{}", NULL, &json), &json, "done");
}

/* What would be wrong is a result. */
static enum outcome dispatch_blocked(void)
{
    char *json = NULL;
    armoriq_status status = armoriq_session_dispatch(strict_proxy, "data__fetch", "{}", NULL, &json);
    armoriq_string_free(json);
    if (status == ARMORIQ_OK) return WRONG;
    return status == ARMORIQ_ERR_POLICY_BLOCKED && json ? RIGHT : REFUSED;
}

static enum outcome awaited(void)
{
    char *json = NULL;
    armoriq_status status = armoriq_session_await_approval(sdk, "d", "{\"timeout_ms\": 1}", &json);
    return text(status, &json, "\"timeout\"");
}

static enum outcome held(void) { return check(holding, "data__fetch", ARMORIQ_HOLD); }

static enum outcome told(void)
{
    char *json = NULL;
    enum outcome outcome = text(armoriq_client_info(client, &json), &json, "agent-1");
    json = NULL;
    return outcome == RIGHT ? text(armoriq_session_info(local, &json), &json, "plan_1") : outcome;
}

static enum outcome key_set(void)
{
    char *json = NULL;
    return text(armoriq_client_set_api_key(client, TEST_KEY, &json), &json, "null");
}

static void on_line(void *unused, int32_t level, const char *target, const char *message)
{
    (void)unused, (void)level, (void)target, (void)message;
}

static enum outcome logged(void)
{
    char *json = NULL;
    if (armoriq_set_logger(5, on_line, NULL, NULL) != ARMORIQ_OK) return REFUSED;
    return text(armoriq_set_logger(5, NULL, NULL, &json), &json, "null");
}

static enum outcome resolved(void)
{
    char *json = NULL;
    return text(armoriq_user_resolve(scope, &json), &json, "u_1");
}

static enum outcome client_closed(void)
{
    armoriq_client *made = NULL;
    char *json = NULL;
    enum outcome outcome;
    if (armoriq_client_new(ARMORIQ_ABI_VERSION, "{\"api_key\": \"" TEST_KEY "\"}", &made, NULL) != ARMORIQ_OK) {
        return REFUSED;
    }
    outcome = text(armoriq_client_close(made, 0, &json), &json, "pending");
    armoriq_client_free(made);
    return outcome;
}

struct entry {
    const char *name;
    enum outcome (*call)(void);
};

static const struct entry entries[] = {
    {"check, local, allow", local_allow},
    {"check, local, block", local_block},
    {"check, not planned", unplanned},
    {"check, sdk, allow", sdk_allow},
    {"check, sdk, block", sdk_block},
    {"check, sdk, hold", held},
    {"check, proxy, allow", proxy_allow},
    {"check, proxy, block", proxy_block},
    {"batch, local, allow", batch_local_allow},
    {"batch, local, block", batch_local_block},
    {"batch, sdk, allow", batch_sdk_allow},
    {"batch, sdk, block", batch_sdk_block},
    {"submit_check, local, allow", submit_local_allow},
    {"submit_check, local, block", submit_local_block},
    {"submit_check, sdk, allow", submit_sdk_allow},
    {"submit_check, sdk, block", submit_sdk_block},
    {"submit, client", submit_method},
    {"submit, session", submit_report},
    {"call_cancel", cancel},
    {"queue_next", next},
    {"queue_new, queue_fd", queue_made},
    {"client_new", client_made},
    {"client_from_config", client_from_file},
    {"client_close", client_closed},
    {"for_user, start_session", session_made},
    {"user_resolve", resolved},
    {"start_plan, reset", planned},
    {"policy_evaluate, allow", evaluated},
    {"policy_evaluate, block", evaluated_to_block},
    {"policy_explain", explained},
    {"policy_check", policy_checked},
    {"session_tools", tools},
    {"report", reported},
    {"dispatch", dispatched},
    {"dispatch, block", dispatch_blocked},
    {"await_approval", awaited},
    {"info", told},
    {"set_api_key", key_set},
    {"set_logger", logged},
};

/* The methods of the client share one way in and one way out: of each, whatever the service says, and no crash. */
static const struct method INVOCATIONS[] = {
    {METHOD(invoke), NULL, "{" CALL "}"},
    {METHOD(invoke_with_policy), NULL, "{" CALL "}"},
};

static const struct method *method;
static armoriq_status usual;

static enum outcome call_method(void)
{
    char *json = NULL;
    armoriq_status status = method->call(client, method->good, &json);
    armoriq_string_free(json);
    if (status == ARMORIQ_OK && usual != ARMORIQ_OK) return WRONG;
    return status == usual && json ? RIGHT : REFUSED;
}

#endif
