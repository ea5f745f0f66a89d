/*
 * A system that has no thread to give, and one without descriptors: whatever needs one fails with an error that says
 * so, a check blocks, and all of it works again once there is one. This program brings a pthread_create() of its own, which
 * the library then finds in place of the system's.
 */
#include "process.h"
#include "resolver.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>

static struct elsewhere service;
static int refuses, refused;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    if (__sync_fetch_and_add(&refuses, 0)) {
        __sync_fetch_and_add(&refused, 1);
        return EAGAIN;
    }
    memcpy(&create, &found, sizeof create);
    return create(thread, attributes, run, argument);
}

/* Every name is that of the service: what this machine's own look-up needs is not what is tested. */
int getaddrinfo(const char *node, const char *name, const struct addrinfo *hints, struct addrinfo **result)
{
    (void)node, (void)name, (void)hints;
    return resolver_find(result);
}

static void prepare(struct service *made)
{
    service_json(made, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"reason\": \"fine\"}");
    service_json(made, "/policy/bundles/current", 200, SERVICE_BUNDLE);
    service_json(made, "/iap/audit", 201, "{}");
    service_json(made, "/mcp/my-servers", 200, "{\"data\": []}");
}

static const char *const PLAN = "[{\"name\": \"data__fetch\"}, {\"name\": \"data__drop\"}]";

/* The service by a name, which takes a thread to look up. */
static const char *named(void)
{
    static char address[64];
    snprintf(address, sizeof address, "http://control.plane.test%s", strrchr(service.url, ':'));
    return address;
}

/* --- no threads --------------------------------------------------------------------------------------------------- */

static void submit_fails(armoriq_client *client, armoriq_session *session, armoriq_queue *queue)
{
    armoriq_call *call = (armoriq_call *)client;
    armoriq_completion done;
    CHECK_ERROR(ARMORIQ_ERR_SERVICE,
                armoriq_submit_check(session, queue, 1, "data__fetch", "{}", NULL, &call, &json));
    CHECK(call == NULL);
    CHECK_ERROR(ARMORIQ_ERR_SERVICE, armoriq_submit(client, NULL, queue, 1, "list_mcps", NULL, &call, &json));
    CHECK_ERROR(ARMORIQ_ERR_SERVICE, armoriq_submit(NULL, session, queue, 1, "start_plan",
                                                    "{\"tool_calls\": [{\"name\": \"data__fetch\"}]}", &call, &json));
    CHECK(call == NULL);
    CHECK_STATUS(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(queue, 0, &done, NULL));
}

static void submit_works(armoriq_client *client, armoriq_session *session, armoriq_queue *queue)
{
    armoriq_completion done;
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit_check(session, queue, 1, "data__fetch", "{}", NULL, NULL, NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_next(queue, 60000, &done, NULL));
    CHECK(done.status == ARMORIQ_OK && done.verdict == ARMORIQ_ALLOW);
    armoriq_string_free(done.json);
    CHECK_STATUS(ARMORIQ_OK, armoriq_submit(client, NULL, queue, 2, "list_mcps", NULL, NULL, NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_next(queue, 60000, &done, NULL));
    CHECK_STATUS(ARMORIQ_OK, done.status);
    armoriq_string_free(done.json);
}

/* What a submission needs a thread for. */
static void in_the_background(void)
{
    armoriq_client *client = test_client(service.url, "");
    armoriq_session *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    armoriq_queue *queue = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_new(8, &queue, NULL));
    test_plan(session, PLAN);
    refuses = 1, refused = 0;
    /* A call that blocks needs none. */
    EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
    CHECK(refused == 0);
    submit_fails(client, session, queue);
    CHECK(refused == 3);
    refuses = 0;
    submit_works(client, session, queue);
    armoriq_queue_free(queue);
    armoriq_session_free(session);
    armoriq_client_free(client);
}

/* The policy of local mode is there all the same, though nobody keeps it fresh; the next plan tries again. */
static void in_local_mode(void)
{
    armoriq_client *client = test_client(service.url, ", \"agent_id\": \"agent-1\"");
    armoriq_session *session = test_session(client, "a@b.co", NULL);
    char *json = NULL;
    refuses = 1, refused = 0;
    test_plan(session, PLAN);
    CHECK(refused > 0);
    EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "allow:fetch#0", NULL);
    EXPECT(session, "data__drop", "{}", NULL, ARMORIQ_BLOCK, "block:tools.default", "policy");
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_declare_tools(client, "{\"tools\": [\"fetch\"]}", &json));
    CHECK_CONTAINS(json, "\"failed\"");
    armoriq_string_free(json);
    CHECK(process_threads() == 1);
    refuses = 0;
    test_plan(session, PLAN);
    CHECK(process_threads() == 2);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_declare_tools(client, "{\"tools\": [\"fetch\"]}", &json));
    CHECK_LACKS(json, "\"failed\"");
    armoriq_string_free(json);
    armoriq_session_free(session);
    armoriq_client_free(client);
}

/* A name is looked up on a thread; without one it is not found. The connections that there are go on. */
static void to_look_up_a_name(void)
{
    armoriq_client *client = test_client(named(), ", \"max_retries\": 0");
    armoriq_client *other = test_client(named(), ", \"max_retries\": 0");
    armoriq_session *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    armoriq_session *unplanned = test_session(other, "a@b.co", "{\"mode\": \"sdk\"}");
    refuses = 1, refused = 0;
    EXPECT_FAILURE(ARMORIQ_ERR_SERVICE, "cannot connect", armoriq_client_list_mcps(client, NULL, &json));
    CHECK(refused == 1);
    CHECK_ERROR(ARMORIQ_ERR_SERVICE, armoriq_session_start_plan(unplanned, PLAN, NULL, &json));
    EXPECT(unplanned, "data__fetch", "{}", NULL, ARMORIQ_BLOCK, NULL, "plan");
    refuses = 0;
    test_plan(session, PLAN);
    test_plan(unplanned, PLAN);
    refuses = 1;
    EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
    refuses = 0;
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_list_mcps(client, NULL, NULL));
    armoriq_session_free(unplanned);
    armoriq_session_free(session);
    armoriq_client_free(other);
    armoriq_client_free(client);
}

/* A check whose connection is new. */
static void to_check_by_name(void)
{
    armoriq_client *client = test_client(named(), ", \"max_retries\": 0");
    armoriq_session *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    pid_t child;
    test_plan(session, PLAN);
    /* A child has no connection of its parent's. */
    child = test_fork();
    if (child == 0) {
        refuses = 1, refused = 0;
        EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_BLOCK, NULL, "unavailable");
        CHECK(refused == 1);
        refuses = 0;
        EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
        test_leave();
    }
    test_wait(child);
    armoriq_session_free(session);
    armoriq_client_free(client);
}

static void to_read_a_transcript(void)
{
    static const char *const params = "{\"transcript_path\": \"/nowhere\", \"product\": \"p\", \"session_id\": \"s\"}";
    armoriq_client *client = test_client(service.url, "");
    refuses = 1, refused = 0;
    CHECK_ERROR(ARMORIQ_ERR_SERVICE, armoriq_client_capture_transcript_tokens(client, params, &json));
    CHECK(refused == 1);
    refuses = 0;
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_capture_transcript_tokens(client, params, NULL));
    armoriq_client_free(client);
}

/* The system's own refusal, which it makes to all but root: a child becomes somebody else. */
static void at_the_systems_limit(void)
{
    pid_t child = test_fork();
    if (child == 0) {
        static const struct rlimit none = {0, 0};
        armoriq_client *client;
        armoriq_session *session;
        armoriq_queue *queue = NULL;
        if (getuid() == 0) REQUIRE(setgid(65534) == 0 && setuid(65534) == 0);
        REQUIRE(setrlimit(RLIMIT_NPROC, &none) == 0);
        client = test_client(service.url, "");
        session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
        CHECK_STATUS(ARMORIQ_OK, armoriq_queue_new(8, &queue, NULL));
        test_plan(session, PLAN);
        EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
        submit_fails(client, session, queue);
        armoriq_queue_free(queue);
        armoriq_session_free(session);
        armoriq_client_free(client);
        client = test_client(named(), ", \"max_retries\": 0");
        EXPECT_FAILURE(ARMORIQ_ERR_SERVICE, "cannot connect", armoriq_client_list_mcps(client, NULL, &json));
        armoriq_client_free(client);
        test_leave();
    }
    test_wait(child);
}

/* --- no descriptors ----------------------------------------------------------------------------------------------- */

static int taken[1024], count;

/* Takes all that the limit leaves. */
static void take_descriptors(void)
{
    int descriptor;
    while ((descriptor = dup(1)) >= 0 && count < 1024) taken[count++] = descriptor;
    REQUIRE(descriptor < 0 && errno == EMFILE);
}

static void give_descriptors_back(void)
{
    while (count > 0) close(taken[--count]);
}

static void without_descriptors(void)
{
    armoriq_client *client = test_client(service.url, ", \"agent_id\": \"agent-1\", \"max_retries\": 0");
    armoriq_session *sdk = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    armoriq_session *proxy = test_session(client, "a@b.co", "{\"mode\": \"proxy\"}");
    armoriq_session *local = test_session(client, "a@b.co", NULL);
    armoriq_queue *queue = (armoriq_queue *)client, *kept = NULL;
    armoriq_client *fresh;
    armoriq_verdict strictest = ARMORIQ_ALLOW;
    pid_t child;
    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_new(8, &kept, NULL));
    test_plan(sdk, PLAN);
    test_plan(proxy, PLAN);
    test_plan(local, PLAN);
    /* A child has no descriptor of the library's yet. */
    child = test_fork();
    if (child == 0) {
        take_descriptors();
        CHECK_ERROR(ARMORIQ_ERR_INTERNAL, armoriq_queue_new(8, &queue, &json));
        CHECK(queue == NULL);
        CHECK(armoriq_queue_fd(kept) == -1);
        EXPECT(sdk, "data__fetch", "{}", NULL, ARMORIQ_BLOCK, NULL, "unavailable");
        EXPECT(proxy, "data__fetch", "{}", NULL, ARMORIQ_BLOCK, NULL, "unavailable");
        EXPECT(local, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "allow:fetch#0", NULL);
        EXPECT(local, "data__drop", "{}", NULL, ARMORIQ_BLOCK, "block:tools.default", "policy");
        CHECK_STATUS(ARMORIQ_OK,
                     armoriq_session_check_batch(sdk, "[{\"tool\": \"data__fetch\"}]", NULL, &strictest, NULL));
        CHECK(strictest == ARMORIQ_BLOCK);
        CHECK_ERROR(ARMORIQ_ERR_SERVICE, armoriq_client_list_mcps(client, NULL, &json));
        fresh = test_client(service.url, "");
        CHECK_ERROR(ARMORIQ_ERR_SERVICE, armoriq_client_list_mcps(fresh, NULL, &json));
        give_descriptors_back();
        EXPECT(sdk, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
        CHECK_STATUS(ARMORIQ_OK, armoriq_client_list_mcps(fresh, NULL, NULL));
        CHECK_STATUS(ARMORIQ_OK, armoriq_queue_new(8, &queue, NULL));
        CHECK(armoriq_queue_fd(kept) >= 0);
        submit_works(client, sdk, queue);
        test_leave();
    }
    test_wait(child);
    armoriq_queue_free(kept);
    armoriq_session_free(local);
    armoriq_session_free(proxy);
    armoriq_session_free(sdk);
    armoriq_client_free(client);
}

/* Enough to begin with, and not for a socket: each number of them that is left fails somewhere else. */
static void with_few_descriptors(void)
{
    int left, works = 0;
    for (left = 0; left < 8; left++) {
        pid_t child = test_fork();
        if (child == 0) {
            armoriq_client *client;
            armoriq_session *session;
            armoriq_queue *queue = NULL;
            armoriq_verdict verdict = 77;
            armoriq_completion done;
            int given;
            take_descriptors();
            for (given = 0; given < left; given++) close(taken[--count]);
            client = test_client(named(), ", \"agent_id\": \"agent-1\", \"max_retries\": 0");
            session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
            if (armoriq_session_start_plan(session, PLAN, NULL, NULL) == ARMORIQ_OK) {
                works = 1;
                if (armoriq_queue_new(1, &queue, NULL) == ARMORIQ_OK &&
                    armoriq_submit_check(session, queue, 1, "data__fetch", "{}", NULL, NULL, NULL) == ARMORIQ_OK) {
                    CHECK_STATUS(ARMORIQ_OK, armoriq_queue_next(queue, 60000, &done, NULL));
                    CHECK(done.verdict == ARMORIQ_BLOCK || left > 4);
                    armoriq_string_free(done.json);
                }
            }
            CHECK_STATUS(ARMORIQ_OK, armoriq_session_check(session, "data__fetch", "{}", NULL, &verdict, NULL));
            CHECK(verdict == (works ? ARMORIQ_ALLOW : ARMORIQ_BLOCK));
            give_descriptors_back();
            test_plan(session, PLAN);
            EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
            test_leave();
        }
        test_wait(child);
    }
}

int main(void)
{
    struct rlimit descriptors;
    service = elsewhere_start(prepare);
    in_the_background();
    in_local_mode();
    to_look_up_a_name();
    to_check_by_name();
    to_read_a_transcript();
    process_wait_for_threads(1);
    at_the_systems_limit();
    REQUIRE(getrlimit(RLIMIT_NOFILE, &descriptors) == 0);
    descriptors.rlim_cur = 64;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &descriptors) == 0);
    without_descriptors();
    with_few_descriptors();
    elsewhere_stop(&service);
    return test_result();
}
