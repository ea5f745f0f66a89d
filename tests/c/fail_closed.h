/* The table of docs/security.md: its columns, the ways to ask, and its rows, what goes wrong. */
#ifndef FAIL_CLOSED_H
#define FAIL_CLOSED_H

#include "queue.h"

#define ENFORCE "/iap/sdk/enforce"
#define INVOKE "/invoke"
#define BUNDLE "/policy/bundles/current"
#define LOOK_UP "/delegation/check-approved"
#define MARK "/delegation/mark-executed"
#define STATUS "/delegation/d/status"
#define ALLOWS "{\"allowed\": true, \"enforcementAction\": \"allow\"}"
#define CONTRADICTS "{\"allowed\": true, \"enforcementAction\": \"block\"}"

enum call { CHECK_CALL, BATCH, TOOLS, AWAIT, DISPATCH, INVOCATION, INVOCATION_WITH_POLICY };

/* A way to ask: the call, and the request of it that goes wrong. */
static const struct path {
    const char *title;
    enum call call;
    const char *mode;
    const char *endpoint;
    const char *good;          /* what the endpoint answers where the call may go ahead */
    const char *wrong_type;    /* nearly that, with a member of another type */
    const char *contradiction; /* that, and its contrary */
} paths[] = {
    {"check, local", CHECK_CALL, "local", BUNDLE, SERVICE_BUNDLE, "{\"agents\": {}}",
     "{\"agents\": [{\"agentId\": \"agent-1\", \"policy\": null}], \"agents\": []}"},
    {"check, sdk", CHECK_CALL, "sdk", ENFORCE, ALLOWS, "{\"allowed\": \"true\"}", CONTRADICTS},
    {"check, proxy", CHECK_CALL, "proxy", INVOKE, ALLOWS, "{\"allowed\": 1}", CONTRADICTS},
    {"batch, local", BATCH, "local", BUNDLE, SERVICE_BUNDLE, "{\"agents\": [[]]}",
     "{\"agents\": [{\"agentId\": \"agent-1\", \"policy\": null, \"policy\": {}}]}"},
    {"batch, sdk", BATCH, "sdk", ENFORCE, ALLOWS, "{\"allowed\": [true]}", CONTRADICTS},
    {"batch, proxy", BATCH, "proxy", INVOKE, ALLOWS, "{\"allowed\": {\"is\": true}}", CONTRADICTS},
    {"tools", TOOLS, "local", BUNDLE, SERVICE_BUNDLE, "{\"agents\": [7]}",
     "{\"agents\": [{\"agentId\": \"agent-1\", \"policy\": null}], \"agents\": []}"},
    {"approval: look-up", CHECK_CALL, "sdk", LOOK_UP, "{\"approved\": true, \"delegationId\": \"d\"}",
     "{\"approved\": true, \"delegationId\": 7}", "{\"approved\": true, \"delegationId\": \"d\", \"approved\": false}"},
    {"approval: use", CHECK_CALL, "sdk", MARK, "{}", "true", "{\"success\": false}"},
    {"await: look", AWAIT, "sdk", STATUS, "{\"status\": \"approved\"}", "{\"status\": [\"approved\"]}",
     "{\"status\": \"approved\", \"status\": \"rejected\"}"},
    {"await: use", AWAIT, "sdk", MARK, "{}", "\"ok\"", "{\"error\": \"already executed\"}"},
    {"dispatch", DISPATCH, "proxy", INVOKE, "{\"result\": \"done\"}", "7",
     "{\"result\": \"done\", \"allowed\": false}"},
    {"invoke", INVOCATION, "proxy", INVOKE, "{\"result\": \"done\"}", "\"done\"",
     "{\"result\": \"done\", \"enforcementAction\": \"block\"}"},
    {"invoke_with_policy", INVOCATION_WITH_POLICY, "proxy", INVOKE, "{\"result\": \"done\"}", "true",
     "{\"result\": \"done\", \"enforcement\": {\"action\": \"hold\"}}"},
};
enum { PATHS = sizeof paths / sizeof *paths };

/* What happens besides the answer; "meanwhile" is when the request that goes wrong has arrived. */
enum event {
    ANSWERED,
    REFUSED,
    STALE,
    EXPIRED,
    FORGED,
    CLOSED,
    CLOSED_MEANWHILE,
    FREED,
    FREED_MEANWHILE,
    PANICKED,
    FORKED,
    FORKED_MEANWHILE,
    /* What happens to submitted calls only. */
    SUBMITTED_AND_CLOSED,
    SUBMITTED_AND_CANCELLED,
    SUBMITTED_AND_QUEUE_FREED
};

enum body { GOOD, WRONG_TYPE, CONTRADICTORY, IN_A_LIST, HTML, EMPTY, TOKEN_EXPIRED, TOKEN_FORGED };

/* What goes wrong: how the endpoint behaves, and what else happens. Nothing does in the first: that one goes ahead. */
static const struct fault {
    const char *title;
    enum event event;
    enum service_kind kind;
    int status;
    enum body body;
    const char *headers;
    int timeout_ms; /* the limit that the call has; 0 where it is to end before any */
} faults[] = {
    {"(nothing)", ANSWERED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"service down: connection refused", REFUSED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"connection closed without an answer", ANSWERED, SERVICE_CLOSES, 200, GOOD, "", 0},
    {"connection reset", ANSWERED, SERVICE_RESETS, 200, GOOD, "", 0},
    {"no answer in time", ANSWERED, SERVICE_STALLS, 200, GOOD, "", 150},
    {"an answer that takes too long", ANSWERED, SERVICE_TRICKLES, 200, GOOD, "", 150},
    {"deadline of 1 ms", ANSWERED, SERVICE_STALLS, 200, GOOD, "", 1},
    {"answer cut short", ANSWERED, SERVICE_TRUNCATES, 200, GOOD, "", 0},
    {"not HTTP", ANSWERED, SERVICE_BABBLES, 200, GOOD, "", 0},
    {"HTML with 200", ANSWERED, SERVICE_ANSWERS, 200, HTML, "", 0},
    {"empty answer", ANSWERED, SERVICE_ANSWERS, 200, EMPTY, "", 0},
    {"a list of the right answer", ANSWERED, SERVICE_ANSWERS, 200, IN_A_LIST, "", 0},
    {"a member of the wrong type", ANSWERED, SERVICE_ANSWERS, 200, WRONG_TYPE, "", 0},
    {"contradiction", ANSWERED, SERVICE_ANSWERS, 200, CONTRADICTORY, "", 0},
    {"302 with an allow", ANSWERED, SERVICE_ANSWERS, 302, GOOD, "", 0},
    {"307 to a server that allows", ANSWERED, SERVICE_ANSWERS, 307, GOOD, "Location: @ELSEWHERE@\r\n", 0},
    {"401 with an allow", ANSWERED, SERVICE_ANSWERS, 401, GOOD, "", 0},
    {"403 with an allow", ANSWERED, SERVICE_ANSWERS, 403, GOOD, "", 0},
    {"404 with an allow", ANSWERED, SERVICE_ANSWERS, 404, GOOD, "", 0},
    {"429 with an allow", ANSWERED, SERVICE_ANSWERS, 429, GOOD, "", 0},
    {"500 with an allow", ANSWERED, SERVICE_ANSWERS, 500, GOOD, "", 0},
    {"503 with an allow", ANSWERED, SERVICE_ANSWERS, 503, GOOD, "", 0},
    {"token expired", EXPIRED, SERVICE_ANSWERS, 401, TOKEN_EXPIRED, "", 0},
    {"token forged", FORGED, SERVICE_ANSWERS, 401, TOKEN_FORGED, "", 0},
    {"token revoked", ANSWERED, SERVICE_ANSWERS, 401, GOOD, "X-Armoriq-Revoked: true\r\n", 0},
    {"policy bundle stale", STALE, SERVICE_ANSWERS, 500, GOOD, "", 0},
    {"client closed before", CLOSED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"client closed meanwhile", CLOSED_MEANWHILE, SERVICE_STALLS, 200, GOOD, "", 150},
    {"handle freed before", FREED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"handle freed meanwhile", FREED_MEANWHILE, SERVICE_STALLS, 200, GOOD, "", 150},
    {"handle spoiled by a panic", PANICKED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"forked child, service down", FORKED, SERVICE_ANSWERS, 200, GOOD, "", 0},
    {"forked child, in the middle of its parent's call", FORKED_MEANWHILE, SERVICE_STALLS, 200, GOOD, "", 150},
    {"submitted, then its client closed", SUBMITTED_AND_CLOSED, SERVICE_STALLS, 200, GOOD, "", 5000},
    {"submitted, then cancelled", SUBMITTED_AND_CANCELLED, SERVICE_STALLS, 200, GOOD, "", 5000},
    {"submitted, then its queue freed", SUBMITTED_AND_QUEUE_FREED, SERVICE_STALLS, 200, GOOD, "", 5000},
};
enum { FAULTS = sizeof faults / sizeof *faults };

#endif
