import java.util.List;
import java.util.Map;

/** Alice's agent plans four tool calls and asks before each of them. */
final class Quickstart {
    public static void main(String[] arguments) throws Armoriq.ArmoriqException {
        // One client per process; the API key and the addresses come from the environment. One scope per end user, one
        // session per turn of the agent.
        try (var client = new Armoriq.Client(Map.of());
                var alice = client.forUser("alice@example.com");
                var session = alice.startSession(Map.of("mode", "sdk"))) {
            session.startPlan(
                    List.of(
                            new Armoriq.ToolCall("data-mcp__fetch_sales", Map.of("quarter", "Q4")),
                            new Armoriq.ToolCall("payments-mcp__pay_vendor", Map.of("amount", 250)),
                            new Armoriq.ToolCall("data-mcp__drop_table", Map.of("table", "sales")),
                            new Armoriq.ToolCall("mail-mcp__send_report", Map.of())),
                    "Pay the vendor and report the sales");

            ask(session, "data-mcp__fetch_sales", Map.of("quarter", "Q4"));
            ask(session, "data-mcp__drop_table", Map.of("table", "sales"));
            ask(session, "crm-mcp__export_contacts", Map.of());
            var payment = ask(session, "payments-mcp__pay_vendor", Map.of("amount", 250));
            if (payment.verdict() == Armoriq.Verdict.HOLD) {
                System.out.println("       waiting for approval of " + payment.delegationId());
                var options = Map.of("timeout_ms", 60000, "interval_ms", 200);
                System.out.println("       " + session.awaitApproval(payment.delegationId(), options));
            }
        }

        // A key that is none is refused before anything is sent.
        try (var stranger = new Armoriq.Client(Map.of("api_key", "not-a-key"))) {
            System.out.println("a client with no key: " + stranger);
        } catch (Armoriq.ArmoriqException e) {
            System.out.println("ERROR  " + e.code() + ": " + e.getMessage());
        }
    }

    private static Armoriq.Decision ask(Armoriq.Session session, String tool, Map<String, ?> args)
            throws Armoriq.ArmoriqException {
        var decision = session.check(tool, args);
        System.out.printf("%-5s  %-28s %s%n", decision.verdict(), tool, decision.reason());
        return decision;
    }
}
