"""One run of a program by one side: its steps, the requests of each, and the service's own record of it."""

import contextlib
import json
import threading
import time
import urllib.request
import uuid

from masks import Masks
from sides import failure, plain


class Service:
    """The control plane behind the recorders, for what is not part of the program."""

    def __init__(self, backend):
        self._backend = backend

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._backend + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def decide(self, delegation_id, decision):
        self.ask(f"/local/delegations/{delegation_id}/{decision}", {"as": "bob@example.com"})

    def audit(self):
        return self.ask("/local/audit")["rows"]


class Run:
    def __init__(self, side, service):
        self._side, self._service = side, service
        self._masks = Masks()
        self._lock = threading.Lock()
        self._seen, self._results = [], []
        self._rows_before = len(service.audit())

    def seen(self, request, answer):
        """What the recorders call. Ids have names before the caller can use them."""
        with self._lock:
            self._masks.learn(answer)
            self._seen.append(request)

    def step(self, name, call):
        try:
            result = call()
            outcome = {"result": plain(result)}
        except Exception as error:  # the official SDK raises many kinds
            result, outcome = None, {"error": failure(error)}
        self._results.append((name, outcome, self._take()))
        return result

    def _take(self):
        with self._lock:
            taken, self._seen = self._seen, []
            return taken

    def finish(self):
        """The steps by their names, and the rows that the service's audit has of them; masked."""
        rows = self._service.audit()[self._rows_before :]
        steps = {}
        for name, outcome, requests in self._results:
            assert name not in steps, f"two steps are called {name!r}"
            steps[name] = (self._masks.apply(outcome), self._masks.apply(requests))
        # Where a row stands in the log, and the chain of hashes, are not the program's.
        rows = [{key: value for key, value in row.items() if key not in ("index", "commitment")} for row in rows]
        return steps, self._masks.apply(rows)

    def id(self, held):
        """The approval that a held call waits for."""
        held = plain(held)
        assert held and held["delegation_id"], f"{self._side}: not held: {held}"
        return held["delegation_id"]

    def approve(self, held):
        self._service.decide(self.id(held), "approve")

    def reject(self, held):
        self._service.decide(self.id(held), "reject")

    @contextlib.contextmanager
    def person(self, decision):
        """Somebody who decides about the next call that is held."""
        pending = lambda: self._service.ask("/local/delegations?status=pending")["delegations"]
        before = {delegation["delegationId"] for delegation in pending()}

        def decide():
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                new = [held["delegationId"] for held in pending() if held["delegationId"] not in before]
                if new:
                    return self._service.decide(new[0], decision)
                time.sleep(0.05)

        thread = threading.Thread(target=decide)
        thread.start()
        yield
        thread.join()

    @contextlib.contextmanager
    def until(self, path):
        """Waits for a request that is made in the background, which becomes that of the last step."""
        yield
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            name, outcome, requests = self._results.pop()
            requests += self._take()
            self._results.append((name, outcome, requests))
            if any(request["target"].endswith(path) for request in requests):
                return
            time.sleep(0.02)

    def own(self, name):
        """A name that only this side uses; the other side's is masked alike."""
        return self._masks.name(f"{name}-{self._side}", f"own {name}")

    def own_uuid(self, name):
        # A digit of the version and one of the variant make it a UUID as the service wants it.
        identifier = uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{self._side}.example.com")
        return self._masks.name(str(identifier), f"own {name}")
