// Alice's agent plans four tool calls and asks before each of them.
import Foundation

func padded(_ text: String, _ width: Int) -> String {
    text.padding(toLength: max(width, text.count), withPad: " ", startingAt: 0)
}

@discardableResult
func ask(_ session: Session, _ tool: String, _ args: [String: Any]) throws -> Decision {
    let decision = try session.check(tool, args)
    print("\(padded(decision.verdict.rawValue.uppercased(), 5))  \(padded(tool, 28)) \(decision.reason ?? "")")
    return decision
}

// One client per process. The API key and the addresses come from the environment.
let client = try Client()
// One scope per end user, one session per turn of the agent.
let alice = try client.forUser("alice@example.com")
let session = try alice.startSession(["mode": "sdk"])

try session.startPlan(
    [
        ToolCall(name: "data-mcp__fetch_sales", args: ["quarter": "Q4"]),
        ToolCall(name: "payments-mcp__pay_vendor", args: ["amount": 250]),
        ToolCall(name: "data-mcp__drop_table", args: ["table": "sales"]),
        ToolCall(name: "mail-mcp__send_report", args: [:]),
    ],
    goal: "Pay the vendor and report the sales"
)

try ask(session, "data-mcp__fetch_sales", ["quarter": "Q4"])
try ask(session, "data-mcp__drop_table", ["table": "sales"])
try ask(session, "crm-mcp__export_contacts", [:])
let payment = try ask(session, "payments-mcp__pay_vendor", ["amount": 250])
if payment.verdict == .hold, let delegation = payment.delegationID {
    print("       waiting for approval of \(delegation)")
    let status = try session.awaitApproval(delegation, ["timeout_ms": 60000, "interval_ms": 200])
    print("       \(status ?? "")")
}

// A key that is none is refused before anything is sent.
do {
    _ = try Client(["api_key": "not-a-key"])
} catch let error as ArmorIQError {
    print("ERROR  \(error)")
}
