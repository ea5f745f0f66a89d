"""A reverse proxy that keeps a record of the requests that pass through it."""

import http.client
import json
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# The headers that mean something to the service. The others are the HTTP libraries' own.
HEADERS = (
    "accept",
    "authorization",
    "cache-control",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "x-api-key",
    "x-armoriq-mcp-auth",
    "x-request-id",
    "x-user-email",
)
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "host")


class Number(str):
    """A number by its text: 1.0 and 1 are not the same request."""


def numbers_as_text(text):
    return json.loads(text, parse_int=Number, parse_float=Number)


class Recorder:
    """Passes requests on to `origin`, which it calls `name`, and tells `seen` of each and of its answer."""

    def __init__(self, name, origin, seen):
        self._address = urllib.parse.urlsplit(origin).netloc
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                recorder._pass_on(name, self, seen)

            do_GET = do_POST = do_PUT = pass_on

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                # A client may drop a connection that it keeps.
                if not isinstance(sys.exc_info()[1], ConnectionError):
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _pass_on(self, name, request, seen):
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP}
        # The record is read by people: answers are asked for as they are.
        headers["accept-encoding"] = "identity"
        connection = http.client.HTTPConnection(self._address, timeout=60)
        connection.request(request.command, request.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        path = urllib.parse.urlsplit(request.path)
        record = {
            "target": f"{request.command} {name}{path.path}",
            "query": urllib.parse.parse_qs(path.query, keep_blank_values=True),
            # An Accept of everything is the same as none.
            "headers": {key: request.headers[key] for key in HEADERS if request.headers[key] not in (None, "*/*")},
            "body": numbers_as_text(body) if body else None,
        }
        seen(record, json.loads(content) if content else None)
        request.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in HOP_BY_HOP:
                request.send_header(key, value)
        request.send_header("content-length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
