/* After fork() every handle goes on working, in the parent and in the child, whatever other threads were doing. */
#include "service.h"

#include <sys/wait.h>

static struct service *service;
static armoriq_client *client;
static armoriq_session *sdk, *local;
static int stopping;

/* What a process does with the handles; its failures. */
static int use_everything(void)
{
    armoriq_session *own;
    char *json = NULL;
    EXPECT(local, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "allow:fetch#0", NULL);
    EXPECT(local, "data__drop", "{}", NULL, ARMORIQ_BLOCK, "block:tools.default", "policy");
    EXPECT(sdk, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_report(sdk, "data__fetch", "{}", NULL, NULL, &json));
    CHECK_MEMBER(json, "delivered", "true");
    armoriq_string_free(json);
    own = test_session(client, "b@b.co", "{\"mode\": \"sdk\"}");
    test_plan(own, "[{\"name\": \"data__fetch\"}]");
    EXPECT(own, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
    armoriq_session_free(own);
    return test_failures;
}

/* Forks; the child uses everything, and so does the parent, at the same time. */
static void fork_and_use(int generations)
{
    int status;
    pid_t child;
    fflush(stdout);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        int failures;
        /* The child's child, too. */
        if (generations > 1) fork_and_use(generations - 1);
        failures = use_everything();
        armoriq_session_free(sdk);
        armoriq_session_free(local);
        armoriq_client_free(client);
        fflush(stdout);
        /* What is the parent's, a child never touches, not even to free it: a leak checker would call that lost. */
        execlp(failures ? "false" : "true", "", (char *)NULL);
        _exit(1);
    }
    use_everything();
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *keep_busy(void *unused)
{
    (void)unused;
    while (!__sync_fetch_and_add(&stopping, 0)) use_everything();
    return NULL;
}

/*
 * Not under the address sanitizer: its allocator may be locked by another thread at the moment of the fork, and stays
 * so in the child. The C library's is not.
 */
static void fork_while_threads_are_busy(void)
{
#ifndef __SANITIZE_ADDRESS__
    pthread_t threads[4];
    int i;
    for (i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, keep_busy, NULL) == 0);
    for (i = 0; i < test_scaled(20); i++) fork_and_use(1);
    __sync_fetch_and_add(&stopping, 1);
    for (i = 0; i < 4; i++) pthread_join(threads[i], NULL);
#else
    (void)keep_busy;
#endif
}

int main(void)
{
    service = service_start();
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"reason\": \"fine\"}");
    service_json(service, "/policy/bundles/current", 200, SERVICE_BUNDLE);
    service_json(service, "/iap/audit", 201, "{}");
    client = test_client(service->url, ", \"agent_id\": \"agent-1\"");
    sdk = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    local = test_session(client, "a@b.co", NULL);

    test_plan(sdk, "[{\"name\": \"data__fetch\"}]");
    test_plan(local, "[{\"name\": \"data__fetch\"}, {\"name\": \"data__drop\"}]");
    fork_and_use(2);
    fork_while_threads_are_busy();

    armoriq_session_free(sdk);
    armoriq_session_free(local);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
