/* A server's event loop: a thousand checks in flight, and no thread that waits for any of them.
 *
 * Build:  cc epoll.c -larmoriq -o epoll
 * Run:    scripts/with-local.sh ./epoll
 */
#include <armoriq.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CALLS = 1000 };

/* It takes the address of `json`, since C may read an argument before it makes the call that stands beside it. */
static void must(armoriq_status status, const char *what, char **json)
{
    if (status != ARMORIQ_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, armoriq_status_name(status), *json ? *json : "");
        exit(1);
    }
    armoriq_string_free(*json);
    *json = NULL;
}

int main(void)
{
    armoriq_client *client = NULL;
    armoriq_user_scope *alice = NULL;
    armoriq_session *session = NULL;
    armoriq_queue *queue = NULL;
    armoriq_completion done;
    struct epoll_event event = {.events = EPOLLIN};
    char *json = NULL;
    int loop = epoll_create1(EPOLL_CLOEXEC), completed = 0, allowed = 0, wrong = 0;

    must(armoriq_client_new(ARMORIQ_ABI_VERSION, NULL, &client, &json), "client", &json);
    must(armoriq_for_user(client, "alice@example.com", &alice, &json), "user", &json);
    must(armoriq_user_start_session(alice, "{\"mode\": \"sdk\"}", &session, &json), "session", &json);
    must(armoriq_session_start_plan(session,
                                    "[{\"name\": \"data-mcp__fetch_sales\"}, {\"name\": \"data-mcp__drop_table\"}]", NULL,
                                    &json),
         "plan", &json);
    must(armoriq_queue_new(CALLS, &queue, &json), "queue", &json);

    /* The descriptor goes into the loop like any other. */
    event.data.ptr = queue;
    if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, (int)armoriq_queue_fd(queue), &event) != 0) {
        perror("epoll");
        return 1;
    }
    /* user_data is what finds the request again; here it is a number. */
    for (int call = 0; call < CALLS; call++)
        must(armoriq_submit_check(session, queue, (uint64_t)call,
                                  call % 2 ? "data-mcp__drop_table" : "data-mcp__fetch_sales", "{}", NULL, NULL, &json),
             "submit", &json);

    while (completed < CALLS) {
        if (epoll_wait(loop, &event, 1, 60000) != 1) {
            fprintf(stderr, "nothing came for a minute\n");
            return 1;
        }
        /* Readable: take what is there, without waiting. */
        while (armoriq_queue_next(queue, 0, &done, NULL) == ARMORIQ_OK) {
            completed++;
            if (done.status != ARMORIQ_OK || (done.verdict == ARMORIQ_ALLOW && done.user_data % 2 == 1)) wrong++;
            /* A service that cannot answer a burst within 10 s blocks the rest of it: the decision's cause says so. */
            if (done.verdict == ARMORIQ_ALLOW) allowed++;
            armoriq_string_free(done.json);
        }
    }
    printf("%d completed, %d allowed, %d wrong\n", completed, allowed, wrong);

    /* Out of the loop first: the descriptor is the queue's. */
    epoll_ctl(loop, EPOLL_CTL_DEL, (int)armoriq_queue_fd(queue), NULL);
    close(loop);
    armoriq_queue_free(queue);
    armoriq_session_free(session);
    armoriq_user_scope_free(alice);
    armoriq_client_free(client);
    return wrong > 0;
}
