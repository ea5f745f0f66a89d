/* One session used by many threads at once, and a scope for each request of a server. */
#include "service.h"

enum { THREADS = 8 };

static struct service *service;
static armoriq_client *client;
static armoriq_session *shared;
static armoriq_session *local;
static int checks;

static void *check_shared(void *unused)
{
    int i;
    (void)unused;
    for (i = 0; i < checks; i++) {
        EXPECT(shared, "data__fetch", "{\"n\": 1}", NULL, ARMORIQ_ALLOW, "fine", NULL);
        EXPECT(shared, "data__other", "{}", NULL, ARMORIQ_BLOCK, NULL, "plan");
        EXPECT(local, "data__fetch", "{\"n\": 1}", NULL, ARMORIQ_ALLOW, "allow:fetch#0", NULL);
        EXPECT(local, "data__drop", "{}", NULL, ARMORIQ_BLOCK, "block:tools.default", "policy");
    }
    return NULL;
}

static void *serve_users(void *number)
{
    int i;
    for (i = 0; i < checks / 4 + 1; i++) {
        char email[64], quoted[80], *json = NULL;
        armoriq_session *session;
        snprintf(email, sizeof email, " User-%d-%d@Example.com", *(int *)number, i);
        session = test_session(client, email, "{\"mode\": \"sdk\"}");
        snprintf(quoted, sizeof quoted, "\"user-%d-%d@example.com\"", *(int *)number, i);
        CHECK_STATUS(ARMORIQ_OK, armoriq_session_info(session, &json));
        CHECK_MEMBER(json, "user_email", quoted);
        CHECK_MEMBER(json, "last_plan_start", "null");
        armoriq_string_free(json);
        test_plan(session, "[{\"name\": \"data__fetch\"}]");
        EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, "fine", NULL);
        armoriq_session_free(session);
    }
    return NULL;
}

/* A plan replaces another while checks go on: each check sees one of them, whole. */
static void *replan(void *unused)
{
    int i;
    (void)unused;
    for (i = 0; i < checks; i++) {
        test_plan(shared, i % 2 ? "[{\"name\": \"data__fetch\"}]" : "[{\"name\": \"data__fetch\"}, {\"name\": \"data__more\"}]");
    }
    return NULL;
}

static void run(void *(*work)(void *), void *(*beside)(void *))
{
    pthread_t threads[THREADS + 1];
    int numbers[THREADS], i;
    for (i = 0; i < THREADS; i++) {
        numbers[i] = i;
        REQUIRE(pthread_create(&threads[i], NULL, work, &numbers[i]) == 0);
    }
    if (beside) REQUIRE(pthread_create(&threads[THREADS], NULL, beside, NULL) == 0);
    for (i = 0; i < THREADS + (beside != NULL); i++) pthread_join(threads[i], NULL);
}

int main(void)
{
    checks = test_scaled(200);
    service = service_start();
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"reason\": \"fine\"}");
    service_json(service, "/iap/trust/reanchor", 200, "{\"trustId\": \"t\"}");
    service_json(service, "/policy/bundles/current", 200, SERVICE_BUNDLE);
    client = test_client(service->url, ", \"agent_id\": \"agent-1\"");
    shared = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
    local = test_session(client, "a@b.co", "{\"mode\": \"local\"}");
    test_plan(shared, "[{\"name\": \"data__fetch\"}]");
    test_plan(local, "[{\"name\": \"data__fetch\"}, {\"name\": \"data__drop\"}]");

    run(check_shared, NULL);
    CHECK(service_count(service, "/iap/sdk/enforce") == THREADS * checks);
    run(check_shared, replan);
    run(serve_users, NULL);

    armoriq_session_free(shared);
    armoriq_session_free(local);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
