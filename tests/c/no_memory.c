/*
 * Every function of the header without memory: its n-th allocation fails, alone or with all that follow, for one n
 * after the other until the function needs no more. The outcome is an error, a block, the right answer, or abort(),
 * which is what Rust does when a small allocation fails; never another verdict, another signal, or no end. And the same
 * where big inputs meet a limit on the address space. This program brings an allocator of its own, which the library
 * then finds in place of the system's.
 */
#include "process.h"

#include <fcntl.h>
#include <sys/resource.h>

/* --- the allocator ------------------------------------------------------------------------------------------------ */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

/* Which allocation from now on fails, the first being 1; none does while it is 0. */
static int failing, all_that_follow, done;

static int fails(void)
{
    int number;
    if (!__sync_fetch_and_add(&failing, 0)) return 0;
    number = __sync_add_and_fetch(&done, 1);
    return number == failing || (all_that_follow && number > failing);
}

void *malloc(size_t size)
{
    if (!fails()) return __libc_malloc(size);
    errno = ENOMEM;
    return NULL;
}

void *calloc(size_t count, size_t size)
{
    if (!fails()) return __libc_calloc(count, size);
    errno = ENOMEM;
    return NULL;
}

void *realloc(void *old, size_t size)
{
    if (!fails()) return __libc_realloc(old, size);
    errno = ENOMEM;
    return NULL;
}

int posix_memalign(void **made, size_t alignment, size_t size)
{
    if (fails()) return ENOMEM;
    *made = __libc_memalign(alignment, size);
    return *made ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    if (!fails()) return __libc_memalign(alignment, size);
    errno = ENOMEM;
    return NULL;
}

/* --- what is called ----------------------------------------------------------------------------------------------- */

/* Services that allow, and that block, whatever they are asked. */
static struct elsewhere allowing, blocking;
/* Of the one and of the other; agent-1's policy allows fetch and blocks drop. */
static armoriq_client *client, *strict;
static armoriq_session *local, *sdk, *proxy, *strict_sdk, *strict_proxy, *holding;
static armoriq_user_scope *scope;
static armoriq_queue *queue;

#define PLAN "[{\"name\": \"data__fetch\"}, {\"name\": \"data__drop\"}]"
#define TOKEN                                                                                                          \
    "\"intent_token\": {\"token_id\": \"t\", \"plan_hash\": \"h\", \"signature\": \"s\", \"issued_at\": 1, "           \
    "\"expires_at\": 4102444800, \"total_steps\": 0, \"raw_token\": {}}"
#define ID "\"3f2b8c1e-5a0d-4e8f-9b1a-2c3d4e5f6a7b\""
#define INVOCATION "{\"mcp\": \"data\", \"action\": \"fetch\", " TOKEN "}"
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
static const struct method {
    const char *name;
    armoriq_status (*call)(armoriq_client *, const char *, char **);
    const char *params;
} methods[] = {
    {"invoke", armoriq_client_invoke, INVOCATION},
    {"invoke_with_policy", armoriq_client_invoke_with_policy, INVOCATION},
    {"get_intent_token", armoriq_client_get_intent_token, "{\"plan\": {\"steps\": []}}"},
    {"verify_token", armoriq_client_verify_token, "{" TOKEN "}"},
    {"delegate", armoriq_client_delegate, "{" TOKEN ", \"delegate_public_key\": \"k\"}"},
    {"delegate_subtree", armoriq_client_delegate_subtree,
     "{" TOKEN ", \"delegate_public_key\": \"k\", \"subtree_path\": \"/steps/[0]\"}"},
    {"revoke", armoriq_client_revoke, "{" TOKEN ", \"reason\": \"r\"}"},
    {"reanchor", armoriq_client_reanchor, "{" TOKEN ", \"updated_plan\": {}}"},
    {"refine", armoriq_client_refine, "{\"tool_calls\": []}"},
    {"create_delegation_request", armoriq_client_create_delegation_request,
     "{\"tool\": \"t\", \"action\": \"a\", \"requester_email\": \"a@b.co\"}"},
    {"check_approved_delegation", armoriq_client_check_approved_delegation,
     "{\"user_email\": \"a@b.co\", \"tool\": \"t\", \"amount\": 1}"},
    {"get_delegation_status", armoriq_client_get_delegation_status, "{\"delegation_id\": \"d\"}"},
    {"mark_delegation_executed", armoriq_client_mark_delegation_executed,
     "{\"user_email\": \"a@b.co\", \"delegation_id\": \"d\"}"},
    {"complete_plan", armoriq_client_complete_plan, "{\"plan_id\": \"p\"}"},
    {"update_plan_status", armoriq_client_update_plan_status, "{\"plan_id\": \"p\", \"status\": \"failed\"}"},
    {"bootstrap", armoriq_client_bootstrap, NULL},
    {"refresh_bootstrap", armoriq_client_refresh_bootstrap, NULL},
    {"list_mcps", armoriq_client_list_mcps, NULL},
    {"resolve_user", armoriq_client_resolve_user, "{\"user_email\": \"a@b.co\"}"},
    {"invalidate_user", armoriq_client_invalidate_user, "{\"user_email\": \"a@b.co\"}"},
    {"get_mcp_tool_schemas", armoriq_client_get_mcp_tool_schemas, "{\"mcp_name\": \"m\"}"},
    {"fetch_tool_metadata", armoriq_client_fetch_tool_metadata, "{\"mcp_name\": \"m\"}"},
    {"resolve_role", armoriq_client_resolve_role, "{\"mcp_name\": \"m\", \"org_role\": \"r\"}"},
    {"declare_tools", armoriq_client_declare_tools, "{\"tools\": [\"t\"]}"},
    {"record_token_usage", armoriq_client_record_token_usage,
     "{\"product\": \"p\", \"session_id\": \"s\", \"entries\": [], \"usage_date\": \"2026-02-03\", \"usage_hour\": 0}"},
    {"initialize_usage_stream", armoriq_client_initialize_usage_stream, NULL},
    {"reset_usage_stream", armoriq_client_reset_usage_stream,
     "{\"generation\": " ID ", \"reset_id\": " ID "}"},
    {"record_token_usage_batch", armoriq_client_record_token_usage_batch, "{\"batch\": {}}"},
    {"report_usage_run", armoriq_client_report_usage_run,
     "{\"run_id\": " ID ", \"report\": {}}"},
    {"capture_transcript_tokens", armoriq_client_capture_transcript_tokens,
     "{\"transcript_path\": \"/nowhere\", \"product\": \"p\", \"session_id\": \"s\"}"},
};

static const struct method *method;
static armoriq_status usual;

static enum outcome call_method(void)
{
    char *json = NULL;
    armoriq_status status = method->call(client, method->params, &json);
    armoriq_string_free(json);
    if (status == ARMORIQ_OK && usual != ARMORIQ_OK) return WRONG;
    return status == usual && json ? RIGHT : REFUSED;
}

/* --- failing ------------------------------------------------------------------------------------------------------ */

/* How the children ended. */
enum { SURVIVED, NOT_REACHED = 10, NO_RECOVERY, WRONG_ANSWER };

static int aborted, refused, right;

/* What abort() would say, and leave. */
static void silence(void)
{
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 2);
    prctl(PR_SET_DUMPABLE, 0);
}

/* In a child, in which the n-th allocation of the call fails. */
static int suffer(const struct entry *entry, int n)
{
    enum outcome outcome;
    silence();
    __sync_lock_test_and_set(&done, 0);
    __sync_lock_test_and_set(&failing, n);
    outcome = entry->call();
    __sync_lock_release(&failing);
    if (outcome == WRONG) return WRONG_ANSWER;
    if (outcome == RIGHT && done < n) return NOT_REACHED;
    /* A failure that the process outlived has spoiled nothing. */
    if (entry->call() != RIGHT) return NO_RECOVERY;
    return SURVIVED + (outcome == RIGHT);
}

/* Notes how a child ended; whether it got through without the n-th allocation. */
static int judge(const char *name, int n, int status)
{
    char detail[96];
    if (status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) {
        aborted++;
        return 0;
    }
    if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) <= SURVIVED + 1) {
        if (WEXITSTATUS(status) == SURVIVED) refused++;
        else right++;
        return 0;
    }
    if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == NOT_REACHED) return 1;
    snprintf(detail, sizeof detail, "allocation %d%s: waitpid() said %#x", n,
             all_that_follow ? " and all that follow" : "", (unsigned)status);
    test_fail(__FILE__, __LINE__, name, detail);
    return 0;
}

/* One n after the other; of the many of a call over the network the fewer are left out, the finer it is to be. */
static void fail_one_after_the_other(const struct entry *entry, int fineness)
{
    int n = 1, step, reached = 0;
    if (entry->call() != RIGHT) {
        test_fail(__FILE__, __LINE__, entry->name, "it does not work with all the memory that there is");
        return;
    }
    while (!reached && n < 100000) {
        pid_t child = test_fork();
        if (child == 0) _exit(suffer(entry, n));
        reached = judge(entry->name, n, process_end(child, 30000));
        step = n / fineness;
        n += step > 1 ? step : 1;
    }
    if (!reached) test_fail(__FILE__, __LINE__, entry->name, "it never had enough");
}

/* --- a limit on the address space --------------------------------------------------------------------------------- */

static char *big;

static enum outcome big_local(void)
{
    armoriq_verdict actual = 77;
    char *json = NULL;
    armoriq_status status = armoriq_session_check(local, "data__drop", big, NULL, &actual, &json);
    return verdict(status, json, actual, ARMORIQ_BLOCK);
}

static enum outcome big_sdk(void)
{
    armoriq_verdict actual = 77;
    char *json = NULL;
    armoriq_status status = armoriq_session_check(strict_sdk, "data__fetch", big, NULL, &actual, &json);
    return verdict(status, json, actual, ARMORIQ_BLOCK);
}

static enum outcome big_submit(void)
{
    return completion(armoriq_submit_check(strict_sdk, queue, 1, "data__fetch", big, NULL, NULL, NULL), NULL,
                      ARMORIQ_BLOCK);
}

static enum outcome big_plan(void)
{
    char *json = NULL;
    armoriq_status status = armoriq_session_start_plan(sdk, big, NULL, &json);
    armoriq_string_free(json);
    return status == ARMORIQ_OK ? WRONG : RIGHT;
}

static enum outcome big_evaluation(void)
{
    char *json = NULL;
    armoriq_status status = armoriq_policy_evaluate(big, big, &json);
    armoriq_string_free(json);
    return status == ARMORIQ_OK ? WRONG : RIGHT;
}

static const struct entry big_entries[] = {
    {"check, local, 16 MiB", big_local}, {"check, sdk, 16 MiB", big_sdk},
    {"submit_check, 16 MiB", big_submit}, {"start_plan, 16 MiB", big_plan},
    {"policy_evaluate, 16 MiB", big_evaluation},
};

static size_t address_space(void)
{
    const char *line = strstr(process_read("/proc/self/status"), "VmSize:");
    REQUIRE(line != NULL);
    return (size_t)strtoul(line + 7, NULL, 10) << 10;
}

/* Room for so many mebibytes more, up to far more than is needed. */
static void limit_the_address_space(const struct entry *entry)
{
    size_t room;
    for (room = 0; room <= 512; room = room ? room * 2 : 1) {
        pid_t child = test_fork();
        if (child == 0) {
            struct rlimit limit, before;
            enum outcome outcome;
            silence();
            getrlimit(RLIMIT_AS, &before);
            limit = before;
            limit.rlim_cur = address_space() + (room << 20);
            if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(WRONG_ANSWER);
            outcome = entry->call();
            setrlimit(RLIMIT_AS, &before);
            if (outcome == WRONG) _exit(WRONG_ANSWER);
            if (local_block() != RIGHT || sdk_block() != RIGHT || local_allow() != RIGHT) _exit(NO_RECOVERY);
            _exit(SURVIVED + (outcome == RIGHT));
        }
        judge(entry->name, (int)room, process_end(child, 60000));
    }
}

/* A list of numbers in an object, as long as JSON may be. */
static void make_big(void)
{
    size_t length = 16 << 20, at;
    big = malloc(length + 1);
    REQUIRE(big != NULL);
    memcpy(big, "{\"a\": [1", 8);
    for (at = 8; at < length - 2; at += 2) memcpy(big + at, ",1", 2);
    memcpy(big + length - 2, "]}", 3);
}

static void prepare(struct service *made)
{
    service_json(made, "/policy/bundles/current", 200, SERVICE_BUNDLE);
    service_json(made, "/iap/audit", 201, "{}");
    service_json(made, "/mcp/my-servers", 200, "{\"data\": []}");
    service_json(made, "/delegation/d/status", 200, "{\"status\": \"pending\"}");
    service_json(made, "/delegation/request", 201, "{\"delegationId\": \"d\", \"status\": \"pending\"}");
    service_json(made, "/delegation/check-approved", 200, "{\"approved\": false}");
    service_json(made, "/iap/sdk/resolve-user", 200, "{\"userId\": \"u_1\"}");
}

static void allow(struct service *made)
{
    prepare(made);
    service_json(made, "/iap/sdk/enforce", 200, "{\"allowed\": true}");
    service_json(made, "/invoke", 200, "{\"result\": \"done\", \"allowed\": true}");
}

static void block(struct service *made)
{
    prepare(made);
    service_json(made, "/iap/sdk/enforce", 200, "{\"allowed\": false, \"enforcementAction\": \"block\"}");
    service_json(made, "/invoke", 200, "{\"allowed\": false, \"enforcementAction\": \"block\"}");
}

static void hold(struct service *made)
{
    prepare(made);
    service_json(made, "/iap/sdk/enforce", 200, "{\"allowed\": false, \"enforcementAction\": \"hold\"}");
}

static armoriq_session *planned_session(armoriq_client *owner, const char *options)
{
    armoriq_session *made = test_session(owner, "a@b.co", options);
    test_plan(made, PLAN);
    return made;
}

static void write_config(void)
{
    FILE *file = fopen("no-memory.yaml", "w");
    REQUIRE(file != NULL);
    fprintf(file, "version: v1\nidentity:\n  api_key: " TEST_KEY "\n  user_id: u\n  agent_id: a\n");
    fclose(file);
}

int main(void)
{
    struct elsewhere asking;
    size_t i;
    allowing = elsewhere_start(allow);
    blocking = elsewhere_start(block);
    asking = elsewhere_start(hold);
    write_config();
    client = test_client(allowing.url, ", \"agent_id\": \"agent-1\", \"max_retries\": 0");
    strict = test_client(blocking.url, ", \"agent_id\": \"agent-1\", \"max_retries\": 0");
    local = planned_session(client, NULL);
    sdk = planned_session(client, "{\"mode\": \"sdk\"}");
    proxy = planned_session(client, "{\"mode\": \"proxy\"}");
    strict_sdk = planned_session(strict, "{\"mode\": \"sdk\"}");
    strict_proxy = planned_session(strict, "{\"mode\": \"proxy\"}");
    holding = planned_session(test_client(asking.url, ", \"max_retries\": 0"), "{\"mode\": \"sdk\"}");
    REQUIRE(armoriq_for_user(client, "a@b.co", &scope, NULL) == ARMORIQ_OK);
    REQUIRE(armoriq_queue_new(8, &queue, NULL) == ARMORIQ_OK);

    for (all_that_follow = 0; all_that_follow < 2; all_that_follow++) {
        for (i = 0; i < sizeof entries / sizeof *entries; i++) {
            fail_one_after_the_other(&entries[i], all_that_follow ? 1 : 3);
        }
    }
    all_that_follow = 0;
    for (i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct entry entry = {methods[i].name, call_method};
        char *json = NULL;
        method = &methods[i];
        usual = method->call(client, method->params, &json);
        armoriq_string_free(json);
        fail_one_after_the_other(&entry, 1);
    }
    make_big();
    for (i = 0; i < sizeof big_entries / sizeof *big_entries; i++) limit_the_address_space(&big_entries[i]);
    /* For whoever reads this: how it went. */
    printf("%d aborted, %d refused, %d right all the same\n", aborted, refused, right);
    CHECK(aborted > 0 && refused > 0);
    elsewhere_stop(&asking);
    elsewhere_stop(&blocking);
    elsewhere_stop(&allowing);
    remove("no-memory.yaml");
    return test_result();
}
