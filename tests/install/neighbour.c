/* Both Rust libraries work in one program, in turns and at once, each with a Rust standard library of its own. */
#include <armoriq.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

int neighbour_works(void);
size_t neighbour_panics(void);

#define CHECK(condition) ((condition) ? 0 : (printf("%d: %s\n", __LINE__, #condition), failures++))

static int failures;

/* A client with a thread in the background, and a call that fails: nobody listens there. */
static void use_armoriq(void)
{
    static const char *const options =
        "{\"api_key\": \"ak_test_0123456789abcdef\", \"backend_endpoint\": \"http://127.0.0.1:1\", "
        "\"proxy_endpoint\": \"http://127.0.0.1:1\", \"iap_endpoint\": \"http://127.0.0.1:1\", \"max_retries\": 0}";
    armoriq_client *client = NULL;
    armoriq_queue *queue = NULL;
    armoriq_completion done;
    char *json = NULL;

    CHECK(armoriq_policy_evaluate("not JSON", "[]", &json) == ARMORIQ_ERR_INVALID_ARGUMENT && json != NULL);
    armoriq_string_free(json);
    CHECK(armoriq_client_new(ARMORIQ_ABI_VERSION, options, &client, NULL) == ARMORIQ_OK);
    CHECK(armoriq_client_list_mcps(client, NULL, &json) == ARMORIQ_ERR_SERVICE && json != NULL);
    armoriq_string_free(json);
    CHECK(armoriq_queue_new(1, &queue, NULL) == ARMORIQ_OK);
    CHECK(armoriq_submit(client, NULL, queue, 1, "list_mcps", NULL, NULL, NULL) == ARMORIQ_OK);
    CHECK(armoriq_queue_next(queue, 60000, &done, NULL) == ARMORIQ_OK && done.status == ARMORIQ_ERR_SERVICE);
    armoriq_string_free(done.json);
    armoriq_queue_free(queue);
    armoriq_client_free(client);
}

static void *use_neighbour(void *unused)
{
    int round;
    for (round = 0; round < 50; round++) CHECK(neighbour_works() == 4);
    return unused;
}

int main(void)
{
    pthread_t thread;
    int round;

    CHECK(strcmp(armoriq_version(), ARMORIQ_VERSION) == 0);
    use_armoriq();
    CHECK(neighbour_works() == 4);
    CHECK(pthread_create(&thread, NULL, use_neighbour, NULL) == 0);
    for (round = 0; round < 50; round++) use_armoriq();
    pthread_join(thread, NULL);
    CHECK(neighbour_panics() == 4 * 51);
    return failures ? 1 : 0;
}
