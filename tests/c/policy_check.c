/* Policies are checked before they are shipped: what is wrong with them is a list of problems, not an error. */
#include "test.h"

#define STATEMENT(id, conditions, key, order)                                                                          \
    "{\"id\": \"" id "\", \"subject\": null, \"conditions\": [" conditions "], \"expiresAt\": \"never\", "             \
    "\"provenance\": {\"ruleKey\": \"" key "\", \"variant\": " order ", \"source\": \"yaml\"}, "                       \
    "\"match\": {\"tool\": \"" key "\", \"keyTier\": \"exact\", \"order\": " order "}, \"effect\": \"hold\"}"

#define DOCUMENTS(statements)                                                                                          \
    "{\"agent\": {\"schemaVersion\": \"armor.policy.v2\", \"policyId\": \"pol_1\", \"target\": {\"agent\": \"a\"}, "   \
    "\"layer\": \"agent\", \"defaults\": {\"tools\": \"block\"}, \"capture\": {}, \"expiresAt\": \"never\", "          \
    "\"statements\": [" statements "]}}"

#define CONDITION(field, op, value) "{\"field\": \"" field "\", \"op\": \"" op "\", \"value\": " value "}"

static const char *const GOOD = DOCUMENTS(STATEMENT("a", CONDITION("args.amount", "gt", "100"), "pay", "0"));

/* Checks, and expects the list to be `problems`, each by its path, code and severity, a line each. */
static void expect(const char *documents, const char *tools, const char *problems)
{
    char *json = NULL, found[8192] = "", *again = NULL;
    const char *at;
    CHECK_STATUS(ARMORIQ_OK, armoriq_policy_check(documents, tools, &json));
    CHECK_STATUS(ARMORIQ_OK, armoriq_policy_check(documents, tools, &again));
    REQUIRE(json && again && *json == '[');
    CHECK(strcmp(json, again) == 0);
    for (at = json + 1; *at == '{'; at = json_skip_space(at) + (*at == ',')) {
        const char *problem = at;
        char line[512];
        CHECK(strlen(json_text(problem, "message")) > 10);
        snprintf(line, sizeof line, "%s %s %s\n", json_text(problem, "path"), json_text(problem, "code"),
                 json_text(problem, "severity"));
        strncat(found, line, sizeof found - strlen(found) - 1);
        at = json_value_end(at);
    }
    if (strcmp(found, problems) != 0) test_fail(__FILE__, __LINE__, "other problems", json);
    armoriq_string_free(json);
    armoriq_string_free(again);
}

static void documents(void)
{
    char *json = NULL;
    expect(GOOD, NULL, "");
    expect("{}", NULL, " no-document error\n");
    expect("{\"agent\": {}}", NULL,
           "agent.defaults.tools missing-default error\n"
           "agent.expiresAt missing-expiry error\n"
           "agent.layer malformed-document error\n"
           "agent.policyId malformed-document error\n"
           "agent.statements empty-document warning\n");
    expect("{\"agent\": [1]}", NULL, "agent malformed-document error\n");
    expect(DOCUMENTS(STATEMENT("a", CONDITION("args.a", "gt", "10") "," CONDITION("args.a", "lt", "5"), "pay", "0") ","
                     STATEMENT("a", CONDITION("args.a", "regex", "\"ab(?=c)\""), "pay_*", "0") ","
                     STATEMENT("c", "", "send", "0") "," STATEMENT("d", CONDITION("a", "like", "1"), "send", "1")),
           NULL,
           "agent.statements[0].conditions[1] contradictory-conditions warning\n"
           "agent.statements[1].conditions[0].value regex-not-portable error\n"
           "agent.statements[1].id duplicate-id warning\n"
           "agent.statements[1].match.tool wildcard-in-exact-key warning\n"
           "agent.statements[3] unreachable warning\n"
           "agent.statements[3].conditions[0].field unknown-field-root warning\n"
           "agent.statements[3].conditions[0].op unknown-operator error\n");

    CHECK_STATUS(ARMORIQ_OK, armoriq_policy_check(
        DOCUMENTS(STATEMENT("a", CONDITION("args.a", "regex", "\"ab(?=c)\""), "pay", "0")), NULL, &json));
    CHECK_CONTAINS(json, "\"position\":3");
    armoriq_string_free(json);
}

static void tools(void)
{
    static const char *const list =
        "[{\"name\": \"pay\", \"inputSchema\": {\"properties\": {\"total_cents\": {\"type\": \"integer\"}}}},"
        " {\"type\": \"function\", \"function\": {\"name\": \"pay_all\", \"parameters\": {}}}, \"refund\", 7]";
    char *json = NULL;
    expect(GOOD, "[{\"name\": \"pay\", \"input_schema\": {\"properties\": {\"amount\": {\"type\": \"number\"}}}}]", "");
    expect(GOOD, "[\"pay\"]", "");
    expect(GOOD, list,
           "agent.statements[0].conditions[0].field unit-mismatch warning\n"
           "agent.statements[0].match.tool sibling-outside-rule hint\n"
           "tools[1] only-default hint\n"
           "tools[2] only-default hint\n"
           "tools[3] malformed-tool error\n");
    expect(DOCUMENTS(STATEMENT("a", "", "refnud", "0") "," STATEMENT("b", "", "pay", "0") ","
                     STATEMENT("c", "", "pay_all", "0")),
           list,
           "agent.statements[0].match.tool no-such-tool warning\n"
           "tools[2] only-default hint\n"
           "tools[3] malformed-tool error\n");
    CHECK_STATUS(ARMORIQ_OK, armoriq_policy_check(GOOD, list, &json));
    CHECK_CONTAINS(json, "\"suggestion\":\"args.total_cents\"");
    armoriq_string_free(json);
}

int main(void)
{
    documents();
    tools();
    return test_result();
}
