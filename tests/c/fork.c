/* After fork() every handle goes on working, in the parent and in the child, whatever other threads were doing. */
#include "process.h"

#include <sched.h>

static struct service *service;
static armoriq_client *client;
static armoriq_session *sdk, *local;

/* What a process does with the handles. */
static void use_everything(void)
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
}

/* Forks; the child uses everything, and so does the parent, at the same time. */
static void fork_and_use(int generations)
{
    pid_t child = test_fork();
    if (child == 0) {
        /* The child's child, too. */
        if (generations > 1) fork_and_use(generations - 1);
        use_everything();
        armoriq_session_free(sdk);
        armoriq_session_free(local);
        armoriq_client_free(client);
        test_leave();
    }
    use_everything();
    test_wait(child);
}

static void fork_once(void)
{
    fork_and_use(1);
}

/*
 * A child that has its parent's process id: each is the first process of a namespace of its own. Only root may make those,
 * and what made one starts no threads any more.
 */
static void with_the_parents_id(void)
{
    pid_t second, first = test_fork();
    if (first == 0) {
        if (unshare(CLONE_NEWPID) != 0) {
            test_skip("fork: a child that has its parent's process id: only root may make namespaces");
            _exit(0);
        }
        first = test_fork();
        if (first == 0) {
            use_everything();
            REQUIRE(unshare(CLONE_NEWPID) == 0);
            second = test_fork();
            if (second == 0) {
                EXPECT(sdk, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
                test_leave();
            }
            EXPECT(sdk, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
            CHECK(getpid() == 1 && process_end(second, 60000) == 0);
            test_leave();
        }
        CHECK(process_end(first, 120000) == 0);
        test_leave();
    }
    test_wait(first);
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
    with_the_parents_id();
    fork_while_busy(use_everything, fork_once, 1000);

    armoriq_session_free(sdk);
    armoriq_session_free(local);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
