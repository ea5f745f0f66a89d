/* Questions whose right answer is known from control-plane.yaml, and the judgement of what the library said. */
#ifndef ORACLE_H
#define ORACLE_H

#include "count.h"

#include <pthread.h>

enum mode { SDK, PROXY, LOCAL, MODES };
static const char *const mode_names[] = {"sdk", "proxy", "local"};

enum answer { YES, BY_POLICY, BY_PLAN, BY_APPROVAL };

/* `%u` in the arguments becomes a number of its own, so that no approval fits another question. */
static const struct template
{
    const char *tool, *args, *user;
    enum answer answer;
} templates[] = {
    {"data-mcp__fetch_sales", "{\"quarter\": \"Q%u\"}", NULL, YES},
    {"mcp__data-mcp__fetch_sales", "{}", NULL, YES},
    {"fetch_sales", NULL, NULL, YES},
    {"fetch_sales_of", "{\"quarter\": \"Q2\", \"year\": 2024, \"n\": %u}", NULL, YES},
    {"fetch_sales_of", "{\"quarter\": \"Q5\", \"year\": 2024, \"n\": %u}", NULL, BY_POLICY},
    {"data-mcp__fetch_sales_of", "{\"quarter\": \"Q1\", \"year\": 2019}", NULL, BY_POLICY},
    {"drop_table", "{\"table\": \"t%u\"}", NULL, BY_POLICY},
    {"wipe_cache", "{}", NULL, BY_POLICY},
    {"pay_vendor", "{\"amount\": 99.5, \"n\": %u}", NULL, YES},
    {"pay_vendor", "{\"amount\": \"99\"}", NULL, BY_POLICY},
    {"pay_vendor", "{\"amount\": 1%u}", NULL, BY_APPROVAL},
    {"pay_vendor", "{\"amount\": 999, \"n\": %u}", "carol@example.com", YES},
    {"read_file", "{\"path\": \"/%u\"}", NULL, YES},
    {"search", "{}", NULL, BY_PLAN},
    {"data-mcp__search", "{\"for\": \"%u\"}", NULL, YES},
    {"analyze", "{}", "alice@example.com", YES},
    {"analyze", "{\"n\": %u}", "bob@example.com", BY_POLICY},
    {"send_mail", "{\"to\": \"ann@example.com\", \"n\": %u}", NULL, YES},
    {"send_mail", "{\"to\": \"eve@example.org\"}", NULL, BY_POLICY},
    {"send_mail", "{\"to\": \"ann@example.com\", \"attachments\": [1, 2, %u]}", NULL, BY_APPROVAL},
    {"sign_contract", "{\"value\": 1%u}", NULL, BY_APPROVAL},
    {"sign_contract", "{\"value\": 0}", NULL, BY_POLICY},
    {"export_contacts", "{}", NULL, BY_POLICY},
    {"data-mcp__unplanned", "{\"n\": %u}", NULL, BY_PLAN},
    {"pay-mcp__fetch_sales", "{}", NULL, BY_PLAN},
    {"\xe2\x80\x94 no tool __", "{}", NULL, BY_PLAN},
};
enum { TEMPLATES = sizeof templates / sizeof *templates };

static const char *const PLAN =
    "[{\"name\": \"data-mcp__fetch_sales\"}, {\"name\": \"data-mcp__fetch_sales_of\"},"
    " {\"name\": \"data-mcp__analyze\"}, {\"name\": \"data-mcp__drop_table\"}, {\"name\": \"data-mcp__read_file\"},"
    " {\"name\": \"data-mcp__search\"}, {\"name\": \"data-mcp__wipe_cache\"}, {\"name\": \"pay-mcp__pay_vendor\"},"
    " {\"name\": \"crm-mcp__send_mail\"}, {\"name\": \"crm-mcp__sign_contract\"}, {\"name\": \"crm-mcp__search\"},"
    " {\"name\": \"crm-mcp__export_contacts\"}]";

struct question {
    const char *tool;
    char args[96];
    char options[96];
    int timeout_ms;
    enum answer answer;
    /* Of the tool, the arguments and the user: what an approval is for. */
    uint64_t digest;
};

HELPER uint64_t digest_of(const char *text, uint64_t digest)
{
    for (; *text; text++) digest = (digest ^ (unsigned char)*text) * 0x100000001b3u;
    return digest;
}

HELPER void pose(struct worker *worker, const struct template *from, struct question *question)
{
    static const int patience_ms[] = {30, 150, 400, 1000, 2000};
    const char *number = from->args ? strstr(from->args, "%u") : NULL;
    unsigned drawn = (unsigned)(unique(worker) * 16777619u % 100000000u) + 100;

    question->tool = from->tool;
    question->answer = from->answer;
    question->timeout_ms = patience_ms[below(worker, 5)];
    strcpy(question->args, from->args ? from->args : "{}");
    if (number) {
        snprintf(question->args, sizeof question->args, "%.*s%u%s", (int)(number - from->args), from->args, drawn,
                 number + 2);
    }
    snprintf(question->options, sizeof question->options, "{\"timeout_ms\": %d%s%s%s}", question->timeout_ms,
             from->user ? ", \"user_email\": \"" : "", from->user ? from->user : "", from->user ? "\"" : "");
    question->digest = digest_of(question->args, digest_of(question->tool, 0xcbf29ce484222325u));
}

HELPER void pose_any(struct worker *worker, struct question *question)
{
    pose(worker, &templates[below(worker, TEMPLATES)], question);
}

/* --- approvals: each counts once, and for the question that it was asked for -------------------------------------- */

enum { APPROVALS = 1 << 18 };
static struct {
    uint64_t id, question;
    int used;
} approvals[APPROVALS];
static pthread_mutex_t approvals_lock = PTHREAD_MUTEX_INITIALIZER;

/* Notes that an approval was asked for (`use` is 0), or used; NULL, or what is wrong with it. */
HELPER const char *note_approval(const char *id, uint64_t question, int use)
{
    uint64_t key = digest_of(id, 0xcbf29ce484222325u);
    const char *wrong = NULL;
    size_t at = key % APPROVALS, tried = 0;

    pthread_mutex_lock(&approvals_lock);
    while (approvals[at].id && approvals[at].id != key && ++tried < APPROVALS) at = (at + 1) % APPROVALS;
    REQUIRE(tried < APPROVALS);
    if (!approvals[at].id) {
        approvals[at].id = key;
        approvals[at].question = question;
    }
    if (approvals[at].question != question) wrong = "an approval of another call";
    if (use && approvals[at].used++) wrong = "an approval was used twice";
    pthread_mutex_unlock(&approvals_lock);
    return wrong;
}

/* --- judgement ---------------------------------------------------------------------------------------------------- */

/* Whether a refusal says that a fault is to blame. No token is, of those that are not revoked. */
HELPER int is_outage(const char *cause)
{
    return !strcmp(cause, "unavailable") || !strcmp(cause, "stale") || !strcmp(cause, "config") ||
           !strcmp(cause, "invalid");
}

HELPER int is_right_block(enum mode mode, enum answer answer, const char *cause)
{
    switch (answer) {
    case BY_POLICY: return !strcmp(cause, "policy");
    case BY_PLAN: return !strcmp(cause, "plan");
    case BY_APPROVAL: return mode == LOCAL && !strcmp(cause, "approval");
    default: return 0;
    }
}

/* What is wrong with a decision, or NULL. */
HELPER const char *fault_of(enum mode mode, const struct question *question, enum answer answer,
                            armoriq_verdict verdict, const char *json)
{
    static const char APPROVED[] = "Allowed by approved delegation ";
    const char *cause = json_text(json, "cause"), *id = json_text(json, "delegation_id");
    const char *reason = json_text(json, "reason");

    if ((verdict == ARMORIQ_ALLOW) != !strcmp(json_member(json, "allowed"), "true")) return "verdict and text differ";
    switch (verdict) {
    case ARMORIQ_ALLOW:
        if (strcmp(cause, "null") != 0) return "an allow with a cause";
        if (answer == YES) {
            add(allowed, 1);
            return NULL;
        }
        if (answer != BY_APPROVAL || mode == LOCAL || strncmp(reason, APPROVED, sizeof APPROVED - 1) != 0) {
            return "allowed, which the policy does not allow";
        }
        add(approvals_used, 1);
        return note_approval(reason + sizeof APPROVED - 1, question->digest, 1);
    case ARMORIQ_HOLD:
        if (answer != BY_APPROVAL || mode == LOCAL) return "held, which the policy does not hold";
        if (strcmp(cause, "approval") != 0) return "held for another cause";
        add(held, 1);
        return strcmp(id, "null") == 0 ? NULL : note_approval(id, question->digest, 0);
    case ARMORIQ_BLOCK:
        if (is_outage(cause)) {
            add(blocked_by_a_fault, 1);
        } else if (is_right_block(mode, answer, cause)) {
            add(blocked, 1);
        } else {
            return "blocked, for a cause that it does not have";
        }
        return NULL;
    default:
        return "no verdict";
    }
}

/* The longest that a service was asked in vain: once it is there again, so are the answers. */
static double answered_at, longest_silence;

HELPER void note_answer(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    double now = test_seconds();
    pthread_mutex_lock(&lock);
    if (now - answered_at > longest_silence) longest_silence = now - answered_at;
    answered_at = now;
    pthread_mutex_unlock(&lock);
}

/* Judges a decision. Where the session has no plan, that is why everything is blocked. */
HELPER void judge(enum mode mode, int planned, const struct question *question, armoriq_verdict verdict,
                  const char *json)
{
    const char *wrong = fault_of(mode, question, planned ? question->answer : BY_PLAN, verdict, json);
    add(decisions, 1);
    if (mode == LOCAL) {
        add(local_decisions, 1);
    } else if (is_outage(json_text(json, "cause"))) {
        /* Such refusals cost nothing: without a rest they would be most of what is counted. */
        test_sleep_ms(10);
    } else if (planned && question->answer != BY_PLAN) {
        note_answer();
    }
    if (wrong) {
        char detail[1800];
        snprintf(detail, sizeof detail, "%s: %s %s %s: verdict %d: %.1000s", wrong, mode_names[mode], question->tool,
                 question->args, (int)verdict, json);
        fault(wrong_verdicts, "check", detail);
    }
}

/* Judges a list of decisions, one for each of the questions, and their strictest. */
HELPER void judge_batch(enum mode mode, int planned, const struct question *questions, int number,
                        armoriq_verdict strictest, const char *json)
{
    static const int strictness[] = {2, 0, 1};
    armoriq_verdict expected = ARMORIQ_ALLOW;
    const char *at = json && *json == '[' ? json + 1 : "";
    int i;
    for (i = 0; i < number && *at == '{'; i++) {
        const char *action = json_text(at, "action");
        armoriq_verdict verdict = !strcmp(action, "allow") ? ARMORIQ_ALLOW : !strcmp(action, "hold") ? ARMORIQ_HOLD
                                                                                                     : ARMORIQ_BLOCK;
        if (strictness[verdict] > strictness[expected]) expected = verdict;
        judge(mode, planned, &questions[i], verdict, at);
        at = json_skip_space(json_value_end(at));
        if (*at == ',') at = json_skip_space(at + 1);
    }
    if (i != number || *at != ']') fault(wrong_results, "check_batch", json);
    /* A submitted batch has no verdict of its own. */
    if (strictest >= 0 && strictest != expected) fault(wrong_verdicts, "the strictest of a batch", json);
}

#endif
