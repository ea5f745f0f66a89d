/* Handles are looked up, never dereferenced: stale, forged and wrong ones are errors, and any order of frees works. */
#include "service.h"

static struct service *service;

static void expect_invalid_client(armoriq_client *client)
{
    armoriq_user_scope *scope = (armoriq_user_scope *)-1;
    armoriq_session *session = (armoriq_session *)-1;
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_client_info(client, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_client_set_api_key(client, TEST_KEY, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_client_close(client, 0, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_for_user(client, "a@b.co", &scope, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_client_start_session(client, NULL, &session, &json));
    CHECK(scope == NULL && session == NULL);
}

static void expect_invalid_scope(armoriq_user_scope *scope)
{
    armoriq_session *session = (armoriq_session *)-1;
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_user_resolve(scope, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_user_start_session(scope, NULL, &session, &json));
    CHECK(session == NULL);
}

static void expect_invalid_session(armoriq_session *session)
{
    armoriq_verdict verdict = ARMORIQ_ALLOW;
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_start_plan(session, "[{\"name\": \"a__b\"}]", NULL, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_check(session, "a__b", "{}", NULL, &verdict, &json));
    CHECK(verdict == ARMORIQ_BLOCK);
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_report(session, "a__b", "{}", "{}", NULL, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_dispatch(session, "a__b", "{}", NULL, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_await_approval(session, "d", NULL, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_reset(session, &json));
    CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_info(session, &json));
}

static void forged(void)
{
    static const uintptr_t values[] = {
        1, 2, 3, 7, 8, 0x10, 0xFF, 0x1000, 0xDEADBEEF, (uintptr_t)1 << 32, (uintptr_t)1 << 48, (uintptr_t)1 << 63,
        UINTPTR_MAX, UINTPTR_MAX - 1, UINTPTR_MAX >> 1,
    };
    int on_the_stack = 0;
    size_t i;
    for (i = 0; i < sizeof values / sizeof *values; i++) {
        expect_invalid_client((armoriq_client *)values[i]);
        expect_invalid_scope((armoriq_user_scope *)values[i]);
        expect_invalid_session((armoriq_session *)values[i]);
        armoriq_client_free((armoriq_client *)values[i]);
        armoriq_user_scope_free((armoriq_user_scope *)values[i]);
        armoriq_session_free((armoriq_session *)values[i]);
    }
    expect_invalid_session((armoriq_session *)(void *)&on_the_stack);
}

/* Values near a real handle's: another generation, another place, another bit. */
static void forged_near_a_real_one(void)
{
    armoriq_client *client = test_client(service->url, "");
    armoriq_session *session = test_session(client, NULL, NULL);
    unsigned bit;
    for (bit = 0; bit < sizeof(uintptr_t) * 8; bit++) {
        expect_invalid_session((armoriq_session *)((uintptr_t)session ^ (uintptr_t)1 << bit));
    }
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_info(session, NULL));
    armoriq_session_free(session);
    armoriq_client_free(client);
}

static void wrong_type(void)
{
    armoriq_client *client = test_client(service->url, "");
    armoriq_user_scope *scope = NULL;
    armoriq_session *session;
    CHECK_STATUS(ARMORIQ_OK, armoriq_for_user(client, "a@b.co", &scope, NULL));
    session = test_session(client, NULL, NULL);

    expect_invalid_client((armoriq_client *)(void *)scope);
    expect_invalid_client((armoriq_client *)(void *)session);
    expect_invalid_scope((armoriq_user_scope *)(void *)client);
    expect_invalid_scope((armoriq_user_scope *)(void *)session);
    expect_invalid_session((armoriq_session *)(void *)client);
    expect_invalid_session((armoriq_session *)(void *)scope);
    /* Freed as something that it is not, a handle stays. */
    armoriq_client_free((armoriq_client *)(void *)session);
    armoriq_session_free((armoriq_session *)(void *)scope);
    armoriq_user_scope_free((armoriq_user_scope *)(void *)client);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_info(session, NULL));
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_info(client, NULL));

    armoriq_session_free(session);
    armoriq_user_scope_free(scope);
    armoriq_client_free(client);
}

static void stale(void)
{
    armoriq_client *client = test_client(service->url, "");
    armoriq_user_scope *scope = NULL;
    armoriq_session *session, *next;
    CHECK_STATUS(ARMORIQ_OK, armoriq_for_user(client, "a@b.co", &scope, NULL));
    session = test_session(client, NULL, NULL);

    armoriq_session_free(session);
    expect_invalid_session(session);
    /* The next session may take the place of the freed one, but not its identity. */
    next = test_session(client, NULL, NULL);
    CHECK(next != session);
    expect_invalid_session(session);
    armoriq_session_free(session);
    armoriq_session_free(session);
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_info(next, NULL));
    armoriq_session_free(next);

    armoriq_user_scope_free(scope);
    armoriq_user_scope_free(scope);
    expect_invalid_scope(scope);
    armoriq_client_free(client);
    armoriq_client_free(client);
    expect_invalid_client(client);
}

/* Client, scope and session freed in each of the six orders: what is left goes on working. */
static void children_outlive_parents(void)
{
    static const char *const orders[] = {"cus", "csu", "ucs", "usc", "scu", "suc"};
    size_t i, j;
    for (i = 0; i < sizeof orders / sizeof *orders; i++) {
        armoriq_client *client = test_client(service->url, "");
        armoriq_user_scope *scope = NULL;
        armoriq_session *session = NULL, *more = NULL;
        int user_lives = 1, session_lives = 1;
        CHECK_STATUS(ARMORIQ_OK, armoriq_for_user(client, "a@b.co", &scope, NULL));
        CHECK_STATUS(ARMORIQ_OK, armoriq_user_start_session(scope, "{\"mode\": \"sdk\"}", &session, NULL));
        test_plan(session, "[{\"name\": \"data__fetch\"}]");
        for (j = 0; j < 3; j++) {
            if (orders[i][j] == 'c') armoriq_client_free(client);
            if (orders[i][j] == 'u') armoriq_user_scope_free(scope), user_lives = 0;
            if (orders[i][j] == 's') armoriq_session_free(session), session_lives = 0;
            if (session_lives) EXPECT(session, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, NULL, NULL);
            if (user_lives) {
                CHECK_STATUS(ARMORIQ_OK, armoriq_user_start_session(scope, "{\"mode\": \"sdk\"}", &more, NULL));
                test_plan(more, "[{\"name\": \"data__fetch\"}]");
                EXPECT(more, "data__fetch", "{}", NULL, ARMORIQ_ALLOW, NULL, NULL);
                armoriq_session_free(more);
            }
        }
        expect_invalid_client(client);
        expect_invalid_scope(scope);
        expect_invalid_session(session);
    }
}

static void *check_until_freed(void *session)
{
    armoriq_verdict verdict;
    char *json;
    armoriq_status status;
    do {
        status = armoriq_session_check(session, "data__fetch", "{}", NULL, &verdict, &json);
        CHECK(json != NULL);
        CHECK(status == ARMORIQ_OK || (status == ARMORIQ_ERR_INVALID_HANDLE && verdict == ARMORIQ_BLOCK));
        CHECK(status != ARMORIQ_OK || verdict == ARMORIQ_ALLOW);
        armoriq_string_free(json);
    } while (status == ARMORIQ_OK);
    return NULL;
}

/* A call holds its own reference: it ends as it would have, and only then the handle is unknown. */
static void freed_during_calls(void)
{
    int round, i;
    for (round = 0; round < test_scaled(20); round++) {
        armoriq_client *client = test_client(service->url, "");
        armoriq_session *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}");
        pthread_t threads[4];
        test_plan(session, "[{\"name\": \"data__fetch\"}]");
        for (i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, check_until_freed, session) == 0);
        test_sleep_ms(round % 5);
        armoriq_client_free(client);
        armoriq_session_free(session);
        for (i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    }
}

static void *free_it(void *session)
{
    armoriq_session_free(session);
    return NULL;
}

static void freed_by_many_threads(void)
{
    armoriq_client *client = test_client(service->url, "");
    int round, i;
    for (round = 0; round < test_scaled(200); round++) {
        armoriq_session *session = test_session(client, NULL, NULL);
        pthread_t threads[4];
        for (i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, free_it, session) == 0);
        for (i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        CHECK_ERROR(ARMORIQ_ERR_INVALID_HANDLE, armoriq_session_info(session, &json));
    }
    armoriq_client_free(client);
}

/* What a cycle leaves behind would add up. No handle comes back in ten thousand. */
static void many_cycles(void)
{
    enum { CYCLES = 10000 };
    static armoriq_session *seen[CYCLES];
    armoriq_client *client = test_client(service->url, ""), *last = NULL;
    int i, cycles = test_scaled(CYCLES);
    for (i = 0; i < cycles; i++) {
        armoriq_session *session = NULL;
        REQUIRE(armoriq_client_start_session(client, NULL, &session, NULL) == ARMORIQ_OK);
        seen[i] = session;
        CHECK(i == 0 || session != seen[i - 1]);
        armoriq_session_free(session);
    }
    for (i = 0; i < cycles; i++) CHECK(armoriq_session_info(seen[i], NULL) == ARMORIQ_ERR_INVALID_HANDLE);
    armoriq_client_free(client);
    for (i = 0; i < test_scaled(CYCLES); i++) {
        client = test_client(service->url, "");
        CHECK(client != last);
        armoriq_client_free(client);
        last = client;
    }
}

/* After close a client and its sessions answer CLOSED, and a check blocks. */
static void closed(void)
{
    armoriq_client *client = test_client(service->url, "");
    armoriq_session *session = test_session(client, "a@b.co", "{\"mode\": \"sdk\"}"), *more = NULL;
    armoriq_verdict verdict = ARMORIQ_ALLOW;
    char *json = NULL;
    test_plan(session, "[{\"name\": \"data__fetch\"}]");
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 1000, &json));
    CHECK_MEMBER(json, "pending", "0");
    armoriq_string_free(json);
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_close(client, 0, NULL));
    CHECK_ERROR(ARMORIQ_ERR_CLOSED, armoriq_session_check(session, "data__fetch", "{}", NULL, &verdict, &json));
    CHECK(verdict == ARMORIQ_BLOCK);
    CHECK_ERROR(ARMORIQ_ERR_CLOSED, armoriq_session_start_plan(session, "[{\"name\": \"a__b\"}]", NULL, &json));
    CHECK_ERROR(ARMORIQ_ERR_CLOSED, armoriq_client_start_session(client, NULL, &more, &json));
    CHECK(more == NULL);
    armoriq_session_free(session);
    armoriq_client_free(client);
}

int main(void)
{
    service = service_start();
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"enforcementAction\": \"allow\"}");
    forged();
    forged_near_a_real_one();
    wrong_type();
    stale();
    children_outlive_parents();
    freed_during_calls();
    freed_by_many_threads();
    many_cycles();
    closed();
    service_stop(service);
    free(service);
    return test_result();
}
