/*
 * The end of a process in the middle of everything: threads in blocking calls, submitted calls in flight, a logger
 * installed. However it ends, it does so promptly and with the status that it wanted; and what calls the library on the
 * way out, from atexit() or a destructor, gets an answer.
 */
#include "process.h"

#include <sys/wait.h>

/* A process that ends in the middle of everything leaves everything. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

enum { THREADS = 4, LIMIT_MS = 10000, WANTED = 7 };

static struct elsewhere service;
static armoriq_client *client;
static armoriq_session *sdk, *local;
static armoriq_queue *queue;
static int lines, on_the_way_out;

static void prepare(struct service *made)
{
    service_set(made, "/iap/sdk/enforce", SERVICE_STALLS, 0, "", "");
    service_json(made, "/policy/bundles/current", 200, SERVICE_BUNDLE);
    service_json(made, "/iap/audit", 201, "{}");
}

static void on_line(void *unused, int32_t level, const char *target, const char *message)
{
    (void)unused, (void)level, (void)target, (void)message;
    __sync_fetch_and_add(&lines, 1);
}

/* Asks a service that never answers, and so is in a call when the process ends. */
static void *check_for_ever(void *unused)
{
    armoriq_verdict verdict;
    (void)unused;
    for (;;) (void)!armoriq_session_check(sdk, "data__fetch", "{}", NULL, &verdict, NULL);
    return NULL;
}

/* Never out of the library for long. */
static void *check_busily(void *unused)
{
    armoriq_verdict verdict;
    char *json;
    (void)unused;
    for (;;) {
        if (armoriq_session_check(local, "data__fetch", "{}", NULL, &verdict, &json) == ARMORIQ_OK)
            armoriq_string_free(json);
    }
    return NULL;
}

static void *wait_for_completions(void *unused)
{
    armoriq_completion done;
    (void)unused;
    (void)!armoriq_queue_next(queue, UINT32_MAX, &done, NULL);
    return NULL;
}

static void start(void *(*run)(void *))
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, run, NULL) == 0);
    pthread_detach(thread);
}

static void make_everything(void)
{
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(5, on_line, NULL, NULL));
    client = test_client(service.url, ", \"agent_id\": \"agent-1\"");
    sdk = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    local = test_session(client, "a@b.co", NULL);
    test_plan(sdk, "[{\"name\": \"data__fetch\"}]");
    test_plan(local, "[{\"name\": \"data__fetch\"}, {\"name\": \"data__drop\"}]");
}

static void keep_everything_busy(void)
{
    int i;
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_new(64, &queue, NULL));
    for (i = 0; i < 8; i++) {
        CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(sdk, queue, 1, "data__fetch", "{}", NULL, NULL, NULL));
    }
    for (i = 0; i < THREADS; i++) start(check_for_ever);
    start(check_busily);
    start(wait_for_completions);
    test_sleep_ms(50);
}

/* What a program may do on its way out. A block stays a block; what has no thread any more may fail. */
static void use_at_the_end(void)
{
    armoriq_client *late = NULL;
    armoriq_queue *own = NULL;
    armoriq_completion done;
    armoriq_verdict verdict = ARMORIQ_ALLOW;
    armoriq_status status;
    char *json = NULL;
    EXPECT(local, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "allow:fetch#0", NULL);
    EXPECT(local, "data__drop", "{}", NULL, ARMORIQ_BLOCK, "block:tools.default", "policy");
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_evaluate("{}", "{}", NULL));
    /* A service that does not answer. */
    (void)!armoriq_session_check(sdk, "data__fetch", "{}", "{\"timeout_ms\": 100}", &verdict, &json);
    CHECK(verdict == ARMORIQ_BLOCK && json != NULL);
    armoriq_string_free(json);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_report(local, "data__fetch", "{}", NULL, NULL, &json));
    CHECK_MEMBER(json, "delivered", "true");
    armoriq_string_free(json);
    late = test_client(service.url, "");
    status = armoriq_client_list_mcps(late, NULL, &json);
    CHECK(status != ARMORIQ_ERR_INTERNAL && json != NULL);
    armoriq_string_free(json);
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_new(4, &own, NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit(late, NULL, own, 1, "list_mcps", NULL, NULL, NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_next(own, 60000, &done, NULL));
    CHECK_STATUS(status, done.status);
    armoriq_string_free(done.json);
    armoriq_queue_free(own);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(late, 1000, &json));
    armoriq_string_free(json);
    armoriq_client_free(late);
}

/* Neither may change the status that the program wanted, so what failed ends it at once. */
static void at_exit(void)
{
    if (!on_the_way_out) return;
    use_at_the_end();
    if (test_failures) {
        fflush(stdout);
        _exit(1);
    }
    on_the_way_out++;
}

__attribute__((destructor)) static void at_the_very_end(void)
{
    if (!on_the_way_out) return;
    use_at_the_end();
    armoriq_session_free(sdk);
    armoriq_session_free(local);
    armoriq_client_free(client);
    /* That the handler ran too. */
    if (test_failures || on_the_way_out != 2) {
        fflush(stdout);
        _exit(1);
    }
}

/* --- the ways out ------------------------------------------------------------------------------------------------- */

static int by_exit(void)
{
    make_everything();
    keep_everything_busy();
    exit(WANTED);
}

static void *exit_now(void *unused)
{
    (void)unused;
    exit(WANTED);
}

static int by_exit_on_another_thread(void)
{
    make_everything();
    keep_everything_busy();
    start(exit_now);
    pause();
    return 1;
}

static int by_return(void)
{
    make_everything();
    keep_everything_busy();
    return WANTED;
}

static int by_underscore_exit(void)
{
    make_everything();
    keep_everything_busy();
    _exit(WANTED);
}

/* A child of a busy process that exits as a whole program would, having used the library or not. */
static int by_fork(void)
{
    pid_t child;
    int use;
    make_everything();
    keep_everything_busy();
    for (use = 0; use < 2; use++) {
        child = test_fork();
        if (child == 0) {
            if (use) EXPECT(local, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, NULL, NULL);
            exit(WANTED);
        }
        if (process_end(child, LIMIT_MS) != WANTED << 8) return 1;
    }
    return WANTED;
}

/* The library is called after the handlers and thread-locals of this process began to go. */
static int with_calls_at_the_end(void)
{
    make_everything();
    on_the_way_out = 1;
    exit(WANTED);
}

static int with_calls_at_the_end_while_busy(void)
{
    make_everything();
    keep_everything_busy();
    on_the_way_out = 1;
    return WANTED;
}

/* The logger ends the process, on a thread that is in a call. */
static void exit_in_the_logger(void *unused, int32_t level, const char *target, const char *message)
{
    (void)unused, (void)level, (void)target, (void)message;
    exit(WANTED);
}

static int inside_a_call(void)
{
    make_everything();
    keep_everything_busy();
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(5, exit_in_the_logger, NULL, NULL));
    /* The service does not know them, which the library logs. */
    (void)!armoriq_client_fetch_tool_metadata(client, "{\"mcp_name\": \"m\"}", NULL);
    return 1;
}

int main(void)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } ways[] = {
        {"exit", by_exit},
        {"exit on another thread", by_exit_on_another_thread},
        {"return", by_return},
        {"_exit", by_underscore_exit},
        {"fork", by_fork},
        {"calls at the end", with_calls_at_the_end},
        {"calls at the end while busy", with_calls_at_the_end_while_busy},
        {"exit inside a call", inside_a_call},
    };
    size_t way;
    int round;
    /* First of all, so that it runs last. */
    atexit(at_exit);
    service = elsewhere_start(prepare);
    for (way = 0; way < sizeof ways / sizeof *ways; way++) {
        for (round = 0; round < test_scaled(10); round++) {
            int status;
            pid_t child = test_fork();
            if (child == 0) return ways[way].run();
            status = process_end(child, LIMIT_MS);
            if (status != WANTED << 8) {
                char detail[64];
                snprintf(detail, sizeof detail, "waitpid() said %#x", (unsigned)status);
                test_fail(__FILE__, __LINE__, ways[way].name, detail);
            }
        }
    }
    elsewhere_stop(&service);
    return test_result();
}
