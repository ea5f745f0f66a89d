"""Runs the same sessions with the official SDK and with the library, and compares what they decide.

usage: parity.py LIBRARY ARMORIQ_LOCAL CONFIG
"""

import dataclasses
import json
import subprocess
import sys

import armoriq_sdk
from armoriq_sdk import ArmorIQClient
from armoriq_sdk.session import SessionOptions

import libarmoriq

KEY = "ak_test_e2e_key_000000000000000000"
MODES = ("sdk", "local")
USERS = ("alice@example.com", "bob@example.com", "carol@example.com", "stranger@example.com")

PLAN = [
    {"name": "data-mcp__fetch_sales", "args": {"quarter": "Q4"}},
    {"name": "data-mcp__fetch_sales_of", "args": {}},
    {"name": "data-mcp__analyze", "args": {}},
    {"name": "data-mcp__drop_table", "args": {}},
    {"name": "data-mcp__read_file", "args": {}},
    {"name": "data-mcp__wipe_cache", "args": {}},
    {"name": "mcp__pay-mcp__pay_vendor", "args": {"amount": 1.0}},
    {"name": "crm-mcp__send_mail", "args": {"to": "a@example.com"}},
    {"name": "crm-mcp__export_contacts", "args": {}},
    {"name": "crm-mcp__unknown__tool", "args": {"é": [1, 2.5, None, True]}},
]

# Tool and arguments. Each is checked for every user in each mode.
CALLS = [
    ("data-mcp__fetch_sales", {"quarter": "Q4"}),
    ("mcp__data-mcp__fetch_sales", {}),
    ("data-mcp__drop_table", {}),
    ("data-mcp__read_file", {"path": "/x"}),
    ("data-mcp__wipe_cache", {}),
    ("crm-mcp__export_contacts", {}),
    ("crm-mcp__unknown__tool", {}),
    # A rule for one member only.
    ("data-mcp__analyze", {}),
    # Conditions, and both sides of their boundaries.
    ("data-mcp__fetch_sales_of", {"quarter": "Q1", "year": 2020}),
    ("data-mcp__fetch_sales_of", {"quarter": "Q1", "year": 2020.0}),
    ("data-mcp__fetch_sales_of", {"quarter": "Q1", "year": 2019.999}),
    ("data-mcp__fetch_sales_of", {"quarter": "Q5", "year": 2020}),
    ("data-mcp__fetch_sales_of", {"quarter": "Q1", "year": "2020"}),
    ("data-mcp__fetch_sales_of", {"quarter": "Q1"}),
    ("data-mcp__fetch_sales_of", {"quarter": None, "year": 2020}),
    ("pay-mcp__pay_vendor", {"amount": 100}),
    ("pay-mcp__pay_vendor", {"amount": 100.0}),
    ("pay-mcp__pay_vendor", {"amount": 100.00000000000001}),
    ("pay-mcp__pay_vendor", {"amount": 101}),
    ("pay-mcp__pay_vendor", {"amount": 999.99}),
    ("pay-mcp__pay_vendor", {"amount": 1000}),
    ("pay-mcp__pay_vendor", {"amount": 10**30}),
    ("pay-mcp__pay_vendor", {"amount": -5}),
    ("pay-mcp__pay_vendor", {"amount": "100"}),
    ("pay-mcp__pay_vendor", {"amount": True}),
    ("pay-mcp__pay_vendor", {"amount": None}),
    ("pay-mcp__pay_vendor", {}),
    ("crm-mcp__send_mail", {"to": "ann@example.com"}),
    ("crm-mcp__send_mail", {"to": "ann@example.org"}),
    ("crm-mcp__send_mail", {"to": "ann@example.com\n"}),
    ("crm-mcp__send_mail", {"to": "ann@example.com", "attachments": [1, 2, 3]}),
    ("crm-mcp__send_mail", {"to": "ann@example.com", "attachments": [1, 2]}),
    ("crm-mcp__send_mail", {"attachments": "abc"}),
    # Never planned, on a server that is known or on one that is not.
    ("data-mcp__never_planned", {}),
    ("nowhere__fetch", {}),
]

FIELDS = [field.name for field in dataclasses.fields(armoriq_sdk.session.EnforceResult)]

# Calls that the library decides differently on purpose: why, what the official SDK answers in each mode (an action, or
# the exception that escapes), and the library's reason for its block.
DIFFERENCES = [
    (
        "a qualified name is in the plan only for the server that the plan gave it to",
        ("pay-mcp__fetch_sales", {}),
        # The official SDK lets it pass; in sdk mode it is then the service that refuses it.
        {"sdk": "block", "local": "allow"},
        "tool-not-in-plan: 'pay-mcp__fetch_sales' was not declared in the captured plan",
    ),
    (
        "a name that resolves to nothing is a decision, not an exception",
        ("__fetch_sales", {}),
        {"sdk": ValueError, "local": ValueError},
        "tool-not-in-plan: '__fetch_sales' was not declared in the captured plan",
    ),
    (
        "so is an unqualified one that was not planned",
        ("never_planned", {}),
        {"sdk": ValueError, "local": ValueError},
        "tool-not-in-plan: 'never_planned' was not declared in the captured plan",
    ),
]

passed, failures = 0, []


def compare(what, official, ours):
    global passed
    if official == ours:
        passed += 1
    else:
        failures.append(f"{what}\n  official: {official}\n  library:  {ours}")


def outcome(decide):
    """What a call gave: its result, or the exception."""
    try:
        return decide()
    except (Exception, libarmoriq.ArmorIQError) as error:  # the official SDK raises many kinds
        return error


def comparable(decision):
    """A decision by the official SDK's fields. Each hold makes a request of its own: only whether there is one counts."""
    if isinstance(decision, Exception):
        return f"{type(decision).__name__}: {decision}"
    if not isinstance(decision, dict):
        decision = dataclasses.asdict(decision)
    decision = {name: decision[name] for name in FIELDS}
    decision["delegation_id"] = decision["delegation_id"] is not None
    return decision


class Pair:
    """A session of each, with the same options and user."""

    def __init__(self, clients, mode, user):
        official, library = clients
        self.mode, self.user = mode, user
        self.official = official.for_user(user).start_session(SessionOptions(mode=mode))
        self.ours = library.start_session(user, mode=mode)

    def plan(self, tool_calls):
        official = outcome(lambda: self.official.start_plan(tool_calls, "compare"))
        ours = outcome(lambda: self.ours.start_plan(tool_calls, "compare"))
        return official, ours

    def check(self, tool, args):
        # The official SDK has to be told the session's user, the library knows it.
        official = outcome(lambda: self.official.check(tool, args, user_email=self.user))
        ours = outcome(lambda: self.ours.check(tool, args))
        return official, ours

    def __str__(self):
        return f"{self.mode} mode, {self.user}"


def compare_plans(pair):
    for calls in (PLAN, PLAN, PLAN + [{"name": "data-mcp__read_secret", "args": {}}], PLAN):
        official, ours = pair.plan(calls)
        what = f"{pair}: plan of {len(calls)}"
        if isinstance(official, Exception) or isinstance(ours, Exception):
            failures.append(f"{what}\n  official: {official!r}\n  library:  {ours!r}")
            return
        compare(f"{what}, how", pair.official.last_plan_start, pair.ours.last_plan_start)
        compare(f"{what}, steps", official.total_steps, ours["total_steps"])
        compare(f"{what}, the plan", official.raw_token["plan"], ours["raw_token"]["plan"])
        compare(f"{what}, its hash", official.plan_hash, ours["plan_hash"])
        # The token's own times and ids differ, but it has the same members.
        compare(f"{what}, the token's members", sorted(official.model_dump()), sorted(ours))


def compare_decisions(pair):
    for tool, args in CALLS:
        official, ours = map(comparable, pair.check(tool, args))
        compare(f"{pair}: {tool} {json.dumps(args)}", official, ours)


def compare_approvals(pair, approve):
    """Each approves its own hold, uses it, and is held again."""
    call = ("pay-mcp__pay_vendor", {"amount": 4321})
    official, ours = pair.check(*call)
    compare(f"{pair}: held", comparable(official), comparable(ours))
    if pair.mode == "local":
        return
    approve(official.delegation_id)
    approve(ours["delegation_id"])
    for what, again in (("approved", pair.check(*call)), ("spent", pair.check(*call))):
        compare(f"{pair}: {what}", *(map(without_id, map(comparable, again))))


def without_id(decision):
    """The reason of an approved call ends with the id of its approval."""
    if isinstance(decision, dict) and (decision["reason"] or "").startswith("Allowed by approved delegation "):
        decision["reason"] = "Allowed by approved delegation …"
    return decision


def compare_deliberate_differences(pair):
    for why, (tool, args), theirs, reason in DIFFERENCES:
        official, ours = pair.check(tool, args)
        actual = type(official) if isinstance(official, Exception) else official.action
        compare(f"{pair}: {tool}, which the official SDK decides its own way", theirs[pair.mode], actual)
        ours = (ours["action"], ours["reason"]) if isinstance(ours, dict) else ours
        compare(f"{pair}: {tool}: {why}", ("block", reason), ours)


def compare_ambiguity(clients, mode):
    """A name that two servers have: the official SDK takes the last that was planned, the library asks which."""
    pair = Pair(clients, mode, "alice@example.com")
    pair.plan([{"name": "data-mcp__search", "args": {}}, {"name": "crm-mcp__search", "args": {}}])
    for tool in ("data-mcp__search", "crm-mcp__search"):
        compare(f"{pair}: {tool}", *map(comparable, pair.check(tool, {})))
    ours = outcome(lambda: pair.ours.check("search", {}))
    expected = ("block", "tool-ambiguous: 'search' is on data-mcp and crm-mcp")
    compare(f"{pair}: search", expected, (ours["action"], ours["reason"]) if isinstance(ours, dict) else ours)


def compare_refused_plans(clients, mode):
    """The errors of plans that are none: the same texts."""
    pair = Pair(clients, mode, "alice@example.com")
    for calls in ([], [{"name": "unqualified", "args": {}}], [{"name": "__x", "args": {}}]):
        official, ours = pair.plan(calls)
        compare(f"{pair}: plan {calls}", str(official), str(ours))
        compare(f"{pair}: plan {calls}, its kind", "ARMORIQ_ERR_INVALID_ARGUMENT", getattr(ours, "code", ours))


def compare_agents(make_clients):
    """Agents without a policy, that nobody knows, or that were not named."""
    for agent in ("free-bot", "nobody", None):
        pair = Pair(make_clients(agent), "local", "alice@example.com")
        official, ours = pair.plan(PLAN)
        if isinstance(official, Exception) or isinstance(ours, Exception):
            compare(f"agent {agent}: plan", str(official), str(ours))
            continue
        compare(f"agent {agent}", *map(comparable, pair.check("data-mcp__fetch_sales", {})))


def run(library, addresses, approve):
    def make_clients(agent):
        options = {
            "api_key": KEY,
            "backend_endpoint": addresses["backend"],
            "proxy_endpoint": addresses["proxy"],
            "iap_endpoint": addresses["iap"],
        }
        if agent:
            options["agent_id"] = agent
        return ArmorIQClient(**options), libarmoriq.Client(library, **options)

    clients = make_clients("sales-bot")
    for mode in MODES:
        for user in USERS:
            pair = Pair(clients, mode, user)
            compare_plans(pair)
            compare_decisions(pair)
            compare_approvals(pair, approve)
        compare_deliberate_differences(pair)
        compare_ambiguity(clients, mode)
        compare_refused_plans(clients, mode)
    compare_agents(make_clients)


def main():
    library, program, config = sys.argv[1:]
    command = [program, "serve", "--config", config, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as service:
        try:
            addresses = json.loads(service.stdout.readline())

            def approve(delegation_id):
                approval = [program, "approve", delegation_id, "--backend", addresses["backend"]]
                subprocess.run(approval, check=True, stdout=subprocess.DEVNULL)

            run(libarmoriq.Library(library), addresses, approve)
        finally:
            service.terminate()
    for failure in failures:
        print(f"FAIL {failure}")
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(bool(failures))


main()
