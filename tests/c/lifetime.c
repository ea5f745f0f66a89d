/*
 * What the library does to its process: no thread before there is work for one, few after it, none of which takes the
 * host's signals or the processor's time; and nothing of the process is changed.
 */
#include "process.h"

#include <fcntl.h>
#include <locale.h>
#include <netdb.h>
#include <sys/stat.h>
#include <sys/syscall.h>

extern char **environ;

static struct elsewhere service, stalling;
static pid_t own_thread;

static void prepare(struct service *made)
{
    service_json(made, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"reason\": \"fine\"}");
    service_json(made, "/policy/bundles/current", 200, SERVICE_BUNDLE);
    service_json(made, "/iap/audit", 201, "{}");
}

static void stall(struct service *made)
{
    service_set(made, "/iap/sdk/token", SERVICE_STALLS, 0, "", "");
}

/* --- the library's threads --------------------------------------------------------------------------------------- */

enum { MOST = 16 };

struct threads {
    int count;
    pid_t ids[MOST];
};

/* All but the program's one. */
static struct threads library_threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    struct threads found = {0, {0}};
    REQUIRE(folder != NULL);
    while ((entry = readdir(folder))) {
        pid_t id = (pid_t)atol(entry->d_name);
        if (id > 0 && id != own_thread && found.count < MOST) found.ids[found.count++] = id;
    }
    closedir(folder);
    return found;
}

static const char *of_thread(pid_t id, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)id, name);
    return process_read(path);
}

/* The number that follows a name in a thread's status. */
static unsigned long long status_of(pid_t id, const char *name, int base)
{
    const char *line = strstr(of_thread(id, "status"), name);
    return line ? strtoull(line + strlen(name), NULL, base) : 0;
}

/* Clock ticks that a thread has used. Its name, the second field, may have blanks. */
static unsigned long ticks_of(pid_t id)
{
    const char *at = strrchr(of_thread(id, "stat"), ')');
    unsigned long user = 0, system = 0;
    REQUIRE(at != NULL && sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2);
    return user + system;
}

/* Every signal that a program can block. */
static unsigned long long blockable(void)
{
    sigset_t all, before, set;
    unsigned long long bits = 0;
    int number;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_sigmask(SIG_SETMASK, &before, &set);
    for (number = 1; number <= SIGRTMAX; number++) {
        if (sigismember(&set, number) == 1) bits |= 1ull << (number - 1);
    }
    return bits;
}

static void threads_take_no_signal(const struct threads *threads)
{
    int i;
    for (i = 0; i < threads->count; i++) {
        unsigned long long blocked = status_of(threads->ids[i], "SigBlk:", 16);
        CHECK(strcmp(of_thread(threads->ids[i], "comm"), "armoriq\n") == 0);
        /* What valgrind tells the system is its own affair. */
        if (test_patient(1) == 1 && (blocked & blockable()) != blockable()) {
            char detail[32];
            snprintf(detail, sizeof detail, "%llx", blocked);
            test_fail(__FILE__, __LINE__, "it blocks no more signals than", detail);
        }
    }
}

static volatile sig_atomic_t handled, handled_elsewhere;

static void on_signal(int number)
{
    (void)number;
    handled++;
    if (syscall(SYS_gettid) != own_thread) handled_elsewhere++;
}

/* A signal for the process that the host's own thread does not want now waits for it: no other thread takes it. */
static void signals_wait_for_the_host(void)
{
    struct sigaction action, before;
    sigset_t usr1;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    kill(getpid(), SIGUSR1);
    test_sleep_ms(100);
    CHECK(handled == 0);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    CHECK(handled == 1 && handled_elsewhere == 0);
    sigaction(SIGUSR1, &before, NULL);
}

/* Whoever waits for nothing costs nothing: neither time nor wake-ups. */
static void threads_sleep(const struct threads *threads)
{
    unsigned long ticks[MOST];
    unsigned long long wakes[MOST];
    int i;
    for (i = 0; i < threads->count; i++) {
        ticks[i] = ticks_of(threads->ids[i]);
        wakes[i] = status_of(threads->ids[i], "\nvoluntary_ctxt_switches:", 10);
    }
    test_sleep_ms(1000);
    for (i = 0; i < threads->count; i++) {
        CHECK(ticks_of(threads->ids[i]) - ticks[i] <= 1);
        CHECK(status_of(threads->ids[i], "\nvoluntary_ctxt_switches:", 10) - wakes[i] <= 5);
    }
}

static void submit_some(armoriq_session *session)
{
    armoriq_queue *queue = NULL;
    armoriq_completion done;
    int i;
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_new(64, &queue, NULL));
    for (i = 0; i < 20; i++) {
        CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(session, queue, 1, "data__fetch", "{}", NULL, NULL, NULL));
    }
    for (i = 0; i < 20; i++) {
        CHECK_STATUS(ARMORIQ_OK, armoriq_queue_next(queue, 60000, &done, NULL));
        CHECK(done.verdict == ARMORIQ_ALLOW);
        armoriq_string_free(done.json);
    }
    armoriq_queue_free(queue);
}

/* A blocking call starts none, work in the background one, which ends with its client. */
static void threads_are_few(void)
{
    armoriq_client *client = test_client(service.url, ", \"agent_id\": \"agent-1\"");
    armoriq_session *sdk = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    armoriq_session *local = test_session(client, "a@b.co", NULL);
    struct threads threads;
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_evaluate("{}", "{}", NULL));
    CHECK(library_threads().count == 0);
    test_plan(sdk, "[{\"name\": \"data__fetch\"}]");
    EXPECT(sdk, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
    CHECK(library_threads().count == 0);

    test_plan(local, "[{\"name\": \"data__fetch\"}]");
    EXPECT(local, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, NULL, NULL);
    submit_some(sdk);
    submit_some(local);
    threads = library_threads();
    CHECK(threads.count == 1);
    threads_take_no_signal(&threads);
    signals_wait_for_the_host();
    threads_sleep(&threads);

    armoriq_session_free(sdk);
    armoriq_session_free(local);
    armoriq_client_free(client);
    process_wait_for_threads(1);
}

/* A look-up of a name hangs when this is set, so that its thread can be looked at. */
static int hung;

int getaddrinfo(const char *node, const char *name, const struct addrinfo *hints, struct addrinfo **found)
{
    (void)node, (void)name, (void)hints, (void)found;
    __sync_fetch_and_add(&hung, 1);
    while (__sync_fetch_and_add(&hung, 0)) test_sleep_ms(1);
    return EAI_FAIL;
}

/* A look-up has a thread for as long as it takes, beside that of the background. */
static void look_ups_have_threads_of_their_own(void)
{
    char address[64];
    armoriq_client *client;
    armoriq_queue *queue = NULL;
    armoriq_completion done;
    struct threads threads;
    snprintf(address, sizeof address, "http://a.test%s", strrchr(service.url, ':'));
    client = test_client(address, ", \"max_retries\": 0");
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_new(8, &queue, NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit(client, NULL, queue, 1, "list_mcps", "{}", NULL, NULL));
    while (!__sync_fetch_and_add(&hung, 0)) test_sleep_ms(1);
    threads = library_threads();
    CHECK(threads.count == 2);
    threads_take_no_signal(&threads);
    __sync_lock_release(&hung);
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_next(queue, 60000, &done, NULL));
    CHECK_STATUS(ARMORIQ_ERR_SERVICE, done.status);
    armoriq_string_free(done.json);
    process_wait_for_threads(2);
    armoriq_queue_free(queue);
    armoriq_client_free(client);
    process_wait_for_threads(1);
}

/* --- threads of the host that are cancelled ----------------------------------------------------------------------- */

static int calls_begun, calls_ended;

static void *call_and_end(void *client)
{
    __sync_fetch_and_add(&calls_begun, 1);
    CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_client_get_intent_token(client, "{\"plan\": {\"steps\": []}}", NULL));
    __sync_fetch_and_add(&calls_ended, 1);
    for (;;) pthread_testcancel();
    return NULL;
}

static void *wait_and_end(void *queue)
{
    armoriq_completion none;
    __sync_fetch_and_add(&calls_begun, 1);
    CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(queue, 500, &none, NULL));
    __sync_fetch_and_add(&calls_ended, 1);
    for (;;) pthread_testcancel();
    return NULL;
}

/* Its stack is not unwound below a call: that would end the process. */
static void a_cancelled_thread_ends_after_its_call(void)
{
    armoriq_client *client = test_client(stalling.url, ", \"timeout_ms\": 500, \"max_retries\": 0");
    armoriq_queue *queue = NULL;
    pthread_t threads[2];
    void *result = NULL;
    int i;
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_new(1, &queue, NULL));
    REQUIRE(pthread_create(&threads[0], NULL, call_and_end, client) == 0);
    REQUIRE(pthread_create(&threads[1], NULL, wait_and_end, queue) == 0);
    while (__sync_fetch_and_add(&calls_begun, 0) < 2) test_sleep_ms(1);
    test_sleep_ms(100);
    for (i = 0; i < 2; i++) pthread_cancel(threads[i]);
    for (i = 0; i < 2; i++) CHECK(pthread_join(threads[i], &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(calls_ended == 2);
    armoriq_queue_free(queue);
    armoriq_client_free(client);
    process_wait_for_threads(1);
}

/* --- what belongs to the process ---------------------------------------------------------------------------------- */

struct state {
    struct sigaction actions[65];
    sigset_t blocked;
    stack_t signal_stack;
    char folder[1024], locale[256], environment[16384];
    mode_t mask;
    int in, out, err;
};

static void look(struct state *state)
{
    size_t used = 0;
    char **variable;
    int number;
    memset(state, 0, sizeof *state);
    for (number = 1; number <= 64; number++) sigaction(number, NULL, &state->actions[number]);
    pthread_sigmask(SIG_SETMASK, NULL, &state->blocked);
    sigaltstack(NULL, &state->signal_stack);
    REQUIRE(getcwd(state->folder, sizeof state->folder) != NULL);
    snprintf(state->locale, sizeof state->locale, "%s", setlocale(LC_ALL, NULL));
    for (variable = environ; *variable; variable++) {
        used += (size_t)snprintf(state->environment + used, sizeof state->environment - used, "%s\n", *variable);
        REQUIRE(used < sizeof state->environment);
    }
    state->mask = umask(0);
    umask(state->mask);
    state->in = fcntl(0, F_GETFL);
    state->out = fcntl(1, F_GETFL);
    state->err = fcntl(2, F_GETFL);
}

static void check_same(const struct state *before, const struct state *after)
{
    int number, other;
    for (number = 1; number <= 64; number++) {
        const struct sigaction *old = &before->actions[number], *new = &after->actions[number];
        CHECK(old->sa_handler == new->sa_handler && old->sa_flags == new->sa_flags);
        for (other = 1; other <= 64; other++) {
            CHECK(sigismember(&old->sa_mask, other) == sigismember(&new->sa_mask, other));
        }
        CHECK(sigismember(&before->blocked, number) == sigismember(&after->blocked, number));
    }
    CHECK(before->signal_stack.ss_sp == after->signal_stack.ss_sp);
    CHECK(before->signal_stack.ss_flags == after->signal_stack.ss_flags);
    CHECK(strcmp(before->folder, after->folder) == 0);
    CHECK(strcmp(before->locale, after->locale) == 0);
    CHECK(strcmp(before->environment, after->environment) == 0);
    CHECK(before->mask == after->mask);
    CHECK(before->in == after->in && before->out == after->out && before->err == after->err);
}

/* A server that goes away while a request is sent to it: an error, and no SIGPIPE, which would end this process. */
static void no_broken_pipe(armoriq_session *session)
{
    size_t length = 8 << 20;
    char *args = malloc(length + 1);
    int i;
    REQUIRE(args != NULL);
    memset(args, 'x', length);
    memcpy(args, "{\"a\": \"", 7);
    memcpy(args + length - 2, "\"}", 3);
    /* The service takes no such long request: it closes, with most of it unread. */
    for (i = 0; i < test_scaled(50); i++) {
        EXPECT(session, "data__fetch", args, NULL, ARMORIQ_BLOCK, NULL, "unavailable");
    }
    free(args);
}

static void nothing_of_the_process_is_changed(void)
{
    struct state before, after;
    armoriq_client *client;
    armoriq_session *session;
    CHECK(signal(SIGPIPE, SIG_DFL) == SIG_DFL);
    look(&before);
    client = test_client(service.url, ", \"agent_id\": \"agent-1\", \"max_retries\": 0");
    session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    test_plan(session, "[{\"name\": \"data__fetch\"}]");
    submit_some(session);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_report(session, "data__fetch", "{}", NULL, NULL, NULL));
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_session_check(session, "data__fetch", "{", NULL, NULL, NULL));
    no_broken_pipe(session);
    look(&after);
    check_same(&before, &after);
    armoriq_session_free(session);
    armoriq_client_free(client);
    look(&after);
    check_same(&before, &after);
    process_wait_for_threads(1);
}

int main(void)
{
    own_thread = (pid_t)syscall(SYS_gettid);
    service = elsewhere_start(prepare);
    stalling = elsewhere_start(stall);
    threads_are_few();
    look_ups_have_threads_of_their_own();
    a_cancelled_thread_ends_after_its_call();
    nothing_of_the_process_is_changed();
    elsewhere_stop(&stalling);
    elsewhere_stop(&service);
    return test_result();
}
