/*
 * The soak: mixed calls from 16 threads against a control plane that fails in every way that injector.py knows.
 *
 *   soak SECONDS SEED
 *
 * The time is cut into eras. In each there is a client that all threads share, with its sessions and its queue; in the
 * end all is closed and freed, and what the process still has is measured. An era has rounds of some seconds, after
 * each of which the threads are made anew. Prints its figures as JSON, which report.py judges. SOAK_BREAK=leak,lose
 * makes this program leak texts and lose completions, to see that it is noticed.
 */
#include "../c/test.h"

#include <signal.h>
#include <unistd.h>

#include "calls.h"
#include "measure.h"

enum { MOST_ERAS = 12, ROUND_SECONDS = 25 };

static struct worker owner = {.number = WORKERS};
static int eras;
static long bytes_in_use[MOST_ERAS];
/* The most that an era's client, its sessions and their caches had between two rounds. */
static long bytes_of_a_client;

/* A call hangs: says which, and ends with everything. */
static void give_up(int signal)
{
    int i;
    (void)signal;
    for (i = 0; i <= WORKERS; i++) {
        const char *doing = i < WORKERS ? workers[i].doing : owner.doing;
        if (doing && *doing && write(2, doing, strlen(doing)) > 0 && write(2, "\n", 1) != 1) break;
    }
    _exit(3);
}

static void *work(void *of)
{
    struct worker *worker = of;
    while (test_seconds() < worker->until) {
        do_something(worker);
        test_sleep_ms(2);
    }
    return NULL;
}

static void run_round(double until)
{
    pthread_t threads[WORKERS];
    int i;
    alarm(ROUND_SECONDS + 300);
    for (i = 0; i < WORKERS; i++) {
        workers[i].until = until;
        REQUIRE(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (i = 0; i < WORKERS; i++) pthread_join(threads[i], NULL);
}

static void begin_era(void)
{
    int mode, tries;
    shared.client = new_client(&owner);
    REQUIRE(armoriq_queue_new(SHARED_TICKETS, &shared.queue, NULL) == ARMORIQ_OK);
    for (mode = 0; mode < MODES; mode++) {
        shared.sessions[mode] = new_session(&owner, shared.client, (enum mode)mode);
        for (tries = 0, shared.planned[mode] = 0; tries < 5 && !shared.planned[mode]; tries++) {
            shared.planned[mode] = plan(&owner, shared.sessions[mode], NULL);
        }
    }
    answered_at = test_seconds();
}

/* The shared queue's calls end by themselves, or by the close. */
static void finish_round(int is_last)
{
    size_t number = shared.next_ticket < SHARED_TICKETS ? shared.next_ticket : SHARED_TICKETS, i;
    if (is_last) {
        for (i = 0; i < number; i++) shared.tickets[i].closed = 1;
        TIMED(&owner, 100, note_status("close", armoriq_client_close(shared.client, 100, NULL), NULL));
    }
    TIMED(&owner, LOST_MS, stamp_all(shared.queue, shared.tickets, number, is_last ? 0 : LOST_MS));
    memset(shared.tickets, 0, sizeof shared.tickets);
    shared.next_ticket = 0;
}

static void end_era(void)
{
    int mode;
    armoriq_client_free(shared.client);
    for (mode = 0; mode < MODES; mode++) armoriq_session_free(shared.sessions[mode]);
    armoriq_queue_free(shared.queue);
}

static void run_era(double until)
{
    int is_last;
    begin_era();
    do {
        double left = until - test_seconds();
        struct holdings now;
        is_last = left < ROUND_SECONDS * 2;
        run_round(is_last ? until : test_seconds() + ROUND_SECONDS);
        finish_round(is_last);
        now = measure();
        if (now.bytes > bytes_of_a_client) bytes_of_a_client = now.bytes;
    } while (!is_last);
    end_era();
}

static void print(const struct holdings *before, const struct holdings *after)
{
    /* The first third warms up. After that nothing may grow. */
    int third = eras / 3, i;
    printf("{");
    for (i = 0; i < FIGURE_COUNT; i++) printf("\"%s\": %llu, ", figure_names[i], (unsigned long long)figures[i]);
    printf("\"leaked_descriptors\": %ld, \"leaked_threads\": %ld, \"leaked_bytes\": %ld, ",
           after->descriptors - before->descriptors, after->threads - before->threads,
           median(bytes_in_use + 2 * third, third) - bytes_in_use[third - 1]);
    printf("\"bytes_in_use\": [%ld", before->bytes);
    for (i = 0; i < eras; i++) printf(", %ld", bytes_in_use[i]);
    printf("], \"bytes_of_a_client\": %ld, \"slowest_seconds\": %.3f, \"longest_silence\": %.3f}\n",
           bytes_of_a_client - before->bytes, slowest_seconds, longest_silence);
    fprintf(stderr, "slowest: %s\n", slowest_call);
}

/* More handles at once than the threads ever have: the library's table of them grows with that number, for good. */
static void grow_the_table_of_handles(void)
{
    static armoriq_session *many[WORKERS * (OWN_TICKETS + 8)];
    size_t i, number = sizeof many / sizeof *many;
    armoriq_client *client = new_client(&owner);
    for (i = 0; i < number; i++) REQUIRE(armoriq_client_start_session(client, NULL, &many[i], NULL) == ARMORIQ_OK);
    for (i = 0; i < number; i++) armoriq_session_free(many[i]);
    armoriq_client_free(client);
}

static void *stay(void *unused)
{
    pause();
    return unused;
}

int main(int count, char **arguments)
{
    const char *broken = getenv("SOAK_BREAK");
    struct holdings before, after;
    pthread_t left_over;
    double seconds, began;
    int i;

    REQUIRE(count == 3);
    seconds = atof(arguments[1]);
    REQUIRE(seconds >= 1);
    /* Those who are late hold up all at the end of an era, so that short ones get little done. */
    eras = seconds < 60 ? MOST_ERAS / 4 : seconds < 300 ? MOST_ERAS / 2 : MOST_ERAS;
    breaks_leak = broken && strstr(broken, "leak") != NULL;
    breaks_lose = broken && strstr(broken, "lose") != NULL;
    owner.random = strtoull(arguments[2], NULL, 10);
    for (i = 0; i < WORKERS; i++) {
        workers[i].number = i;
        workers[i].random = draw(&owner);
    }
    signal(SIGALRM, give_up);
    REQUIRE(armoriq_set_logger(3, take_log, NULL, NULL) == ARMORIQ_OK);

    grow_the_table_of_handles();
    before = after = settle(NULL, 1);
    if (breaks_leak) REQUIRE(dup(0) >= 0 && pthread_create(&left_over, NULL, stay, NULL) == 0);
    began = test_seconds();
    for (i = 0; i < eras; i++) {
        run_era(began + seconds * (i + 1) / eras);
        /* An inventory that was declared is sent until it arrives, for some 20 s. */
        after = settle(&before, i < eras - 1 || breaks_leak ? 3 : 60);
        bytes_in_use[i] = after.bytes;
    }
    REQUIRE(armoriq_set_logger(3, NULL, NULL, NULL) == ARMORIQ_OK);
    if (after.descriptors > before.descriptors) show_descriptors();
    print(&before, &after);
    return test_result();
}
