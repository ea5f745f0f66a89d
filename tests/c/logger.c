/* The logger that a host installs: what it is told, that it may call back, and that it is gone when it was removed. */
#include "fork.h"
#include "service.h"

static struct service *service;
static armoriq_client *client;
static int lines, errors_only, after_removal;
static int removed;

static void check_line(void *user_data, int32_t level, const char *target, const char *message)
{
    int *counter = user_data;
    __sync_fetch_and_add(counter, 1);
    if (removed) __sync_fetch_and_add(&after_removal, 1);
    CHECK(level >= 1 && level <= 5);
    CHECK(target && *target);
    CHECK(message && *message);
    CHECK_LACKS(message, TEST_KEY);
    CHECK_LACKS(message, SERVICE_JWT);
    /* It may call the library. */
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_info(client, NULL));
}

/* Something that is worth a line or two. */
static void go_wrong(void)
{
    armoriq_session *session = test_session(client, "a@b.co", NULL);
    service_json(service, "/policy/bundles/current", 200, "<html>" TEST_KEY);
    test_plan(session, "[{\"name\": \"data__fetch\"}]");
    CHECK_STATUS(ARMORIQ_OK, armoriq_session_report(session, "data__fetch", "{}", NULL, NULL, NULL));
    armoriq_session_free(session);
}

static void *go_wrong_for_a_while(void *unused)
{
    int i;
    (void)unused;
    for (i = 0; i < test_scaled(20); i++) go_wrong();
    return NULL;
}

static void removed_while_it_is_called(void)
{
    pthread_t threads[4];
    int i;
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(5, check_line, &lines, NULL));
    for (i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, go_wrong_for_a_while, NULL) == 0);
    test_sleep_ms(20);
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(5, NULL, NULL, NULL));
    removed = 1;
    for (i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK(after_removal == 0);
}

/* A logger that stays in its first call for as long as it is told. */
struct staying {
    int inside, leave, left;
};

static void stay(void *user_data, int32_t level, const char *target, const char *message)
{
    struct staying *staying = user_data;
    (void)level;
    (void)target;
    (void)message;
    __sync_fetch_and_add(&staying->inside, 1);
    while (!__sync_fetch_and_add(&staying->leave, 0)) test_sleep_ms(1);
    __sync_fetch_and_add(&staying->left, 1);
}

static void *go_wrong_once(void *unused)
{
    (void)unused;
    go_wrong();
    return NULL;
}

static void wait_for(int *counter)
{
    while (!__sync_fetch_and_add(counter, 0)) test_sleep_ms(1);
}

/* The parent's call never ends in a child: nothing is waited for there. */
static void removed_in_a_child_that_is_made_while_it_is_called(void)
{
    struct staying staying = {0, 0, 0};
    pthread_t thread;
    pid_t child;
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(5, stay, &staying, NULL));
    REQUIRE(pthread_create(&thread, NULL, go_wrong_once, NULL) == 0);
    wait_for(&staying.inside);
    child = test_fork();
    if (child == 0) {
        alarm((unsigned)test_patient(60000) / 1000);
        CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(5, NULL, NULL, NULL));
        test_leave();
    }
    test_wait(child);
    __sync_fetch_and_add(&staying.leave, 1);
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(5, NULL, NULL, NULL));
    CHECK(staying.inside == staying.left);
    pthread_join(thread, NULL);
}

int main(void)
{
    static const int32_t no_levels[] = {0, 6, -1, INT32_MAX, INT32_MIN};
    size_t i;

    service = service_start();
    client = test_client(service->url, ", \"agent_id\": \"agent-1\", \"max_retries\": 0");
    for (i = 0; i < sizeof no_levels / sizeof *no_levels; i++) {
        CHECK_ERROR(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_set_logger(no_levels[i], check_line, &lines, &json));
    }
    go_wrong();
    CHECK(lines == 0);
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(2, check_line, &lines, NULL));
    go_wrong();
    CHECK(lines > 0);
    /* Replaced: only the new one is called, and only for what it asked for. */
    CHECK_STATUS(ARMORIQ_OK, armoriq_set_logger(1, check_line, &errors_only, NULL));
    lines = 0;
    go_wrong();
    CHECK(lines == 0 && errors_only == 0);
    removed_while_it_is_called();
    removed_in_a_child_that_is_made_while_it_is_called();

    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
