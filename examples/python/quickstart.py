"""Alice's agent plans four tool calls and asks before each of them."""

from armoriq import ArmorIQError, Client, Verdict


def ask(session, tool, args):
    decision = session.check(tool, args)
    print(f"{decision.verdict.name:5}  {tool:28} {decision.reason}")
    return decision


def main():
    # One client per process; the API key and the addresses come from the environment. One scope per end user, one
    # session per turn of the agent.
    with (
        Client() as client,
        client.for_user("alice@example.com") as alice,
        alice.start_session(mode="sdk") as session,
    ):
        session.start_plan(
            [
                {"name": "data-mcp__fetch_sales", "args": {"quarter": "Q4"}},
                {"name": "payments-mcp__pay_vendor", "args": {"amount": 250}},
                {"name": "data-mcp__drop_table", "args": {"table": "sales"}},
                {"name": "mail-mcp__send_report", "args": {}},
            ],
            goal="Pay the vendor and report the sales",
        )

        ask(session, "data-mcp__fetch_sales", {"quarter": "Q4"})
        ask(session, "data-mcp__drop_table", {"table": "sales"})
        ask(session, "crm-mcp__export_contacts", {})
        payment = ask(session, "payments-mcp__pay_vendor", {"amount": 250})
        if payment.verdict is Verdict.HOLD:
            print(f"       waiting for approval of {payment.delegation_id}", flush=True)
            status = session.await_approval(payment.delegation_id, timeout_ms=60000, interval_ms=200)
            print(f"       {status}")

    # A key that is none is refused before anything is sent.
    try:
        Client(api_key="not-a-key")
    except ArmorIQError as error:
        print(f"ERROR  {error}")


if __name__ == "__main__":
    main()
