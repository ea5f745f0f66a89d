"""What each process of these tests asks, and what the answers have to be."""

from armoriq import Client, Verdict

EXPECTED = {
    "local": {
        ("data-mcp__fetch_sales", 0): Verdict.ALLOW,
        # Nobody can be asked for an approval there.
        ("payments-mcp__pay_vendor", 250): Verdict.BLOCK,
        ("data-mcp__drop_table", 0): Verdict.BLOCK,
    },
    "sdk": {
        ("data-mcp__fetch_sales", 0): Verdict.ALLOW,
        ("payments-mcp__pay_vendor", 250): Verdict.HOLD,
        ("data-mcp__drop_table", 0): Verdict.BLOCK,
    },
}
EXPECTED["proxy"] = EXPECTED["sdk"]


class Agent:
    """One client and a session with a plan in each mode."""

    def __init__(self):
        self.client = Client()
        self.alice = self.client.for_user("alice@example.com")
        self.sessions = {mode: self.session(mode) for mode in EXPECTED}

    def session(self, mode):
        session = self.alice.start_session(mode=mode)
        session.start_plan([{"name": tool, "args": {}} for tool, _ in EXPECTED[mode]])
        return session

    def verify(self):
        """Checks in all modes: by the session that is there and by a new one."""
        for mode, expected in EXPECTED.items():
            with self.session(mode) as new:
                for session in (self.sessions[mode], new):
                    for (tool, amount), verdict in expected.items():
                        decision = session.check(tool, {"amount": amount})
                        assert decision.verdict is verdict, (mode, tool, decision)
