/* A server in one thread: every request becomes a check, a thousand of them in flight, and nothing waits for any.
 *
 * Build:  cc epoll.c -larmoriq -o epoll
 * Run:    scripts/with-local.sh ./epoll SOCKET
 *
 * A client connects to the Unix socket and writes lines: a tool's name and, after a space, its arguments. It reads a
 * line for each: ALLOW, HOLD or BLOCK, and the decision. The line "in-flight" asks how many checks are. A client that
 * closes its end takes its request back. SIGTERM ends the server. Each client is a descriptor: mind `ulimit -n`.
 */
#define _GNU_SOURCE
#include <armoriq.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CAPACITY = 4096 };

/* Lives until its client is gone and its check, if one is in flight, has ended. */
struct connection {
    int socket; /* -1: the client is gone */
    int waits;  /* a check is in flight; its user_data is this connection's address */
    armoriq_call *call;
    size_t length;
    char lines[2048];
};

static armoriq_session *session;
static armoriq_queue *queue;
static int loop, in_flight, most_in_flight, answered;

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

static void must_be(int right, const char *what)
{
    if (!right) {
        perror(what);
        exit(1);
    }
}

static void watch(int operation, int descriptor, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};

    must_be(epoll_ctl(loop, operation, descriptor, &event) == 0, "epoll_ctl");
}

/* A client that does not read its answers is sent away; its next event is that it is gone. */
static void answer(struct connection *connection, const char *word, const char *json)
{
    char line[16384];
    int length = snprintf(line, sizeof line, "%s %s\n", word, json ? json : "");

    if (length >= (int)sizeof line
        || send(connection->socket, line, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) != length)
        shutdown(connection->socket, SHUT_RDWR);
}

static void submit(struct connection *connection, char *line)
{
    uint64_t user_data = (uint64_t)(uintptr_t)connection;
    char *args = strchr(line, ' '), number[16], *json = NULL;

    if (strcmp(line, "in-flight") == 0) {
        snprintf(number, sizeof number, "%d", in_flight);
        answer(connection, number, NULL);
        return;
    }
    if (args) *args++ = '\0';
    if (armoriq_submit_check(session, queue, user_data, line, args, NULL, &connection->call, &json) == ARMORIQ_OK) {
        connection->waits = 1;
        in_flight++;
        if (in_flight > most_in_flight) most_in_flight = in_flight;
    } else {
        /* Bad arguments, or the queue is full: no completion comes, and what was not decided is blocked. */
        answer(connection, "BLOCK", json);
    }
    armoriq_string_free(json);
}

/* One line at a time: the next one is looked at when the check of this one has ended. */
static void next_lines(struct connection *connection)
{
    char *end;

    while (!connection->waits && (end = memchr(connection->lines, '\n', connection->length))) {
        size_t taken = (size_t)(end - connection->lines) + 1;
        *end = '\0';
        /* C ends a text at a NUL: only what stands before it would be checked. */
        if (strlen(connection->lines) + 1 == taken) submit(connection, connection->lines);
        else answer(connection, "BLOCK", NULL);
        connection->length -= taken;
        memmove(connection->lines, connection->lines + taken, connection->length);
    }
    watch(EPOLL_CTL_MOD, connection->socket, connection->waits ? EPOLLRDHUP : EPOLLIN | EPOLLRDHUP, connection);
}

static void hang_up(struct connection *connection)
{
    close(connection->socket);
    connection->socket = -1;
    if (connection->waits) {
        /* Nobody wants the answer. The completion comes all the same, and frees the connection. */
        armoriq_status status = armoriq_call_cancel(connection->call, NULL);
        (void)status;
    } else {
        free(connection);
    }
}

static void serve(struct connection *connection, uint32_t events)
{
    ssize_t got = 0;

    if (!connection->waits && (events & EPOLLIN))
        got = recv(connection->socket, connection->lines + connection->length,
                   sizeof connection->lines - connection->length, MSG_DONTWAIT);
    if (got > 0) {
        connection->length += (size_t)got;
        next_lines(connection);
    } else {
        /* Gone, or its line is too long. */
        hang_up(connection);
    }
}

/* Takes the completions that are there, without waiting. */
static void take_completions(void)
{
    static const char *const words[] = {"BLOCK", "ALLOW", "HOLD"};
    armoriq_completion done;

    while (armoriq_queue_next(queue, 0, &done, NULL) == ARMORIQ_OK) {
        struct connection *connection = (struct connection *)(uintptr_t)done.user_data;
        int known = done.verdict >= ARMORIQ_BLOCK && done.verdict <= ARMORIQ_HOLD;

        in_flight--;
        connection->waits = 0;
        armoriq_call_free(connection->call);
        connection->call = NULL;
        if (connection->socket >= 0) {
            answered++;
            answer(connection, words[known ? done.verdict : ARMORIQ_BLOCK], done.json);
            next_lines(connection);
        } else {
            free(connection);
        }
        armoriq_string_free(done.json);
    }
}

static void welcome(int listener)
{
    int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct connection *connection = socket < 0 ? NULL : calloc(1, sizeof *connection);

    if (!connection) {
        if (socket >= 0) close(socket);
        return;
    }
    connection->socket = socket;
    watch(EPOLL_CTL_ADD, socket, EPOLLIN | EPOLLRDHUP, connection);
}

/* The session that all requests belong to. A real server has one for each turn of an agent. */
static void plan(armoriq_client **client)
{
    armoriq_user_scope *alice = NULL;
    char *json = NULL;

    must(armoriq_client_new(ARMORIQ_ABI_VERSION, NULL, client, &json), "client", &json);
    must(armoriq_for_user(*client, "alice@example.com", &alice, &json), "user", &json);
    must(armoriq_user_start_session(alice, "{\"mode\": \"sdk\"}", &session, &json), "session", &json);
    armoriq_user_scope_free(alice);
    must(armoriq_session_start_plan(session,
                                    "[{\"name\": \"data-mcp__fetch_sales\"}, {\"name\": \"data-mcp__drop_table\"}]",
                                    NULL, &json),
         "plan", &json);
    must(armoriq_queue_new(CAPACITY, &queue, &json), "queue", &json);
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct epoll_event events[64];
    armoriq_client *client = NULL;
    sigset_t end;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), signals, running = 1;

    if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) {
        fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
        return 2;
    }
    strcpy(address.sun_path, argv[1]);
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);
    signals = signalfd(-1, &end, SFD_CLOEXEC);
    loop = epoll_create1(EPOLL_CLOEXEC);
    must_be(signals >= 0 && loop >= 0, "descriptors");

    plan(&client);
    must_be(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1024) == 0, argv[1]);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, &listener);
    watch(EPOLL_CTL_ADD, signals, EPOLLIN, &signals);
    /* The queue's descriptor goes into the loop like any other. */
    watch(EPOLL_CTL_ADD, (int)armoriq_queue_fd(queue), EPOLLIN, &queue);

    while (running) {
        int count = epoll_wait(loop, events, 64, -1);
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            if (what == &listener) welcome(listener);
            else if (what == &queue) take_completions();
            else if (what == &signals) running = 0;
            else serve(what, events[i].events);
        }
    }
    printf("%d answered, at most %d in flight\n", answered, most_in_flight);

    /* Out of the loop first: the descriptor is the queue's. What is in flight ends with it. */
    epoll_ctl(loop, EPOLL_CTL_DEL, (int)armoriq_queue_fd(queue), NULL);
    armoriq_queue_free(queue);
    armoriq_session_free(session);
    armoriq_client_free(client);
    unlink(argv[1]);
    return 0;
}
