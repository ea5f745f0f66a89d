/* Submitted calls: each has a ticket, which its one completion stamps. */
#ifndef TICKETS_H
#define TICKETS_H

#include "oracle.h"

enum { ASKED = 3 };
enum kind { CHECK_ONE, CHECK_SOME, ANYTHING };

struct ticket {
    /* How often it was handed out and stamped: 0, 1 while the call is under way, 2. */
    int stamps;
    /* What may end it besides the service. */
    int cancelled, closed;
    enum kind kind;
    enum mode mode;
    int planned, number;
    struct question questions[ASKED];
};

/*
 * Deliberate faults, which must be noticed also where a machine gets little done: one text in five is not freed, and a
 * descriptor and a thread are left over; one completion in twenty is not counted.
 */
static int breaks_leak, breaks_lose;

/* Frees a text of the library's. */
HELPER void let_go(char *json)
{
    static uint64_t freed;
    if (breaks_leak && json && __sync_add_and_fetch(&freed, 1) % 5 == 0) return;
    armoriq_string_free(json);
}

/* Holds a completion against its ticket, and frees it. */
HELPER void stamp(struct ticket *tickets, size_t number, armoriq_completion *completion)
{
    static uint64_t seen;
    const char *json = completion->json;
    struct ticket *ticket = &tickets[completion->user_data];

    if (breaks_lose && __sync_add_and_fetch(&seen, 1) % 20 == 0) {
        armoriq_string_free(completion->json);
        return;
    }
    if (completion->user_data >= number || __sync_fetch_and_add(&ticket->stamps, 1) != 1) {
        fault(repeated_completions, "a completion that nobody waits for", json);
        armoriq_string_free(completion->json);
        return;
    }
    add(completed, 1);
    if (completion->verdict != ARMORIQ_BLOCK && (ticket->kind != CHECK_ONE || completion->status != ARMORIQ_OK)) {
        fault(wrong_verdicts, "a completion's verdict", json);
    }
    if (completion->status == ARMORIQ_ERR_CANCELLED && ticket->cancelled) {
        add(cancelled, 1);
    } else if (completion->status == ARMORIQ_ERR_CLOSED && ticket->closed) {
        add(cancelled, 1);
    } else if (ticket->kind == ANYTHING) {
        note_status("a submitted call", completion->status, json);
    } else if (completion->status != ARMORIQ_OK) {
        fault(unexpected_statuses, "a submitted check", json);
    } else if (ticket->kind == CHECK_ONE) {
        judge(ticket->mode, ticket->planned, ticket->questions, completion->verdict, json);
    } else {
        judge_batch(ticket->mode, ticket->planned, ticket->questions, ticket->number, -1, json);
    }
    let_go(completion->json);
}

HELPER size_t unstamped(const struct ticket *tickets, size_t number)
{
    size_t i, missing = 0;
    for (i = 0; i < number; i++) missing += tickets[i].stamps == 1;
    return missing;
}

/* Fetches completions until each ticket has its own. Those that are missing when none came for so long are lost. */
HELPER void stamp_all(armoriq_queue *queue, struct ticket *tickets, size_t number, uint32_t patience_ms)
{
    armoriq_completion completion;
    size_t missing;
    if (breaks_lose && patience_ms > 100) patience_ms = 100;
    while ((missing = unstamped(tickets, number)) > 0) {
        if (armoriq_queue_next(queue, patience_ms, &completion, NULL) != ARMORIQ_OK) break;
        stamp(tickets, number, &completion);
    }
    if (missing) {
        char detail[64];
        snprintf(detail, sizeof detail, "%u of %u", (unsigned)missing, (unsigned)number);
        fault(lost_completions, "never came", detail);
        add(lost_completions, missing - 1);
    }
}

/* Cancels some of the calls, and frees all handles, early or late. */
HELPER void cancel_some(struct worker *worker, struct ticket *ticket, armoriq_call **call)
{
    if (below(worker, 4) == 0) {
        ticket->cancelled = 1;
        TIMED(worker, 0, note_status("cancel", armoriq_call_cancel(*call, NULL), NULL));
    }
    armoriq_call_free(*call);
    *call = NULL;
}

/* Submits a check, several, or another call; whether it was accepted. */
HELPER int submit(struct worker *worker, armoriq_client *client, armoriq_session *session, armoriq_queue *queue,
                  struct ticket *ticket, uint64_t user_data, armoriq_call **call)
{
    armoriq_status status = ARMORIQ_ERR_INTERNAL;
    const char *method = NULL;
    char params[1024], *json = NULL;
    int i, length, pick = below(worker, 10);

    ticket->kind = pick < 6 ? CHECK_ONE : pick == 6 ? CHECK_SOME : ANYTHING;
    ticket->number = ticket->kind == CHECK_SOME ? ASKED : 1;
    for (i = 0; i < ticket->number; i++) pose_any(worker, &ticket->questions[i]);
    __sync_fetch_and_add(&ticket->stamps, 1);
    switch (pick) {
    case 6:
        length = snprintf(params, sizeof params, "{\"options\": {\"timeout_ms\": 1500}, \"calls\": [");
        for (i = 0; i < ASKED; i++) {
            struct question *question = &ticket->questions[i];
            /* A batch has one user. */
            while (strstr(question->options, "user_email")) pose_any(worker, question);
            length += snprintf(params + length, sizeof params - (size_t)length, "%s{\"tool\": \"%s\", \"args\": %s}",
                               i ? ", " : "", question->tool, question->args);
        }
        strcpy(params + length, "]}");
        method = "check_batch";
        break;
    case 7:
        strcpy(params, "{\"tool\": \"data-mcp__fetch_sales\", \"result\": {\"rows\": 3}}");
        method = "report";
        break;
    case 8:
        method = "await_approval";
        snprintf(params, sizeof params, "{\"delegation_id\": \"00000000-0000-4000-8000-%012d\", \"timeout_ms\": 300, "
                                        "\"interval_ms\": 50, \"user_email\": \"alice@example.com\"}",
                 below(worker, 1000000));
        break;
    case 9:
        strcpy(params, "{}");
        method = "list_mcps";
        session = NULL;
        break;
    default: break;
    }
    if (method) {
        client = session ? NULL : client;
        TIMED(worker, 0, status = armoriq_submit(client, session, queue, user_data, method, params, call, &json));
    } else {
        const struct question *question = ticket->questions;
        TIMED(worker, 0, status = armoriq_submit_check(session, queue, user_data, question->tool, question->args,
                                                       question->options, call, &json));
    }
    if (status == ARMORIQ_OK) {
        add(submitted, 1);
    } else {
        __sync_fetch_and_sub(&ticket->stamps, 1);
        if (status != ARMORIQ_ERR_QUEUE_FULL) fault(unexpected_statuses, "submit", json);
    }
    let_go(json);
    return status == ARMORIQ_OK;
}

#endif
