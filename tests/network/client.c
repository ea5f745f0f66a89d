/*
 * usage: client OPTIONS MODE LENGTH
 *
 * Asks for one decision in each of the ways that have connections of their own: on this thread, by the queue, and in a
 * forked child. Prints a line for each: the verdict and the cause, or the function that failed with its error object.
 * LENGTH is how long the arguments are at least, in bytes.
 */
#include "../c/fork.h"
#include "../c/queue.h"

static char *args;

static char *args_of(size_t length)
{
    char *text = malloc(length + sizeof "{\"a\":\"\"}");
    REQUIRE(text != NULL);
    memcpy(text, "{\"a\":\"", 6);
    memset(text + 6, 'x', length);
    strcpy(text + 6 + length, "\"}");
    return text;
}

static void says(armoriq_status status, armoriq_verdict verdict, const char *json)
{
    if (status != ARMORIQ_OK) printf("check %s\n", json);
    else if (verdict == ARMORIQ_ALLOW) printf("allow\n");
    else printf("block %s %s\n", json_text(json, "cause"), json_text(json, "reason"));
}

static void check(armoriq_session *session)
{
    char *json = NULL;
    armoriq_verdict verdict = ARMORIQ_BLOCK;
    armoriq_status status = armoriq_session_check(session, "data__fetch", args, NULL, &verdict, &json);
    says(status, verdict, json);
    armoriq_string_free(json);
}

static void check_by_queue(armoriq_session *session)
{
    armoriq_queue *queue = queue_new(1);
    armoriq_completion completion;
    CHECK(armoriq_submit_check(session, queue, 1, "data__fetch", args, NULL, NULL, NULL) == ARMORIQ_OK);
    completion = queue_take(queue);
    says(completion.status, completion.verdict, completion.json);
    armoriq_string_free(completion.json);
    armoriq_queue_free(queue);
}

static void check_in_child(armoriq_session *session)
{
    pid_t child = test_fork();
    if (child == 0) {
        check(session);
        test_leave();
    }
    test_wait(child);
}

int main(int argc, char **argv)
{
    armoriq_client *client = NULL;
    armoriq_session *session;
    char mode[64], *json = NULL;
    armoriq_status status;

    REQUIRE(argc == 4);
    args = args_of(strtoul(argv[3], NULL, 10));
    status = armoriq_client_new(ARMORIQ_ABI_VERSION, argv[1], &client, &json);
    if (status != ARMORIQ_OK) {
        printf("client_new %s\n", json);
        armoriq_string_free(json);
        return 0;
    }
    armoriq_string_free(json);
    snprintf(mode, sizeof mode, "{\"mode\": \"%s\"}", argv[2]);
    session = test_session(client, "alice@example.com", mode);
    status = armoriq_session_start_plan(session, "[{\"name\": \"data__fetch\"}]", NULL, &json);
    if (status != ARMORIQ_OK) {
        printf("start_plan %s\n", json);
    } else {
        check(session);
        check_by_queue(session);
        check_in_child(session);
    }
    armoriq_string_free(json);
    armoriq_session_free(session);
    armoriq_client_free(client);
    free(args);
    return test_result();
}
