// Alice's agent plans four tool calls and asks before each of them.
#include "armoriq.hpp"

#include <iomanip>
#include <iostream>

using armoriq::json;

static armoriq::decision ask(armoriq::session &session, const std::string &tool, const json &arguments)
{
    auto decision = session.check(tool, arguments);
    const char *name = decision.allowed() ? "ALLOW" : decision.verdict == armoriq::verdict::hold ? "HOLD" : "BLOCK";
    std::cout << std::left << std::setw(5) << name << "  " << std::setw(28) << tool << ' ' << decision.reason() << '\n';
    return decision;
}

static void run()
{
    // One client per process. The API key and the addresses come from the environment.
    armoriq::client client;
    // One scope per end user, one session per turn of the agent.
    auto alice = client.for_user("alice@example.com");
    auto session = alice.start_session({{"mode", "sdk"}});

    session.start_plan(
        {
            {{"name", "data-mcp__fetch_sales"}, {"args", {{"quarter", "Q4"}}}},
            {{"name", "payments-mcp__pay_vendor"}, {"args", {{"amount", 250}}}},
            {{"name", "data-mcp__drop_table"}, {"args", {{"table", "sales"}}}},
            {{"name", "mail-mcp__send_report"}, {"args", json::object()}},
        },
        "Pay the vendor and report the sales");

    ask(session, "data-mcp__fetch_sales", {{"quarter", "Q4"}});
    ask(session, "data-mcp__drop_table", {{"table", "sales"}});
    ask(session, "crm-mcp__export_contacts", json::object());
    const auto payment = ask(session, "payments-mcp__pay_vendor", {{"amount", 250}});
    if (payment.verdict == armoriq::verdict::hold) {
        std::cout << "       waiting for approval of " << payment.delegation_id() << std::endl;
        const auto status =
            session.await_approval(payment.delegation_id(), {{"timeout_ms", 60000}, {"interval_ms", 200}});
        std::cout << "       " << status << '\n';
    }

    // A key that is none is refused before anything is sent.
    try {
        armoriq::client stranger(json::object({{"api_key", "not-a-key"}}));
    } catch (const armoriq::error &error) {
        std::cout << "ERROR  " << error.code() << ": " << error.what() << '\n';
    }
}

int main()
{
    try {
        run();
    } catch (const armoriq::error &error) {
        std::cerr << error.code() << ": " << error.what() << '\n';
        return 1;
    }
}
