// A small layer over libarmoriq's C ABI: handles are freed with the object that owns them, what fails throws.
import CArmoriq
import Foundation

/// What a function of the library refused or failed with.
struct ArmorIQError: Error, Decodable, CustomStringConvertible {
    let code: String
    let message: String

    var description: String { "\(code): \(message)" }
}

enum Verdict: String {
    case block, allow, hold

    init(_ number: armoriq_verdict) {
        switch number {
        case armoriq_verdict(ARMORIQ_ALLOW): self = .allow
        case armoriq_verdict(ARMORIQ_HOLD): self = .hold
        default: self = .block
        }
    }
}

/// What a check decided. Make the call only on `.allow`.
struct Decision: Decodable {
    fileprivate(set) var verdict = Verdict.block
    let reason: String?
    let delegationID: String?

    private enum CodingKeys: String, CodingKey {
        case reason
        case delegationID = "delegation_id"
    }
}

/// A call that the agent plans.
struct ToolCall {
    let name: String
    let args: [String: Any]
}

/// One per process and API key. Options that are not given come from the environment.
final class Client {
    private let handle: OpaquePointer

    init(_ options: [String: Any] = [:]) throws {
        let text = try encode(options)
        var made: OpaquePointer?
        _ = try call { armoriq_client_new(UInt32(ARMORIQ_ABI_VERSION), text, &made, $0) }
        handle = made!
    }

    deinit { armoriq_client_free(handle) }

    func forUser(_ email: String) throws -> UserScope {
        let email = try whole(email)
        var made: OpaquePointer?
        _ = try call { armoriq_for_user(handle, email, &made, $0) }
        return UserScope(handle: made!)
    }
}

/// One end user. Made by `Client.forUser`.
final class UserScope {
    private let handle: OpaquePointer

    fileprivate init(handle: OpaquePointer) { self.handle = handle }

    deinit { armoriq_user_scope_free(handle) }

    func startSession(_ options: [String: Any] = [:]) throws -> Session {
        let text = try encode(options)
        var made: OpaquePointer?
        _ = try call { armoriq_user_start_session(handle, text, &made, $0) }
        return Session(handle: made!)
    }
}

/// One turn of an agent. Made by `UserScope.startSession`.
final class Session {
    private let handle: OpaquePointer

    fileprivate init(handle: OpaquePointer) { self.handle = handle }

    deinit { armoriq_session_free(handle) }

    func startPlan(_ calls: [ToolCall], goal: String) throws {
        let text = try encode(calls.map { ["name": $0.name, "args": $0.args] })
        let goal = try whole(goal)
        _ = try call { armoriq_session_start_plan(handle, text, goal, $0) }
    }

    func check(_ tool: String, _ args: [String: Any]) throws -> Decision {
        let tool = try whole(tool)
        let text = try encode(args)
        var verdict: armoriq_verdict = 0
        let answer = try call { armoriq_session_check(handle, tool, text, nil, &verdict, $0) }
        var decision = try JSONDecoder().decode(Decision.self, from: answer)
        decision.verdict = Verdict(verdict)
        return decision
    }

    /// Waits for "approved", "rejected", "expired" or "timeout".
    func awaitApproval(_ delegationID: String, _ options: [String: Any] = [:]) throws -> String? {
        let text = try encode(options)
        let delegationID = try whole(delegationID)
        let answer = try call { armoriq_session_await_approval(handle, delegationID, text, $0) }
        return try JSONDecoder().decode([String: String].self, from: answer)["status"]
    }
}

/// Calls a function whose last parameter is the JSON; returns that, or throws it.
private func call(
    _ function: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> armoriq_status
) throws -> Data {
    var out: UnsafeMutablePointer<CChar>?
    let status = function(&out)
    defer { armoriq_string_free(out) }
    let answer = out.map { Data(bytes: $0, count: strlen($0)) } ?? Data()
    guard status == armoriq_status(ARMORIQ_OK) else {
        throw try JSONDecoder().decode(ArmorIQError.self, from: answer)
    }
    return answer
}

/// A text for C, which a NUL would end: the library would only see, and decide about, what stands before it.
private func whole(_ text: String) throws -> String {
    if text.utf8.contains(0) {
        throw ArmorIQError(code: "ARMORIQ_ERR_INVALID_ARGUMENT", message: "a text must not hold a NUL")
    }
    return text
}

private func encode(_ value: Any) throws -> String {
    String(decoding: try JSONSerialization.data(withJSONObject: value), as: UTF8.self)
}
