"""Gives what differs from run to run a name: ids that of the member they were answered in, times that of their form."""

import re

from recorder import Number

# What an id looks like in an answer of the service.
ID = re.compile(
    r"(plan-|pol-|ref-|del-|trust-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(sha256:)?[0-9a-f]{32,128}|[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{40,}\.[A-Za-z0-9_-]{40,}"
)
FORMS = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"deleg-\d{13}-[0-9a-f]{8}"), "deleg-<millis>-<hex-8>"),
    (re.compile(r"sdk-\d{13}"), "sdk-<millis>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"), "<hex-32>"),
    (re.compile(r"expired \d+\.\d+s ago"), "expired <seconds>s ago"),
]
TIMES = ("execution_time", "issued_at", "expires_at", "expired_at")


class Masks:
    def __init__(self):
        self._names, self._counts = {}, {}

    def name(self, value, name):
        self._names[value] = f"<{name}>"
        return value

    def learn(self, answer, member=""):
        if isinstance(answer, dict):
            for key, value in answer.items():
                self.learn(value, key)
        elif isinstance(answer, list):
            for value in answer:
                self.learn(value, member)
        elif isinstance(answer, str) and ID.fullmatch(answer) and answer not in self._names:
            count = self._counts[member] = self._counts.get(member, 0) + 1
            self.name(answer, f"{member} {count}")

    def apply(self, value, member=""):
        if isinstance(value, dict):
            return {self._text(key): self.apply(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self.apply(item, member) for item in value]
        if member in TIMES and isinstance(value, (int, float, Number)):
            return f"<{'float' if '.' in str(value) else 'int'}>"
        return self._text(value) if isinstance(value, str) and not isinstance(value, Number) else value

    def _text(self, text):
        if text in self._names:
            return self._names[text]
        for value, name in self._names.items():
            text = text.replace(value, name)
        for form, name in FORMS:
            text = form.sub(name, text)
        return text
