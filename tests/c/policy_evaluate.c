/* The policy evaluator on its own: no client, no network. */
#include "test.h"

#define CALL(arguments) \
    "{\"tool\": \"pay\", \"arguments\": " arguments ", \"timestamp\": \"2026-11-24T00:00:00.000Z\"}"

#define STATEMENT(id, conditions, match, effect, variant)                                                              \
    "{\"id\": \"" id "\", \"subject\": null, \"conditions\": " conditions ", \"expiresAt\": \"never\", "               \
    "\"provenance\": {\"ruleKey\": \"pay\", \"variant\": " variant ", \"source\": \"yaml\"}, \"match\": " match ", "   \
    "\"effect\": \"" effect "\"}"

#define DOCUMENT(statements)                                                                                           \
    "{\"agent\": {\"schemaVersion\": \"armor.policy.v2\", \"policyId\": \"pol_1\", \"target\": {\"agent\": \"a\"}, "   \
    "\"layer\": \"agent\", \"defaults\": {\"tools\": \"block\", \"network\": \"block\", \"files\": \"block\", "        \
    "\"skills\": \"block\"}, \"capture\": {}, \"expiresAt\": \"never\", \"statements\": [" statements "]}}"

#define PAY(order) "{\"tool\": \"pay\", \"keyTier\": \"exact\", \"order\": " order "}"

static const char *const LIMITS = DOCUMENT(
    STATEMENT("hold", "[{\"field\": \"args.amount\", \"op\": \"gt\", \"value\": 100}]", PAY("0"), "hold", "0") ", "
    STATEMENT("allow", "[{\"field\": \"args.amount\", \"op\": \"lte\", \"value\": 100}]", PAY("1"), "allow", "1"));

static void expect_verdict(const char *call, const char *verdict, const char *statement)
{
    char *json = NULL;
    const char *provenance;
    CHECK_STATUS(ARMORIQ_OK, armoriq_policy_evaluate(call, LIMITS, &json));
    CHECK_MEMBER(json, "verdict", verdict);
    CHECK_MEMBER(json, "floorVerdict", "null");
    CHECK_MEMBER(json, "obligations", "[]");
    provenance = json_member(json, "provenance");
    CHECK_MEMBER(provenance, "statementId", statement);
    CHECK_MEMBER(provenance, "policyId", "\"pol_1\"");
    CHECK_MEMBER(provenance, "layer", "\"agent\"");
    armoriq_string_free(json);
}

static void refused(const char *call, const char *documents, const char *prefix)
{
    char *json = NULL;
    CHECK_STATUS(ARMORIQ_ERR_INVALID_ARGUMENT, armoriq_policy_evaluate(call, documents, &json));
    CHECK_MEMBER(json, "code", "\"ARMORIQ_ERR_INVALID_ARGUMENT\"");
    CHECK(strncmp(json_text(json, "message"), prefix, strlen(prefix)) == 0 || !printf("%s\n", json));
    armoriq_string_free(json);
}

static void verdicts(void)
{
    expect_verdict(CALL("{\"amount\": 100}"), "\"allow\"", "\"allow\"");
    expect_verdict(CALL("{\"amount\": 100.0}"), "\"allow\"", "\"allow\"");
    expect_verdict(CALL("{\"amount\": 100.00000000000001}"), "\"hold\"", "\"hold\"");
    expect_verdict(CALL("{\"amount\": 1e400}"), "\"hold\"", "\"hold\"");
    expect_verdict(CALL("{\"amount\": \"1\"}"), "\"block\"", "null");
    expect_verdict(CALL("{\"amount\": true}"), "\"block\"", "null");
    expect_verdict(CALL("{}"), "\"block\"", "null");
}

static void not_evaluable(void)
{
    const char *call = CALL("{\"amount\": 1, \"to\": \"x\"}");
    refused(call, "{}", "NoDocument: ");
    refused(call, DOCUMENT(STATEMENT("s", "[{\"field\": \"args.to\", \"op\": \"regex\", \"value\": \"(?=x)\"}]", PAY("0"), "allow", "0")),
            "NotPortable: ");
    refused(call, DOCUMENT(STATEMENT("s", "[{\"field\": \"args.to\", \"op\": \"like\", \"value\": \"x\"}]", PAY("0"), "allow", "0")),
            "NotEvaluable: ");
    refused(call, "{\"agent\": {}}", "NotEvaluable: ");
    refused("{\"tool\": \"pay\", \"arguments\": {}, \"timestamp\": \"2026-11-24T00:00:00.000Z\"}",
            "{\"agent\": {\"schemaVersion\": \"armor.policy.v2\", \"policyId\": \"p\", \"target\": {\"agent\": \"a\"}, "
            "\"layer\": \"agent\", \"defaults\": {\"tools\": \"block\", \"network\": \"block\", \"files\": \"block\", "
            "\"skills\": \"block\"}, \"capture\": {}, \"expiresAt\": \"next Tuesday\", \"statements\": []}}",
            "UnsupportedTime: ");
}

int main(void)
{
    verdicts();
    not_evaluable();
    return test_result();
}
