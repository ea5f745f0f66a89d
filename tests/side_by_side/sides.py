"""The official SDK and the library behind one interface: what the program calls, and what came of it as JSON."""

import asyncio
import dataclasses
import json

import libarmoriq
from armoriq_sdk import ArmorIQClient, models
from armoriq_sdk.session import ReportOptions, SessionOptions
from armoriq_sdk.tool_push import note_model_call
from armoriq_sdk.tool_registry import McpServerRef, ToolDeclaration, register_for_client
from libarmoriq import RawJson

# The status that stands for an exception of the official SDK.
CODES = {
    "ValueError": "ARMORIQ_ERR_INVALID_ARGUMENT",
    "TypeError": "ARMORIQ_ERR_INVALID_ARGUMENT",
    "RuntimeError": "ARMORIQ_ERR_INVALID_STATE",
    "ConfigurationException": "ARMORIQ_ERR_CONFIGURATION",
    "InvalidTokenException": "ARMORIQ_ERR_INVALID_TOKEN",
    "TokenExpiredException": "ARMORIQ_ERR_TOKEN_EXPIRED",
    "IntentMismatchException": "ARMORIQ_ERR_INTENT_MISMATCH",
    "IntentReanchorException": "ARMORIQ_ERR_INTENT_REANCHOR",
    "PolicyBlockedException": "ARMORIQ_ERR_POLICY_BLOCKED",
    "PolicyHoldException": "ARMORIQ_ERR_POLICY_HOLD",
    "DelegationException": "ARMORIQ_ERR_DELEGATION",
    "MCPInvocationException": "ARMORIQ_ERR_MCP_INVOCATION",
    "ArmorIQException": "ARMORIQ_ERR_SERVICE",
}
ATTRIBUTES = (
    "status_code reason plan_id token_id mcp action matched_policy enforcement_action metadata delegation_context "
    "delegation_id target_agent expired_at plan_hash"
).split()


def plain(value):
    """A result as JSON."""
    if isinstance(value, models.BaseModel):
        return plain(value.model_dump())
    if dataclasses.is_dataclass(value):
        return plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def failure(error):
    """An error as the library's error object; what has nothing to say is left out."""
    if isinstance(error, libarmoriq.ArmorIQError):
        return {"code": error.code, "message": error.message, **error.attributes}
    attributes = {name: plain(getattr(error, name, None)) for name in ATTRIBUTES}
    said = {name: value for name, value in attributes.items() if value is not None}
    return {"code": CODES.get(type(error).__name__, type(error).__name__), "message": str(error), **said}


class Official:
    name = "official"

    def __init__(self, options):
        self.client = ArmorIQClient(**options)

    def start_session(self, user_email, **options):
        return OfficialSession(self.client.for_user(user_email).start_session(SessionOptions(**options)))

    def call(self, method, **params):
        special = getattr(self, f"_{method}", None)
        return special(**params) if special else getattr(self.client, method)(**params)

    def _get_intent_token(self, plan, llm="agent", prompt="", **params):
        return self.client.get_intent_token(self.client.capture_plan(llm, prompt, plan), **params)

    def _invoke_with_policy(self, options=None, **params):
        return self.client.invoke_with_policy(options=models.InvokeOptions(**(options or {})), **params)

    def _refine(self, **params):
        return self.client.refine(params)

    def _create_delegation_request(self, **params):
        return self.client.create_delegation_request(models.DelegationRequestParams(**params))

    def _resolve_user(self, user_email):
        return self.client.resolve_user(user_email)

    def _declare_tools(self, tools, mcp_servers):
        servers = [
            McpServerRef(server["name"], server["url"], _declared(server["tools"], "mcp")) for server in mcp_servers
        ]
        register_for_client(self.client, _declared(tools, "framework"), servers)
        note_model_call(self.client)

    def close(self):
        self.client.close()


def _declared(tools, source):
    """What the framework adapters of the official SDK make of a tool with a schema."""
    return tuple(ToolDeclaration(tool["name"], tool["description"], tool["inputSchema"], source) for tool in tools)


class OfficialSession:
    def __init__(self, session):
        self.session = session

    def start_plan(self, tool_calls, goal):
        return self.session.start_plan(tool_calls, goal)

    def last_plan_start(self):
        return self.session.last_plan_start

    def check(self, tool, args, **options):
        return self.session.check(tool, json.loads(args) if isinstance(args, RawJson) else args, **options)

    def dispatch(self, tool, args, **options):
        return self.session.dispatch(tool, args, **options)

    def report(self, tool, args, result, **options):
        return self.session.report(tool, args, result, ReportOptions(**options))

    def await_approval(self, delegation_id, seconds):
        return asyncio.run(self.session.await_approval(delegation_id, timeout=seconds, interval=0.05))

    def reset(self):
        return self.session.reset()


class Ours:
    name = "library"

    def __init__(self, library, options):
        self.client = libarmoriq.Client(library, **options)

    def start_session(self, user_email, **options):
        return OurSession(self.client.start_session(user_email, **options))

    def call(self, method, **params):
        return self.client.method(method, **params)

    def close(self):
        self.client.close()


class OurSession:
    def __init__(self, session):
        self.session = session

    def last_plan_start(self):
        return self.session.last_plan_start

    def await_approval(self, delegation_id, seconds):
        options = {"timeout_ms": int(seconds * 1000), "interval_ms": 50}
        return self.session.await_approval(delegation_id, **options)["status"]

    def __getattr__(self, name):
        return getattr(self.session, name)
