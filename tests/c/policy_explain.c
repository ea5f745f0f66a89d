/* Explanations of evaluations: the same verdict as the evaluation, and the way to it. */
#include "test.h"

#define CALL(arguments) \
    "{\"tool\": \"pay\", \"arguments\": " arguments ", \"timestamp\": \"2026-11-24T00:00:00.000Z\"}"

#define STATEMENT(id, conditions, key, order, effect)                                                                  \
    "{\"id\": \"" id "\", \"subject\": null, \"conditions\": " conditions ", \"expiresAt\": \"never\", "               \
    "\"provenance\": {\"ruleKey\": \"" key "\", \"variant\": " order ", \"source\": \"yaml\"}, "                       \
    "\"match\": {\"tool\": \"" key "\", \"order\": " order "}, \"effect\": \"" effect "\"}"

#define DOCUMENT(layer, statements)                                                                                    \
    "\"" layer "\": {\"schemaVersion\": \"armor.policy.v2\", \"policyId\": \"pol_1\", \"target\": {\"agent\": \"a\"}, " \
    "\"layer\": \"" layer "\", \"defaults\": {\"tools\": \"block\"}, \"capture\": {}, \"expiresAt\": \"never\", "      \
    "\"statements\": [" statements "]}"

#define LIMIT(op) "[{\"field\": \"args.amount\", \"op\": \"" op "\", \"value\": 100}]"

static const char *const DOCUMENTS =
    "{" DOCUMENT("agent", STATEMENT("hold", LIMIT("gt"), "pay", "0", "hold") ", "
                          STATEMENT("allow", LIMIT("lte"), "pay", "1", "allow") ", "
                          STATEMENT("glob", "[]", "p*", "0", "block")) "}";

/* The explanation, whose evaluation must be what armoriq_policy_evaluate says. */
static char *explain(const char *call, const char *documents)
{
    char *json = NULL, *evaluation = NULL;
    CHECK_STATUS(ARMORIQ_OK, armoriq_policy_explain(call, documents, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_policy_evaluate(call, documents, &evaluation));
    CHECK_MEMBER(json, "evaluation", evaluation ? evaluation : "");
    armoriq_string_free(evaluation);
    return json;
}

static void the_way_to_a_verdict(void)
{
    char *json = explain(CALL("{\"amount\": 100.0}"), DOCUMENTS);
    CHECK_MEMBER(json, "floor", "null");
    CHECK_MEMBER(json, "default", "null");
    CHECK_CONTAINS(json, "{\"key\":\"pay\",\"won\":true,");
    CHECK_CONTAINS(json, "{\"key\":\"p*\",\"won\":false,");
    CHECK_CONTAINS(json, "\"statementId\":\"hold\",\"effect\":\"hold\",\"outcome\":\"fails\"");
    CHECK_CONTAINS(json, "\"op\":\"gt\",\"value\":100,\"holds\":false,\"present\":true,\"saw\":100.0}");
    CHECK_CONTAINS(json, "\"decision\":{\"by\":\"tool\",\"path\":\"agent.statements[1]\",\"statementId\":\"allow\"");
    armoriq_string_free(json);
}

static void absent_is_not_null(void)
{
    char *json = explain(CALL("{}"), DOCUMENTS);
    CHECK_CONTAINS(json, "\"holds\":false,\"present\":false}");
    CHECK_LACKS(json, "\"saw\"");
    CHECK_CONTAINS(json_member(json, "default"), "\"verdict\":\"block\"");
    armoriq_string_free(json);
    json = explain(CALL("{\"amount\": null}"), DOCUMENTS);
    CHECK_CONTAINS(json, "\"holds\":false,\"present\":true,\"saw\":null}");
    armoriq_string_free(json);
}

static void the_floor(void)
{
    static const char *const documents =
        "{" DOCUMENT("floor", STATEMENT("f", "[]", "*", "0", "hold")) ", "
            DOCUMENT("agent", STATEMENT("a", "[]", "pay", "0", "allow")) "}";
    char *json = explain(CALL("{}"), documents);
    const char *floor = json_member(json, "floor");
    CHECK_MEMBER(floor, "verdict", "\"hold\"");
    CHECK_MEMBER(floor, "rest", "\"allow\"");
    CHECK_MEMBER(floor, "decides", "true");
    armoriq_string_free(json);
}

static void refused(const char *documents, const char *message)
{
    char *json = NULL;
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_explain(CALL("{\"amount\": 1}"), documents, &json));
    CHECK(strcmp(json_text(json, "message"), message) == 0 || !printf("%s\n", json));
    armoriq_string_free(json);
}

static void not_evaluable(void)
{
    refused("{}", "NoDocument: evaluate: no document is bound to the target");
    refused("{" DOCUMENT("agent", STATEMENT("s", LIMIT("like"), "pay", "0", "allow")) "}",
            "NotEvaluable: unknown operator \\\"like\\\" (at agent.statements[0].conditions[0])");
}

int main(void)
{
    the_way_to_a_verdict();
    absent_is_not_null();
    the_floor();
    not_evaluable();
    return test_result();
}
