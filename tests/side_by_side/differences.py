"""Where the two sides differ, and the section of docs/differences.md that says so."""

from typing import NamedTuple, Optional


class Difference(NamedTuple):
    section: str
    # Regular expressions that match wholly: the programs, the steps and the path of the difference, and both values.
    programs: str
    steps: str
    path: str
    official: Optional[str] = None
    library: Optional[str] = None


DECISIONS = "Decisions"
PLANS = "Plans, tokens and the policy bundle"
APPROVALS = "Approvals"
PROXY = "Calls through the proxy"
REQUESTS = "Requests"
REPORTS = "Reports and the other methods"

ANY_SESSION, SERVICE_DECIDES = "local|sdk|proxy", "sdk|proxy"
CALL = r"request POST (/iap/sdk/enforce|proxy:/invoke)"
NOT_PLANNED = r"tool-not-in-plan: .*"

DIFFERENCES = [
    # A decision says whose fault a refusal is.
    Difference(DECISIONS, ANY_SESSION, "check .*", r"result\.cause", "nothing", "None|policy|plan|token|approval"),
    Difference(DECISIONS, ANY_SESSION, "check .*", r"result\.for_model", "nothing", "None|The call .*"),
    # What names no user is the session's user's.
    Difference(DECISIONS, "sdk", "check .* the session's user", CALL + r"\.body\.user_email", "None", "alice@.*"),
    Difference(DECISIONS, "proxy", "check .* the session's user", CALL + r"\.body\.user_email", "nothing", "alice@.*"),
    Difference(
        DECISIONS,
        ANY_SESSION,
        "dispatch .* the session's user",
        r"request POST proxy:/invoke\.body\.(_iam_context\.email|_iam_context\.user_email|user_email)",
        "nothing",
        "alice@.*",
    ),
    # A check before any plan is a decision.
    Difference(
        DECISIONS,
        SERVICE_DECIDES,
        "check (before the plan|after the reset)",
        "error",
        ".*before start_plan.*",
        "nothing",
    ),
    Difference(
        DECISIONS,
        SERVICE_DECIDES,
        "check (before the plan|after the reset)",
        "result",
        "nothing",
        ".*No intent token.*",
    ),
    # So is the check of a name that resolves to nothing.
    Difference(
        DECISIONS,
        ANY_SESSION,
        "check (never planned, bare|half a name)",
        "error",
        ".*(is not namespaced|has a malformed).*",
        "nothing",
    ),
    Difference(
        DECISIONS, ANY_SESSION, "check (never planned, bare|half a name)", "result", "nothing", ".*tool-not-in-plan.*"
    ),
    # A planned tool may be named without its server.
    Difference(DECISIONS, ANY_SESSION, "check planned, bare", "error", ".*is not namespaced.*", "nothing"),
    Difference(DECISIONS, ANY_SESSION, "check planned, bare", "result", "nothing", ".*'allowed': True.*"),
    Difference(DECISIONS, SERVICE_DECIDES, "check planned, bare", CALL, "nothing", "sent"),
    Difference(DECISIONS, SERVICE_DECIDES, ".* audit", "row decision tools-mcp__add allow", "nothing", "sent"),
    # A qualified name is in the plan for one server only.
    Difference(DECISIONS, "local", "check on another server", r"result\.allowed", "True", "False"),
    Difference(DECISIONS, "local", "check on another server", r"result\.action", "allow", "block"),
    Difference(DECISIONS, "local", "check on another server", r"result\.reason", "allow:add#0", NOT_PLANNED),
    Difference(DECISIONS, "local", "check on another server", r"result\.(matched_policy|policy_id)", None, "None"),
    Difference(DECISIONS, SERVICE_DECIDES, "check on another server", CALL, "sent", "nothing"),
    Difference(DECISIONS, SERVICE_DECIDES, ".* audit", "row decision other-mcp__add block", "sent", "nothing"),
    # And dispatch looks at the plan.
    Difference(
        DECISIONS,
        ANY_SESSION,
        "dispatch what was never planned",
        r"error\.message",
        "Action not in plan at .*",
        NOT_PLANNED,
    ),
    Difference(
        DECISIONS,
        ANY_SESSION,
        "dispatch what was never planned",
        r"error\.action",
        "unplanned",
        "tools-mcp__unplanned",
    ),
    Difference(
        DECISIONS, ANY_SESSION, "dispatch what was never planned", "request POST proxy:/invoke", "sent", "nothing"
    ),
    Difference(DECISIONS, ANY_SESSION, ".* audit", "row decision tools-mcp__unplanned block", "sent", "nothing"),
    # A plan that is none is refused before the key and the bundle are fetched for it.
    Difference(
        PLANS,
        "local",
        "plan with (a bare|half a) name",
        "request GET (/iap/public-key|/policy/bundles/current)",
        "sent",
        "nothing",
    ),
    Difference(PLANS, "local", "plan of four tools", "request GET /iap/public-key", "nothing", "sent"),
    # The sessions of a client share one bundle.
    Difference(
        PLANS,
        "local",
        "plan of four tools",
        r"request GET /policy/bundles/current\.headers\.if-none-match",
        '".*"',
        "nothing",
    ),
    Difference(
        PLANS,
        "local",
        "plan of bare names",
        r"request GET /policy/bundles/current\.headers\.if-none-match",
        "nothing",
        '".*"',
    ),
    # The same plan again mints a new token where the old one has expired.
    Difference(PLANS, ANY_SESSION, "plan unchanged, its token expired", r"result\..*", r"<\w+ 2>", r"<\w+ 3>"),
    Difference(
        PLANS, ANY_SESSION, "plan unchanged, its token expired", "request POST /iap/sdk/token", "nothing", "sent"
    ),
    Difference(PLANS, ANY_SESSION, "plan unchanged, its token expired, how", "result", "unchanged", "minted"),
    Difference(PLANS, ANY_SESSION, "check after that plan", r"result\.allowed", "False", "True"),
    Difference(PLANS, ANY_SESSION, "check after that plan", r"result\.action", "block", "allow"),
    Difference(PLANS, ANY_SESSION, "check after that plan", r"result\.reason", "token-expired", "allow:add#0"),
    Difference(PLANS, ANY_SESSION, "check after that plan", r"result\.(matched_policy|policy_id)", "None", None),
    Difference(
        PLANS, SERVICE_DECIDES, "check after that plan", CALL + r"\.body\.intent_token\..*", r"<\w+ 2>", r"<\w+ 3>"
    ),
    Difference(PLANS, SERVICE_DECIDES, ".* audit", "row decision tools-mcp__add block", "sent", "nothing"),
    # A revoked token is an error of its own.
    Difference(
        PLANS,
        "client",
        "(invoke|reanchor) what was revoked",
        r"error\.code",
        "ARMORIQ_ERR_(INVALID_TOKEN|INTENT_REANCHOR)",
        "ARMORIQ_ERR_TOKEN_REVOKED",
    ),
    Difference(
        PLANS, "client", "(invoke|reanchor) what was revoked", r"error\.message", None, "Token .* was revoked: .*"
    ),
    Difference(PLANS, "client", "(invoke|reanchor) what was revoked", r"error\.token_id", "nothing", "<.*>"),
    Difference(PLANS, "client", "invoke what was revoked", r"error\.reason", "nothing", "token-revoked"),
    Difference(PLANS, "client", "reanchor what was revoked", r"error\.(status_code|plan_id)", "401|<.*>", "nothing"),
    # An approval counts once.
    Difference(APPROVALS, SERVICE_DECIDES, "await it again", "result", "approved", "nothing"),
    Difference(APPROVALS, SERVICE_DECIDES, "await it again", "error", "nothing", ".*ARMORIQ_ERR_DELEGATION.*used.*"),
    Difference(
        APPROVALS, SERVICE_DECIDES, "await it again", r"request GET /delegation/<.*>/status", "nothing", "sent"
    ),
    Difference(APPROVALS, "client", "spend it (again|for another plan)", "result", "None", "nothing"),
    Difference(
        APPROVALS, "client", "spend it (again|for another plan)", "error", "nothing", ".*ARMORIQ_ERR_DELEGATION.*409.*"
    ),
    # A wait ends when its time is up.
    Difference(
        APPROVALS, "client", "with policy, waiting in vain", r"request GET /delegation/<.*>/status", "sent", "nothing"
    ),
    # A result has the members that are documented.
    Difference(APPROVALS, "client", "find the approval", r"result\.expiresAt", "<time>", "nothing"),
    # Arguments are forwarded as they were written.
    Difference(
        PROXY,
        SERVICE_DECIDES,
        "check arguments as they are written",
        CALL + r"\.body\.(params|arguments)\.[ab]",
        r"100\.0|1\.5",
        r"1e2|1\.50",
    ),
    # A message quotes an answer as JSON, not as Python.
    Difference(
        PROXY,
        "client",
        "invoke (what was never planned|on no server)",
        r"error\.message",
        r"Action not in plan at .*: {'message': .*",
        r'Action not in plan at .*: {"message":.*',
    ),
    # Names are percent-encoded in paths.
    Difference(
        REQUESTS, "client", "tools of a server with an odd name", r"request GET /mcp/tools/a%20b/c", "sent", "nothing"
    ),
    Difference(
        REQUESTS,
        "client",
        "tools of a server with an odd name",
        r"request GET /mcp/tools/a%20b%2Fc%3Fd",
        "nothing",
        "sent",
    ),
    Difference(
        REQUESTS, "client", "tools of a server with an odd name", r"error\.message", ".*Cannot GET.*", ".*a b/c.d.*"
    ),
    Difference(
        REQUESTS, "client", "status of no request", "request GET /delegation/no%20such/id/status", "sent", "nothing"
    ),
    Difference(
        REQUESTS, "client", "status of no request", "request GET /delegation/no%20such%2Fid/status", "nothing", "sent"
    ),
    # Trust calls have a key, as they are sent again.
    Difference(
        REQUESTS,
        ANY_SESSION + "|client",
        "plan grown|delegate.*|reanchor.*|revoke.*",
        r"request POST /iap/trust/(delegate|reanchor|revoke)\.headers\.idempotency-key",
        "nothing",
        "<hex-32>",
    ),
    # Reports, and the methods that never fail, say what became of them.
    Difference(REPORTS, ANY_SESSION, "report.*", "result", "None", "{'delivered': True}"),
    Difference(REPORTS, "client", "(complete|status of) a plan", "result", "None", "{'delivered': True}"),
    Difference(
        REPORTS, "client", "a status that does not exist", "result", "None", "{'delivered': False, .*HTTP 400.*"
    ),
    # A duration is no telephone number.
    Difference(
        REPORTS,
        ANY_SESSION,
        "report of a long call",
        r"request POST /iap/audit\.body\.duration_ms",
        r"\[RED.*",
        "1234567",
    ),
    Difference(REPORTS, ANY_SESSION, ".* audit", r"row report .*\.duration_ms", r"\[RED.*", "1234567"),
    # A delegated token is kept whole.
    Difference(
        REPORTS, "client", "delegate( a subtask)?", r"result\.delegated_token\.jwt_token", "None", r"<jwt_token \d+>"
    ),
    # Tools are declared by a method of the client's, under the library's name.
    Difference(REPORTS, "client", "declare tools", "result", "None", ".*'push': 'scheduled'.*"),
    Difference(
        REPORTS, "client", "declare tools", r"request POST /iap/sdk/tools\.body\.sdk", r"python@[\d.]+", r"c@[\d.]+"
    ),
]
