/* What the tests of the completion queue share. */
#ifndef QUEUE_H
#define QUEUE_H

#include "service.h"

HELPER armoriq_queue *queue_new(uint32_t capacity)
{
    armoriq_queue *queue = NULL;
    REQUIRE(armoriq_queue_new(capacity, &queue, NULL) == ARMORIQ_OK);
    return queue;
}

/* Whether the queue's descriptor is readable, now or within a time. */
HELPER int queue_readable(armoriq_queue *queue, int timeout_ms)
{
    struct pollfd ready;
    ready.fd = (int)armoriq_queue_fd(queue);
    ready.events = POLLIN;
    ready.revents = 0;
    REQUIRE(ready.fd >= 0);
    return poll(&ready, 1, timeout_ms) == 1 && ready.revents == POLLIN;
}

/* The next completion; ends the program where none comes. */
HELPER armoriq_completion queue_take(armoriq_queue *queue)
{
    armoriq_completion completion;
    REQUIRE(armoriq_queue_next(queue, 60000, &completion, NULL) == ARMORIQ_OK);
    return completion;
}

/* The next completion, which must be this one's with this status; a verdict other than BLOCK comes with OK only. */
#define EXPECT_COMPLETION(queue, user_data, status, verdict, part)                                                      \
    test_completion(__FILE__, __LINE__, (queue), (user_data), (status), (verdict), (part))

HELPER void test_completion(const char *file, int line, armoriq_queue *queue, uint64_t user_data, armoriq_status status,
                            armoriq_verdict verdict, const char *part)
{
    armoriq_completion completion = queue_take(queue);
    if (completion.user_data != user_data) test_fail(file, line, "the completion of another call", completion.json);
    test_status(file, line, "completion", status, completion.status);
    if (completion.verdict != verdict) test_fail(file, line, "verdict", completion.json);
    test_contains(file, line, completion.json, part, 1);
    test_error(file, line, completion.status, completion.json);
    armoriq_string_free(completion.json);
}

#define CHECK_EMPTY(queue)                                                                                              \
    do {                                                                                                                \
        armoriq_completion none = {1, 1, 1, (char *)1};                                                                 \
        CHECK_ERROR(ARMORIQ_ERR_TIMEOUT, armoriq_queue_next(queue, 0, &none, &json));                                   \
        CHECK(none.user_data == 0 && none.status == 0 && none.verdict == ARMORIQ_BLOCK && none.json == NULL);           \
        CHECK(!queue_readable(queue, 0));                                                                               \
    } while (0)

HELPER void queue_check(armoriq_session *session, armoriq_queue *queue, uint64_t user_data, armoriq_call **call)
{
    char *json = NULL;
    armoriq_status status = armoriq_submit_check(session, queue, user_data, "data__fetch", "{\"n\": 1}", NULL, call, &json);
    CHECK_STATUS(ARMORIQ_OK, status);
    if (status != ARMORIQ_OK) printf("%s\n", json);
    armoriq_string_free(json);
}

#endif
