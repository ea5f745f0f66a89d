/*
 * Every function of the header without memory: its n-th allocation fails, alone or with all that follow, for one n
 * after the other until the function needs no more. The outcome is an error, a block, the right answer, or abort(),
 * which is what Rust does when a small allocation fails; never another verdict, another signal, or no end. And the same
 * where big inputs meet a limit on the address space. This program brings an allocator of its own, which the library
 * then finds in place of the system's.
 */
#include "no_memory_calls.h"

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

static void fail_in_method(const struct method *made)
{
    struct entry entry = {made->name, call_method};
    char *json = NULL;
    method = made;
    usual = method->call(client, method->good, &json);
    armoriq_string_free(json);
    fail_one_after_the_other(&entry, 1);
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
    for (i = 0; i < sizeof METHODS / sizeof *METHODS; i++) fail_in_method(&METHODS[i]);
    for (i = 0; i < sizeof INVOCATIONS / sizeof *INVOCATIONS; i++) fail_in_method(&INVOCATIONS[i]);
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
