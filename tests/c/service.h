/*
 * A service on loopback that answers as it is told, and badly where that is wanted. One thread for each connection.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum service_kind {
    SERVICE_ANSWERS,
    SERVICE_CLOSES,    /* reads the request, then closes the connection */
    SERVICE_RESETS,    /* the same, by a reset */
    SERVICE_TRUNCATES, /* promises a longer body than it sends, and closes */
    SERVICE_BABBLES,   /* answers with something that is not HTTP */
    SERVICE_TRICKLES,  /* sends its answer a byte at a time */
    SERVICE_STALLS     /* never answers */
};

struct service_rule {
    char path[128];
    enum service_kind kind;
    int status;
    char headers[256];
    char body[4096];
    int count;
    char last[16384]; /* the last request, head and body */
};

struct service {
    pthread_mutex_t lock;
    struct service_rule rules[16];
    enum service_kind otherwise; /* how a path behaves that has no rule: it answers, with a 404 */
    int listener;
    int stopping;
    void (*seen)(const char *request); /* called with each request, on any thread; may be NULL */
    int connections;
    int requests;
    char url[64];
};

/* An intent token that a session of any mode takes: valid until 2100, of the plan "plan_1". */
#define SERVICE_PUBLIC_KEY "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
#define SERVICE_JWT                                                                                                    \
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJwbGFuSWQiOiJwbGFuXzEiLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMH0."      \
    "9vV0oKxMlflsBnGxG2bhoHC6n7uir_BGGViT8Ss3dKIfTQkR02NIuZQKesZfhN7VNGf8xeOLS2awcJTx0EStBA"
#define SERVICE_TOKEN                                                                                                  \
    "{\"success\": true, \"plan_id\": \"plan_1\", \"plan_hash\": \"ph_1\", \"merkle_root\": \"mr_1\", "                \
    "\"intent_reference\": \"ref_1\", \"composite_identity\": \"ident_1\", \"step_proofs\": [], "                      \
    "\"token\": {\"plan_hash\": \"ph_1\", \"issued_at\": 1700000000, \"expires_at\": 4102444800, "                     \
    "\"signature\": \"00\"}, \"policy_validation\": {\"allowed_tools\": [\"fetch\"]}, \"jwt_token\": \"" SERVICE_JWT   \
    "\"}"
/* The policy of agent-1: fetch is allowed and everything else blocked. */
#define SERVICE_BUNDLE                                                                                                 \
    "{\"agents\": [{\"agentId\": \"agent-1\", \"name\": \"agent-1\", \"tools\": [], \"members\": [], "                 \
    "\"policy\": {\"policyId\": \"pol_1\", \"name\": \"P\", \"document\": {\"schemaVersion\": \"armor.policy.v2\", "   \
    "\"policyId\": \"pol_1\", \"target\": {\"agent\": \"agent-1\"}, \"layer\": \"agent\", \"defaults\": {\"tools\": "  \
    "\"block\", \"network\": \"block\", \"files\": \"block\", \"skills\": \"block\"}, \"expiresAt\": \"never\", "      \
    "\"statements\": [{\"id\": \"s\", \"subject\": null, \"conditions\": [], \"expiresAt\": \"never\", "               \
    "\"provenance\": {\"ruleKey\": \"fetch\", \"variant\": 0, \"source\": \"yaml\"}, \"match\": {\"tool\": "           \
    "\"fetch\", \"keyTier\": \"exact\", \"order\": 0}, \"effect\": \"allow\"}]}}}]}"

/* What a request to the path gets from now on. `headers` are whole lines with their CRLF. */
HELPER void service_set(struct service *service, const char *path, enum service_kind kind, int status,
                        const char *headers, const char *body)
{
    struct service_rule *rule = service->rules;
    pthread_mutex_lock(&service->lock);
    while (rule->path[0] && strcmp(rule->path, path) != 0) rule++;
    REQUIRE(rule < service->rules + 15 && strlen(body) < sizeof rule->body);
    snprintf(rule->path, sizeof rule->path, "%s", path);
    snprintf(rule->headers, sizeof rule->headers, "%s", headers);
    snprintf(rule->body, sizeof rule->body, "%s", body);
    rule->kind = kind;
    rule->status = status;
    rule->count = 0;
    rule->last[0] = '\0';
    pthread_mutex_unlock(&service->lock);
}

HELPER void service_json(struct service *service, const char *path, int status, const char *body)
{
    service_set(service, path, SERVICE_ANSWERS, status, "Content-Type: application/json\r\n", body);
}

/* How often a path was asked since its answer was set. */
HELPER int service_count(struct service *service, const char *path)
{
    const struct service_rule *rule;
    int count = 0;
    pthread_mutex_lock(&service->lock);
    for (rule = service->rules; rule->path[0]; rule++) {
        if (strcmp(rule->path, path) == 0) count = rule->count;
    }
    pthread_mutex_unlock(&service->lock);
    return count;
}

/* How often it was asked at all. */
HELPER int service_requests(struct service *service)
{
    int requests;
    pthread_mutex_lock(&service->lock);
    requests = service->requests;
    pthread_mutex_unlock(&service->lock);
    return requests;
}

/* The last request to a path, copied. */
HELPER const char *service_last(struct service *service, const char *path)
{
    static char copy[16384];
    const struct service_rule *rule;
    copy[0] = '\0';
    pthread_mutex_lock(&service->lock);
    for (rule = service->rules; rule->path[0]; rule++) {
        if (strcmp(rule->path, path) == 0) snprintf(copy, sizeof copy, "%s", rule->last);
    }
    pthread_mutex_unlock(&service->lock);
    return copy;
}

/* Reads one request; 0 when the client has gone. */
HELPER size_t service_read(int connection, char *buffer, size_t size)
{
    size_t length = 0, wanted = 0;
    while (!wanted || length < wanted) {
        ssize_t got = length < size - 1 ? recv(connection, buffer + length, size - 1 - length, 0) : 0;
        const char *head_end, *header;
        if (got <= 0) return 0;
        length += (size_t)got;
        buffer[length] = '\0';
        if (wanted || !(head_end = strstr(buffer, "\r\n\r\n"))) continue;
        wanted = (size_t)(head_end - buffer) + 4;
        if ((header = strstr(buffer, "content-length: ")) && header < head_end) wanted += (size_t)atol(header + 16);
    }
    return length;
}

HELPER int service_send(int connection, const char *text)
{
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t sent = send(connection, text, length, MSG_NOSIGNAL);
        if (sent <= 0) return 0;
        text += sent;
        length -= (size_t)sent;
    }
    return 1;
}

HELPER int service_goes_on(struct service *service)
{
    int stopping;
    pthread_mutex_lock(&service->lock);
    stopping = service->stopping;
    pthread_mutex_unlock(&service->lock);
    return !stopping;
}

/* Does to a connection what its kind is. What it answers is the text; 0 when the connection is to be closed. */
HELPER int service_behave(struct service *service, int connection, enum service_kind kind, const char *answer)
{
    static const struct linger reset = {1, 0};
    char byte[2] = "";
    switch (kind) {
    case SERVICE_CLOSES: return 0;
    case SERVICE_RESETS:
        setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        return 0;
    case SERVICE_STALLS:
        while (service_goes_on(service)) test_sleep_ms(5);
        return 0;
    case SERVICE_TRICKLES:
        while ((byte[0] = *answer++) && service_goes_on(service) && service_send(connection, byte)) test_sleep_ms(100);
        return 0;
    case SERVICE_BABBLES:
        service_send(connection, "\x16\x03\x01 {\"allowed\": true}\r\n\r\n");
        return 0;
    case SERVICE_TRUNCATES: service_send(connection, answer); return 0;
    case SERVICE_ANSWERS: break;
    }
    return service_send(connection, answer);
}

/* Answers one request; 0 when the connection is to be closed. */
HELPER int service_answer(struct service *service, int connection, const char *request)
{
    struct service_rule *rule, none;
    enum service_kind kind;
    char path[128] = "", answer[8192];

    memset(&none, 0, sizeof none);
    none.kind = service->otherwise;
    none.status = 404;
    strcpy(none.body, "{}");
    sscanf(request, "%*s %127[^? ]", path);
    if (service->seen) service->seen(request);
    pthread_mutex_lock(&service->lock);
    for (rule = service->rules; rule->path[0] && strcmp(rule->path, path) != 0;) rule++;
    if (!rule->path[0]) rule = &none;
    rule->count++;
    service->requests++;
    snprintf(rule->last, sizeof rule->last, "%s", request);
    kind = rule->kind;
    snprintf(answer, sizeof answer, "HTTP/1.1 %d Answer\r\n%sContent-Length: %lu\r\n\r\n%s", rule->status, rule->headers,
             (unsigned long)strlen(rule->body) + (kind == SERVICE_TRUNCATES ? 100 : 0), rule->body);
    pthread_mutex_unlock(&service->lock);

    return service_behave(service, connection, kind, answer);
}

struct service_connection {
    struct service *service;
    int socket;
};

HELPER void *service_serve(void *argument)
{
    struct service_connection own = *(struct service_connection *)argument;
    struct pollfd readable;
    char request[16384];

    free(argument);
    readable.fd = own.socket;
    readable.events = POLLIN;
    do {
        /* Looks up now and then whether the service stops: a client keeps its connection open. */
        if (poll(&readable, 1, 50) == 0) continue;
        if (!service_read(own.socket, request, sizeof request)) break;
        if (!service_answer(own.service, own.socket, request)) break;
    } while (service_goes_on(own.service));
    close(own.socket);
    pthread_mutex_lock(&own.service->lock);
    own.service->connections--;
    pthread_mutex_unlock(&own.service->lock);
    return NULL;
}

HELPER void *service_accept(void *argument)
{
    struct service *service = argument;
    int socket;
    while ((socket = accept(service->listener, NULL, NULL)) >= 0) {
        struct service_connection *connection = malloc(sizeof *connection);
        pthread_t thread;
        REQUIRE(connection != NULL);
        connection->service = service;
        connection->socket = socket;
        pthread_mutex_lock(&service->lock);
        service->connections++;
        pthread_mutex_unlock(&service->lock);
        REQUIRE(pthread_create(&thread, NULL, service_serve, connection) == 0);
        pthread_detach(thread);
    }
    return NULL;
}

/* Starts it; it mints tokens from the start, and answers 404 to everything else. */
HELPER struct service *service_start(void)
{
    struct service *service = calloc(1, sizeof *service);
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    pthread_t thread;

    REQUIRE(service != NULL);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pthread_mutex_init(&service->lock, NULL);
    service->listener = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(bind(service->listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(service->listener, 64) == 0);
    REQUIRE(getsockname(service->listener, (struct sockaddr *)&address, &length) == 0);
    snprintf(service->url, sizeof service->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    REQUIRE(pthread_create(&thread, NULL, service_accept, service) == 0);
    pthread_detach(thread);
    service_json(service, "/iap/sdk/token", 201, SERVICE_TOKEN);
    service_json(service, "/iap/public-key", 200, "{\"public_key\": \"" SERVICE_PUBLIC_KEY "\"}");
    return service;
}

/* Ends every connection and refuses new ones. Its memory stays for a thread that is still leaving. */
HELPER void service_stop(struct service *service)
{
    int connections;
    shutdown(service->listener, SHUT_RDWR);
    close(service->listener);
    pthread_mutex_lock(&service->lock);
    service->stopping = 1;
    pthread_mutex_unlock(&service->lock);
    do {
        test_sleep_ms(5);
        pthread_mutex_lock(&service->lock);
        connections = service->connections;
        pthread_mutex_unlock(&service->lock);
    } while (connections > 0);
}

#endif
