"""The program that both sides run: sessions in each mode, and the client's own methods.

A step has a name; its outcome is what the call gave, and its requests are those that passed meanwhile.
"""

import copy
import json
import tempfile
import time

from libarmoriq import RawJson

ALICE = "alice@example.com"
SERVER = "tools-mcp"
TOOLS = ("add", "charge", "fail", "erase", "authorization")
PLAN = [{"name": f"{SERVER}__{tool}", "args": {}} for tool in TOOLS[:-1]]
GROWN = PLAN + [{"name": f"mcp__{SERVER}__authorization", "args": {"é": [1, 2.5, None, True]}}]
ADD = {"a": 2, "b": 3}
CHARGE = {"amount": 150, "currency": "USD"}
PUBLIC_KEY = "ab" * 32


def session(run, side, mode):
    """One turn of an agent, from the first check to the reset."""
    step = run.step
    turn = side.start_session(ALICE, mode=mode)

    def plan(name, calls, goal="call tools"):
        step(f"plan {name}", lambda: turn.start_plan(calls, goal))
        step(f"plan {name}, how", turn.last_plan_start)

    def check(name, tool, args, **options):
        return step(f"check {name}", lambda: turn.check(tool, args, **options))

    check("before the plan", f"{SERVER}__add", ADD)
    step("dispatch before the plan", lambda: turn.dispatch(f"{SERVER}__add", ADD))
    plan("of nothing", [])
    plan("with a bare name", [{"name": "add", "args": {}}])
    plan("with half a name", [{"name": "__add", "args": {}}])
    plan("of four tools", PLAN)
    plan("unchanged", PLAN)
    plan("grown", GROWN)

    check("allowed, for a user who is named", f"{SERVER}__add", ADD, user_email=ALICE)
    check("allowed, for the session's user", f"{SERVER}__add", ADD)
    check("allowed, with a prefix", f"mcp__{SERVER}__add", ADD, user_email=ALICE)
    check("arguments as they are written", f"{SERVER}__add", RawJson('{"b":1e2,"a":1.50}'), user_email=ALICE)
    check("blocked", f"{SERVER}__erase", {}, user_email=ALICE)
    check("on another server", "other-mcp__add", ADD, user_email=ALICE)
    check("never planned", f"{SERVER}__unplanned", {}, user_email=ALICE)
    check("never planned, bare", "unplanned", {}, user_email=ALICE)
    check("planned, bare", "add", ADD, user_email=ALICE)
    check("half a name", "__add", ADD, user_email=ALICE)

    held = check("held", f"{SERVER}__charge", CHARGE, user_email=ALICE)
    if mode != "local":
        run.approve(held)
        check("approved", f"{SERVER}__charge", CHARGE, user_email=ALICE)
        again = check("spent", f"{SERVER}__charge", CHARGE, user_email=ALICE)
        run.approve(again)
        step("await the approval", lambda: turn.await_approval(run.id(again), 10))
        step("await it again", lambda: turn.await_approval(run.id(again), 0.2))
        rejected = check("held again", f"{SERVER}__charge", CHARGE, user_email=ALICE)
        run.reject(rejected)
        step("await the rejection", lambda: turn.await_approval(run.id(rejected), 10))
        pending = check("held for good", f"{SERVER}__charge", {**CHARGE, "amount": 160}, user_email=ALICE)
        step("await nothing", lambda: turn.await_approval(run.id(pending), 0.02))
    check("held, for the session's user", f"{SERVER}__charge", {**CHARGE, "amount": 170})

    dispatches(step, turn)
    step("report", lambda: turn.report(f"{SERVER}__add", ADD, {"sum": 5}))
    options = {"status": "failed", "error_message": "no", "duration_ms": 12.5, "is_delegated": False}
    step("report a failure", lambda: turn.report(f"{SERVER}__add", ADD, None, **options))
    step("report of a long call", lambda: turn.report(f"{SERVER}__add", ADD, None, duration_ms=1234567))
    step("report by half a name", lambda: turn.report("__add", ADD, None))
    step("reset", turn.reset)
    check("after the reset", f"{SERVER}__add", ADD, user_email=ALICE)
    step("report after the reset", lambda: turn.report(f"{SERVER}__add", ADD, None))

    turn = side.start_session(ALICE, mode=mode, default_mcp_name=SERVER, validity_seconds=1)
    plan("of bare names", [{"name": "add", "args": {}}, {"name": "erase", "args": {}}], None)
    check("a bare name", "add", ADD, user_email=ALICE)
    check("a blocked bare name", "erase", {}, user_email=ALICE)
    time.sleep(1.2)
    check("with an expired token", "add", ADD, user_email=ALICE)
    step("dispatch with an expired token", lambda: turn.dispatch("add", ADD, user_email=ALICE))
    plan("unchanged, its token expired", [{"name": "add", "args": {}}, {"name": "erase", "args": {}}], None)
    check("after that plan", "add", ADD, user_email=ALICE)


def dispatches(step, turn):
    def dispatch(name, tool, args, **options):
        step(f"dispatch {name}", lambda: turn.dispatch(tool, args, **options))

    dispatch("for a user who is named", f"{SERVER}__add", ADD, user_email=ALICE)
    dispatch("for the session's user", f"{SERVER}__add", ADD)
    dispatch("a tool that fails", f"{SERVER}__fail", {}, user_email=ALICE)
    dispatch("a blocked tool", f"{SERVER}__erase", {}, user_email=ALICE)
    dispatch("a held tool", f"{SERVER}__charge", {**CHARGE, "amount": 180}, user_email=ALICE)
    dispatch("what was never planned", f"{SERVER}__unplanned", {}, user_email=ALICE)
    dispatch("with a credential", f"{SERVER}__authorization", {}, user_email=ALICE)


def steps_of(*tools):
    steps = [{"action": tool, "tool": tool, "mcp": SERVER, "params": {}, "description": tool} for tool in tools]
    return {"goal": "g", "steps": steps}


def client(run, side):
    """The client's own methods. Ids of the program's own differ between the sides, as the service remembers them."""

    def call(name, method, **params):
        return run.step(name, lambda: side.call(method, **params))

    directory(call)
    token = call("mint", "get_intent_token", plan=steps_of(*TOOLS), validity_seconds=600, user_email=ALICE)
    call("mint nobody's", "get_intent_token", plan=steps_of("add"), policy={"allow": ["*"]})
    call("mint without steps", "get_intent_token", plan={"goal": "g"})
    call("verify", "verify_token", intent_token=token)
    call("verify what was changed", "verify_token", intent_token=changed(token))
    invocations(run, call, token)
    trust(call, token)
    approvals(run, call, token)
    usage(run, call)
    inventory(run, call)


def changed(token):
    if isinstance(token, dict):
        token = copy.deepcopy(token)
        token["raw_token"]["token"]["plan_hash"] = "0" * 64
        return token
    raw = copy.deepcopy(token.raw_token)
    raw["token"]["plan_hash"] = "0" * 64
    return token.model_copy(update={"raw_token": raw})


def directory(call):
    call("bootstrap", "bootstrap")
    call("bootstrap again", "bootstrap")
    call("refresh the bootstrap", "refresh_bootstrap")
    call("list servers", "list_mcps")
    call("tools of a server", "get_mcp_tool_schemas", mcp_name=SERVER)
    call("tools of no server", "get_mcp_tool_schemas", mcp_name="nobody")
    call("tools of a server with an odd name", "get_mcp_tool_schemas", mcp_name="a b/c?d")
    call("metadata", "fetch_tool_metadata", mcp_name=SERVER)
    call("metadata again", "fetch_tool_metadata", mcp_name=SERVER)
    call("metadata of no server", "fetch_tool_metadata", mcp_name="nobody")
    call("role", "resolve_role", mcp_name=SERVER, org_role="member")
    call("a user", "resolve_user", user_email=" Bob@Example.com ")
    call("the user again", "resolve_user", user_email="bob@example.com")
    call("forget the user", "invalidate_user", user_email="bob@example.com")
    call("the forgotten user", "resolve_user", user_email="bob@example.com")
    call("an unknown user", "resolve_user", user_email="eve@example.com")


def invocations(run, call, token):
    def invoke(name, method="invoke", **params):
        return call(name, method, mcp=SERVER, intent_token=token, **params)

    invoke("invoke", action="add", params=ADD, user_email=ALICE)
    invoke("invoke for nobody", action="add", params=ADD)
    invoke("invoke with a credential", action="authorization")
    invoke("invoke a tool that fails", action="fail", user_email=ALICE)
    invoke("invoke a blocked tool", action="erase", user_email=ALICE)
    invoke("invoke a held tool", action="charge", params=CHARGE, user_email=ALICE)
    invoke("invoke what was never planned", action="unplanned", user_email=ALICE)
    call("invoke on no server", "invoke", mcp="nobody", action="add", intent_token=token, user_email=ALICE)

    def with_policy(name, action, params, **options):
        return invoke(
            name, "invoke_with_policy", action=action, params=params, options={"user_email": ALICE, **options}
        )

    with_policy("with policy", "add", ADD)
    with_policy("with policy, financial", "charge", {"amount": 50, "currency": "USD"})
    with_policy("with policy, blocked", "erase", {})
    with_policy("with policy, held", "charge", CHARGE)
    wait = {"wait_for_approval": True, "delegation_timeout_ms": 60000}
    with run.person("approve"):
        with_policy("with policy, waiting for approval", "charge", CHARGE, **wait)
    role = {"requester_role": "clerk", "requester_limit": 25}
    with run.person("reject"):
        with_policy("with policy, waiting for a rejection", "charge", {**CHARGE, "amount": 160}, **wait, **role)
    short = {"wait_for_approval": True, "delegation_timeout_ms": 100}
    with_policy("with policy, waiting in vain", "charge", {**CHARGE, "amount": 165}, **short)


def trust(call, token):
    other = call("mint for delegation", "get_intent_token", plan=steps_of("add", "fail"), user_email=ALICE)
    to = {"intent_token": other, "delegate_public_key": PUBLIC_KEY}
    call("delegate", "delegate", **to, validity_seconds=60, target_agent="mcp-bot", allowed_actions=["add"])
    call("delegate a subtask", "delegate", **to, validity_seconds=60, subtask={"goal": "part"})
    call("delegate to a stranger", "delegate", **to, target_agent="stranger")
    call("delegate a subtree", "delegate_subtree", **to, subtree_path="/steps/[0]", validity_seconds=600)
    call("delegate no subtree", "delegate_subtree", **to, subtree_path="/steps/[9]")
    call(
        "reanchor",
        "reanchor",
        intent_token=other,
        updated_plan=steps_of("add", "fail", "authorization"),
        reason="grew",
    )
    call("reanchor to no plan", "reanchor", intent_token=other, updated_plan={"steps": []})
    call(
        "invoke what was reanchored",
        "invoke",
        mcp=SERVER,
        action="authorization",
        intent_token=other,
        user_email=ALICE,
    )
    call("revoke", "revoke", intent_token=other, reason="stolen", cascade=True)
    call("revoke again", "revoke", intent_token=other, reason="stolen", cascade=False)
    call("invoke what was revoked", "invoke", mcp=SERVER, action="add", intent_token=other, user_email=ALICE)
    call("reanchor what was revoked", "reanchor", intent_token=other, updated_plan=steps_of("add"))
    short = call("mint a short one", "get_intent_token", plan=steps_of("add"), validity_seconds=1, user_email=ALICE)
    time.sleep(1.2)
    call("verify what has expired", "verify_token", intent_token=short)
    call("invoke with what has expired", "invoke", mcp=SERVER, action="add", intent_token=short, user_email=ALICE)
    plans = {"agent_id": "mcp-bot", "user_prompt": "add", "authority_snapshot": None}
    call("refine", "refine", **plans, tool_calls=[{"name": f"{SERVER}__add", "args": ADD}])
    call("refine what is blocked", "refine", **plans, tool_calls=[{"name": f"{SERVER}__erase", "args": {}}])
    call("refine nothing", "refine")


def approvals(run, call, token):
    plan_id = token["plan_id"] if isinstance(token, dict) else token.plan_id
    request = {
        "tool": "charge",
        "action": "charge",
        "arguments": CHARGE,
        "amount": 150,
        "requester_email": ALICE,
        "requester_role": "agent_user",
        "requester_limit": 0,
        "domain": SERVER,
        "plan_id": plan_id,
        "reason": "r",
    }
    wanted = {"user_email": ALICE, "tool": "charge", "amount": 150.0, "plan_id": plan_id}
    held = call("request an approval", "create_delegation_request", **request)
    call("request one without an amount", "create_delegation_request", **{**request, "amount": None})
    call("look for an approval", "check_approved_delegation", **wanted)
    call("look for one without a plan", "check_approved_delegation", **{**wanted, "plan_id": None})
    call("status of a request", "get_delegation_status", delegation_id=run.id(held))
    call("status of no request", "get_delegation_status", delegation_id="no such/id")
    run.approve(held)
    call("find the approval", "check_approved_delegation", **wanted)
    call("status of an approval", "get_delegation_status", delegation_id=run.id(held))
    spend = {"user_email": ALICE, "delegation_id": run.id(held)}
    call("spend it for another plan", "mark_delegation_executed", **spend, plan_id="plan-other")
    call("spend it", "mark_delegation_executed", **spend, plan_id=plan_id)
    call("spend it again", "mark_delegation_executed", **spend, plan_id=plan_id)
    call("status of a plan", "update_plan_status", plan_id=plan_id, status="executing")
    call("a status that does not exist", "update_plan_status", plan_id=plan_id, status="forgotten")
    call("complete a plan", "complete_plan", plan_id=plan_id)


def usage(run, call):
    entry = {"model": "m", "inputTokens": 1, "outputTokens": 2, "cacheReadTokens": 0, "cacheWriteTokens": 0}
    when = {"product": "p", "session_id": run.own("session"), "usage_date": "2026-01-02"}
    call("usage", "record_token_usage", **when, usage_hour=3, entries=[entry], repo="r", device_id="d", armored=True)
    call("usage of nothing", "record_token_usage", **when, usage_hour=3, entries=[])
    call("usage at no hour", "record_token_usage", **when, usage_hour=24, entries=[entry])
    call(
        "usage on no date", "record_token_usage", **{**when, "usage_date": "2026-02-30"}, usage_hour=1, entries=[entry]
    )
    stream = call("usage stream", "initialize_usage_stream")
    snapshot = {
        "sessionId": run.own("session"),
        "revision": 1,
        "product": "p",
        "usageDate": "2026-01-02",
        "usageHour": 4,
        "entries": [entry],
    }
    batch = {"batchId": run.own_uuid("batch"), "snapshots": [snapshot]}
    generation = stream.get("value", stream).get("generation")
    call("usage batch", "record_token_usage_batch", batch={**batch, "generation": generation})
    call(
        "usage batch of another stream",
        "record_token_usage_batch",
        batch={**batch, "generation": run.own_uuid("none")},
    )
    call("usage batch without a stream", "record_token_usage_batch", batch=batch)
    report = {"kind": "history", "status": "completed"}
    call("usage run", "report_usage_run", run_id=run.own_uuid("run"), report=report)
    call("usage run without an id", "report_usage_run", run_id="none", report=report)
    call("usage stream reset", "reset_usage_stream", generation=generation, reset_id=run.own_uuid("reset"))
    call("usage stream reset by no id", "reset_usage_stream", generation=generation, reset_id="none")
    message = {
        "type": "assistant",
        "timestamp": "2026-01-02T05:00:00Z",
        "message": {"id": "1", "model": "m", "usage": {"input_tokens": 7, "output_tokens": 8}},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as transcript:
        transcript.write(json.dumps(message) + "\n")
        transcript.flush()
        source = {"transcript_path": transcript.name, "product": "p", "session_id": run.own("session")}
        call("usage of a transcript", "capture_transcript_tokens", **source)


def inventory(run, call):
    schema = {"type": "object", "properties": {"q": {"type": "string"}, "n": {"type": "number", "minimum": 1.0}}}
    tools = [
        {"name": "search", "description": "Searches", "inputSchema": schema},
        {"name": "announce", "description": "é", "inputSchema": {"type": "object"}},
    ]
    server = {"name": "Docs_", "url": "http://127.0.0.1:1/mcp", "tools": tools[:1]}
    with run.until("/iap/sdk/tools"):
        call("declare tools", "declare_tools", tools=tools, mcp_servers=[server])


PROGRAMS = {
    "local": lambda run, side: session(run, side, "local"),
    "sdk": lambda run, side: session(run, side, "sdk"),
    "proxy": lambda run, side: session(run, side, "proxy"),
    "client": client,
}
