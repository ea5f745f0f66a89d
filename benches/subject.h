/*
 * What is measured: sessions in local mode of the agents of control-plane.sh, and a call that all of their policies'
 * four conditions hold for. Everything that goes wrong ends the program: a measured failure is worth nothing.
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#define _GNU_SOURCE

#include <armoriq.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOOL "pay-mcp__pay_vendor"
#define ARGS_100 \
    "{\"amount\":1250.5,\"currency\":\"EUR\",\"to\":\"vendor-4711@example.com\",\"note\":\"invoice 2026-1187 the 3rd\"}"

static inline void fail(const char *what, const char *detail)
{
    fprintf(stderr, "%s%s%s\n", what, detail ? ": " : "", detail ? detail : "");
    exit(1);
}

/* A client of the agent whose policy has so many statements; address and key are the environment's. */
static inline armoriq_client *client_of(int statements)
{
    armoriq_client *client = NULL;
    char options[64], *json = NULL;
    snprintf(options, sizeof options, "{\"agent_id\": \"bench-%d\"}", statements);
    if (armoriq_client_new(ARMORIQ_ABI_VERSION, options, &client, &json) != ARMORIQ_OK) fail("no client", json);
    armoriq_string_free(json);
    return client;
}

/* A session with a plan, ready for checks of TOOL. options: those of armoriq_user_start_session. */
static inline armoriq_session *session_with(armoriq_client *client, const char *options)
{
    armoriq_user_scope *scope = NULL;
    armoriq_session *session = NULL;
    char *json = NULL;
    if (armoriq_for_user(client, "alice@example.com", &scope, &json) != ARMORIQ_OK) fail("no user", json);
    armoriq_string_free(json);
    if (armoriq_user_start_session(scope, options, &session, &json) != ARMORIQ_OK) fail("no session", json);
    armoriq_string_free(json);
    armoriq_user_scope_free(scope);
    if (armoriq_session_start_plan(session, "[{\"name\": \"" TOOL "\", \"args\": {}}]", NULL, &json) != ARMORIQ_OK)
        fail("no plan", json);
    armoriq_string_free(json);
    return session;
}

static inline armoriq_session *session_of(armoriq_client *client)
{
    return session_with(client, NULL);
}

/* One check, which must be allowed by the statement. */
static inline void check(armoriq_session *session, const char *args)
{
    armoriq_verdict verdict;
    char *json;
    if (armoriq_session_check(session, TOOL, args, NULL, &verdict, &json) != ARMORIQ_OK || verdict != ARMORIQ_ALLOW)
        fail("not allowed", json);
    armoriq_string_free(json);
}

/* One check that no statement is to allow: the policy's default blocks it. */
static inline void refused(armoriq_session *session, const char *args)
{
    armoriq_verdict verdict;
    char *json;
    if (armoriq_session_check(session, TOOL, args, NULL, &verdict, &json) != ARMORIQ_OK || verdict != ARMORIQ_BLOCK)
        fail("not blocked", json);
    armoriq_string_free(json);
}

/* A session that nothing is asked of. */
static inline void start_and_free(armoriq_client *client)
{
    armoriq_session *session;
    if (armoriq_client_start_session(client, NULL, &session, NULL) != ARMORIQ_OK) fail("no session", NULL);
    armoriq_session_free(session);
}

/* The names of 1,000 tools that the control plane has. */
static inline const char *tool_names(void)
{
    static char names[1000 * 24];
    size_t length;
    int i;
    if (*names) return names;
    length = (size_t)sprintf(names, "[\"pay_vendor\"");
    for (i = 1; i < 1000; i++) length += (size_t)sprintf(names + length, ",\"tool_%d\"", i);
    strcpy(names + length, "]");
    return names;
}

/* Which of all the tools may ever be used. */
static inline void ask_about_tools(armoriq_session *session)
{
    char *json;
    if (armoriq_session_tools(session, tool_names(), &json) != ARMORIQ_OK) fail("no tools", json);
    armoriq_string_free(json);
}

/* Arguments of 4 KiB: those of ARGS_100, 16 lines of an invoice, and a letter. */
static inline const char *args_4k(void)
{
    static char text[4097];
    size_t length, i;
    if (*text) return text;
    strcpy(text, ARGS_100);
    length = strlen(text) - 1;
    length += (size_t)sprintf(text + length, ",\"lines\":[");
    for (i = 0; i < 16; i++) {
        length += (size_t)sprintf(text + length,
                                  "%s{\"sku\":\"A-%d\",\"quantity\":%d,\"price\":%d.99,\"taxed\":%s,\"text\":\"screws, "
                                  "galvanised, M%d, box of 500\"}",
                                  i ? "," : "", 1000 + (int)i, (int)i + 1, (int)i * 7, i % 2 ? "true" : "false", (int)i);
    }
    length += (size_t)sprintf(text + length, "],\"body\":\"");
    while (length < 4096 - 66) {
        length += (size_t)sprintf(text + length, "%.62s\\n", "Dear Sir or Madam, please find enclosed what you have asked for.");
    }
    while (length < 4096 - 2) text[length++] = '.';
    strcpy(text + length, "\"}");
    return text;
}

#endif
