"""Calls of the official MCP SDK's server through armoriq-local, as any HTTP client would make them."""

import base64
import json
import os
import urllib.error
import urllib.request

BACKEND, PROXY, KEY = (os.environ[name] for name in ("ARMORIQ_BACKEND_URL", "PROXY_ENDPOINT", "ARMORIQ_API_KEY"))
ALICE = "alice@example.com"


def post(url, body, headers=None):
    headers = {"content-type": "application/json", "x-api-key": KEY, "x-user-email": ALICE, **(headers or {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def expect(got, wanted):
    assert got == wanted, f"expected {wanted!r}, got {got!r}"


tools = ("add", "charge", "fail", "authorization")
steps = [{"action": tool, "mcp": "tools-mcp", "params": {}} for tool in tools]
order = {"user_id": ALICE, "user_email": ALICE, "agent_id": "mcp-bot", "context_id": "default", "policy": None}
status, token = post(f"{BACKEND}/iap/sdk/token", {**order, "plan": {"goal": "g", "steps": steps}, "expires_in": 60})
expect(status, 201)


def invoke(tool, arguments, headers=None):
    body = {
        "mcp": "tools-mcp",
        "action": tool,
        "tool": tool,
        "params": arguments,
        "arguments": arguments,
        "intent_token": {"jwt_token": token["jwt_token"], "plan_id": token["plan_id"]},
        "user_email": ALICE,
    }
    return post(f"{PROXY}/invoke", body, {"accept": "application/json, text/event-stream", **(headers or {})})


def text(answer):
    status, body = answer
    expect(status, 200)
    return body["result"]["content"][0]["text"]


expect(text(invoke("add", {"a": 2, "b": 40})), "42")
status, failed = invoke("fail", {})
expect((status, failed["result"]["isError"]), (200, True))
status, wrong = invoke("add", {"a": "no number", "b": 1})
expect((status, wrong.get("result", {}).get("isError", "error" in wrong)), (200, True))

credential = base64.b64encode(json.dumps({"authType": "bearer", "token": "upstream"}).encode()).decode()
expect(text(invoke("authorization", {}, {"X-Armoriq-MCP-Auth": credential})), "Bearer upstream")
expect(text(invoke("authorization", {})), "")

small = {"amount": 100, "currency": "USD"}
status, charged = invoke("charge", small)
expect((status, charged["result"]["structuredContent"]), (200, {"amount": 100.0, "currency": "USD"}))
large = {"amount": 250, "currency": "USD"}
status, held = invoke("charge", large)
expect((status, held["enforcementAction"]), (202, "hold"))
request = {
    "tool": "charge",
    "action": "execute",
    "arguments": large,
    "amount": 250.0,
    "requesterEmail": ALICE,
    "requesterRole": "agent_user",
    "requesterLimit": 0.0,
    "domain": held["delegation_context"]["domain"],
    "planId": held["delegation_context"]["planId"],
}
status, delegation = post(f"{BACKEND}/delegation/request", request)
expect(status, 201)
approved = {**large, "_delegation_id": delegation["delegationId"], "_approvals": 999}
expect(invoke("charge", approved)[0], 202)
expect(post(f"{BACKEND}/local/delegations/{delegation['delegationId']}/approve", {"as": "bob@example.com"})[0], 200)
status, charged = invoke("charge", approved)
expect((status, charged["result"]["structuredContent"]), (200, {"amount": 250.0, "currency": "USD"}))
expect(invoke("charge", approved)[0], 202)
print("the MCP server was called through armoriq-local")
