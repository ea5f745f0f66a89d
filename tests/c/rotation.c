/* The API key is replaced under load: no check fails, and no request that starts after the call returned has an old one. */
#include "service.h"

enum { THREADS = 8 };

static armoriq_session *session;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int rotations, returned, done, requests, old_keys, mixed_keys;

static int number_after(const char *text, const char *what)
{
    const char *found = strstr(text, what);
    return found ? atoi(found + strlen(what)) : -1;
}

/* A check says which key it must have at least: the last one that was set before it began. */
static void seen(const char *request)
{
    int key = number_after(request, "authorization: Bearer ak_test_rotation_");
    int at_least = number_after(request, "\"at_least\":");
    if (!strstr(request, "/iap/sdk/enforce")) return;
    pthread_mutex_lock(&lock);
    requests++;
    if (key < at_least) old_keys++;
    if (key != number_after(request, "x-api-key: ak_test_rotation_")) mixed_keys++;
    pthread_mutex_unlock(&lock);
}

static int now_returned(void)
{
    int number;
    pthread_mutex_lock(&lock);
    number = done ? -1 : returned;
    pthread_mutex_unlock(&lock);
    return number;
}

static void *check_on(void *unused)
{
    int at_least;
    (void)unused;
    while ((at_least = now_returned()) >= 0) {
        char args[64];
        snprintf(args, sizeof args, "{\"at_least\":%d}", at_least);
        EXPECT(session, "data__fetch", args, NULL, ARMORIQ_ALLOW, "fine", NULL);
    }
    return NULL;
}

static int counted(void)
{
    int count;
    pthread_mutex_lock(&lock);
    count = requests;
    pthread_mutex_unlock(&lock);
    return count;
}

int main(void)
{
    struct service *service = service_start();
    pthread_t threads[THREADS];
    armoriq_client *client;
    char key[64], *json = NULL;
    int i;

    rotations = test_scaled(100);
    service->seen = seen;
    service_json(service, "/iap/sdk/enforce", 200, "{\"allowed\": true, \"reason\": \"fine\"}");
    client = test_client(service->url, "");
    CHECK_STATUS(ARMORIQ_OK, armoriq_client_set_api_key(client, "ak_test_rotation_0", NULL));
    session = test_session(client, "ann@example.com", "{\"mode\": \"sdk\"}");
    test_plan(session, "[{\"name\": \"data__fetch\"}]");
    for (i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, check_on, NULL) == 0);

    for (i = 1; i <= rotations; i++) {
        int before = counted();
        snprintf(key, sizeof key, "ak_test_rotation_%d", i);
        CHECK_STATUS(ARMORIQ_OK, armoriq_client_set_api_key(client, key, NULL));
        pthread_mutex_lock(&lock);
        returned = i;
        pthread_mutex_unlock(&lock);
        while (counted() < before + THREADS) test_sleep_ms(1);
    }
    CHECK_STATUS(ARMORIQ_ERR_CONFIGURATION, armoriq_client_set_api_key(client, "no_key", &json));
    CHECK(!strstr(json, "no_key"));
    armoriq_string_free(json);

    pthread_mutex_lock(&lock);
    done = 1;
    pthread_mutex_unlock(&lock);
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(counted() >= rotations * THREADS);
    CHECK(old_keys == 0);
    CHECK(mixed_keys == 0);
    armoriq_session_free(session);
    armoriq_client_free(client);
    service_stop(service);
    free(service);
    return test_result();
}
