"""What a C program that uses the library gets over TLS, with client certificates and through proxies."""

import base64
import http.server
import json
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import urllib.parse

WORK = sys.argv[1]
KEY = "ak_test_0123456789abcdef"
TOKEN = {
    "success": True,
    "plan_id": "plan_1",
    "plan_hash": "ph_1",
    "merkle_root": "mr_1",
    "intent_reference": "ref_1",
    "composite_identity": "ident_1",
    "step_proofs": [],
    "token": {"plan_hash": "ph_1", "issued_at": 1700000000, "expires_at": 4102444800, "signature": "00"},
    "jwt_token": "header.claims.signature",
}
ALLOWS = {"allowed": True, "enforcementAction": "allow"}
ANSWERS = {"/iap/sdk/token": (201, TOKEN), "/iap/sdk/enforce": (200, ALLOWS), "/invoke": (200, ALLOWS)}
# A check on the thread, by the queue and in a child.
ALLOWED = ["allow"] * 3
# The name that no resolver knows.
NAME = "control-plane.invalid"


def file(name):
    return os.path.join(WORK, name)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if length > self.server.longest:
            self.close_connection = True
            return
        self.rfile.read(length)
        subject = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        names = dict(part[0] for part in subject["subject"]) if subject else {}
        self.server.requests.append((self.path, self.all_headers(), names.get("commonName")))
        self.answer(*ANSWERS.get(urllib.parse.urlsplit(self.path).path, (404, {})))

    def all_headers(self):
        return {name.lower(): value for name, value in self.headers.items()}

    def answer(self, status, body, headers=()):
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(text))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class ProxyHandler(Handler):
    """Answers itself where it is asked in plain text, and opens a tunnel to the server behind it on demand."""

    def is_let_in(self):
        wanted, refuses = self.server.credentials, self.server.refuses
        given = self.headers.get("proxy-authorization")
        if wanted and given != "Basic " + base64.b64encode(wanted.encode()).decode():
            refuses = 407
        if refuses is None:
            return True
        self.close_connection = True
        if refuses:
            # Who believes this answer is in trouble.
            self.answer(refuses, ALLOWS, [("Proxy-Authenticate", 'Basic realm="x"'), ("Connection", "close")])
        return False

    def do_POST(self):
        if self.is_let_in():
            super().do_POST()

    def do_CONNECT(self):
        self.server.requests.append((self.path, self.all_headers(), None))
        if not self.is_let_in():
            return
        self.close_connection = True
        with socket.create_connection(("127.0.0.1", self.server.behind.server_port)) as behind:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            pass_on(self.connection, behind, self.server.longest_tunnel)


def pass_on(client, server, most):
    """By one thread: what is over TLS must not be read and written to at once. After too many bytes both are left."""
    others = {client: server, server: client}
    try:
        while most > 0:
            is_pending = isinstance(client, ssl.SSLSocket) and client.pending()
            for source in [client] if is_pending else select.select([client, server], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                others[source].sendall(data)
                most -= len(data)
    except OSError:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler=Handler, certificate=None, demands=None):
        super().__init__(("127.0.0.1", 0), handler)
        self.requests = []
        self.connections = 0
        # A longer request is not read: the connection ends while it is sent.
        self.longest = 1 << 20
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(file(f"{certificate}.pem"), file(f"{certificate}.key"))
            if demands:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(file(f"{demands}.pem"))
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https" if certificate else "http"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.server_port}"

    def process_request(self, *connection):
        self.connections += 1
        super().process_request(*connection)

    def handle_error(self, *_):
        """A client that leaves is none."""

    def took(self):
        requests, self.requests = self.requests, []
        return requests


class Proxy(Server):
    """Lets in whom has its credentials, or nobody where it `refuses`: with that status, or at 0 without a word."""

    def __init__(self, behind=None, credentials=None, refuses=None, **tls):
        super().__init__(ProxyHandler, **tls)
        self.behind, self.credentials, self.refuses = behind, credentials, refuses
        self.longest_tunnel = 1 << 30

    def address(self, credentials=""):
        return f"{self.scheme}://{credentials}127.0.0.1:{self.server_port}"


def ask(url, variables=None, mode="sdk", length=0, **options):
    """The lines that the program printed; no secret is in any."""
    options = {"api_key": KEY, "max_retries": 0, "timeout_ms": 20000, **options}
    options |= {name: url for name in ("backend_endpoint", "proxy_endpoint", "iap_endpoint")}
    environment = {**os.environ, **(variables or {})}
    command = [file("client"), json.dumps(options), mode, str(length)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (0, ""), run
    for secret in (KEY, "wonder", "PRIVATE KEY"):
        assert secret not in run.stdout, run.stdout
    return run.stdout.splitlines()


def expect(got, wanted):
    assert got == wanted, f"expected {wanted!r}, got {got!r}"


def refused(lines, code, *parts):
    """One line, of the function that failed with this code."""
    function, _, error = lines[0].partition(" ")
    assert error.startswith("{"), lines
    error = json.loads(error)
    assert (len(lines), error["code"]) == (1, f"ARMORIQ_ERR_{code}"), (code, lines)
    for part in parts:
        assert part in error["message"].lower(), error
    return function


def an_added_authority():
    server = Server(certificate="server")
    company, stranger = {"ca_certificates": file("company.pem")}, {"ca_certificates": file("stranger.pem")}
    for mode in ("sdk", "proxy"):
        expect(ask(server.url(), mode=mode, **company), ALLOWED)
    expect(ask(server.url(), {"SSL_CERT_FILE": file("company.pem")}), ALLOWED)
    expect(ask(server.url(), verify_ssl=False), ALLOWED)
    assert len(server.took()) == 16
    expect(refused(ask(server.url()), "SERVICE", "certificate"), "start_plan")
    refused(ask(server.url(), **stranger), "SERVICE", "certificate")
    refused(ask(server.url("localhost"), **company), "SERVICE", "certificate")
    expired = Server(certificate="expired")
    refused(ask(expired.url(), **company), "SERVICE", "expired")
    expect(server.took() + expired.took(), [])


def a_file_that_is_none():
    for options, *parts in (
        ({"ca_certificates": "/nowhere/ca.pem"}, "ca_certificates", "/nowhere/ca.pem"),
        ({"ca_certificates": file("empty.pem")}, "ca_certificates", "no certificate"),
        ({"client_certificate": file("agent.pem"), "client_key": file("server.key")}, "client_key"),
        ({"client_certificate": file("agent.pem"), "client_key": file("empty.pem")}, "client_key"),
        ({"client_certificate": file("agent.key"), "client_key": file("agent.key")}, "client_certificate"),
    ):
        expect(refused(ask("https://127.0.0.1:9", **options), "CONFIGURATION", *parts), "client_new")
    for half, code in (("client_certificate", "CONFIGURATION"), ("client_key", "INVALID_ARGUMENT")):
        lines = ask("https://127.0.0.1:9", **{half: agent()[half]})
        expect(refused(lines, code, "client_key", "client_certificate"), "client_new")


def agent(name="agent"):
    return {"client_certificate": file(f"{name}.pem"), "client_key": file(f"{name}.key")}


def a_client_certificate():
    server = Server(certificate="server", demands="company")
    company = {"ca_certificates": file("company.pem")}
    for mode in ("sdk", "proxy"):
        expect(ask(server.url(), mode=mode, **company, **agent()), ALLOWED)
    expect({name for _, _, name in server.took()}, {"agent"})
    refused(ask(server.url(), **company), "SERVICE")
    refused(ask(server.url(), **company, **agent("impostor")), "SERVICE")
    refused(ask(server.url(), **agent()), "SERVICE", "certificate")
    expect(server.took(), [])


def a_proxy():
    proxy = Proxy(credentials="alice:wonder@land")
    url = f"http://{NAME}:8080"
    address = proxy.address("alice:wonder%40land@")
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        for mode in ("sdk", "proxy"):
            expect(ask(url, {variable: address}, mode), ALLOWED)
    requests = proxy.took()
    # The plan is on the connection of the check after it.
    expect((len(requests), proxy.connections), (32, 24))
    for path, headers, _ in requests:
        assert path.startswith(f"{url}/"), path
        expect(headers.get("x-api-key", KEY), KEY)
    for credentials in ("", "alice:wonder@", "mallory:wonder%40land@"):
        assert ask(url, {"HTTP_PROXY": proxy.address(credentials)})[0].startswith("start_plan ")
    expect(proxy.took(), [])
    # It is nobody's for https.
    refused(ask(f"https://{NAME}:8443", {"HTTP_PROXY": address}), "SERVICE")


def a_tunnel():
    server = Server(certificate="server", demands="company")
    proxy = Proxy(behind=server, credentials="alice:wonder")
    url = f"https://{NAME}:8443"
    company = {"ca_certificates": file("company.pem")}
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        expect(ask(url, {variable: proxy.address("alice:wonder@")}, **company, **agent()), ALLOWED)
    for path, headers, name in server.took():
        expect((headers["host"], name, headers.get("proxy-authorization")), (f"{NAME}:8443", "agent", None))
    # The proxy learns whom it is to reach, and nothing else.
    tunnels = proxy.took()
    expect(len(tunnels), 9)
    for path, headers, _ in tunnels:
        expect(path, f"{NAME}:8443")
        expect(set(headers), {"host", "user-agent", "proxy-authorization"})
    for credentials in ("", "alice:wonderful@"):
        refused(ask(url, {"HTTPS_PROXY": proxy.address(credentials)}, **company, **agent()), "SERVICE")
    # What is behind the tunnel must show its certificate, and so must the client.
    refused(ask(url, {"HTTPS_PROXY": proxy.address("alice:wonder@")}, **agent()), "SERVICE", "certificate")
    refused(ask(url, {"HTTPS_PROXY": proxy.address("alice:wonder@")}, **company), "SERVICE")
    expect(server.took(), [])


def a_proxy_with_tls():
    server = Server(certificate="server")
    proxy = Proxy(behind=server, credentials="alice:wonder", certificate="server", demands="company")
    plain, url = f"http://{NAME}:8080", f"https://{NAME}:8443"
    through = {"ALL_PROXY": proxy.address("alice:wonder@")}
    company = {"ca_certificates": file("company.pem")}
    expect(ask(plain, through, **company, **agent()), ALLOWED)
    for path, _, name in proxy.took():
        assert path.startswith(f"{plain}/") and name == "agent", (path, name)
    expect(ask(url, through, **company, **agent()), ALLOWED)
    expect([path for path, _, _ in proxy.took()], [f"{NAME}:8443"] * 3)
    for _, headers, _ in server.took():
        expect((headers["host"], headers.get("proxy-authorization")), (f"{NAME}:8443", None))
    # The proxy must show its certificate, and so must the client.
    for address in (plain, url):
        refused(ask(address, through, **agent()), "SERVICE", "certificate")
        refused(ask(address, through, **company), "SERVICE")
        other_name = {"ALL_PROXY": through["ALL_PROXY"].replace("127.0.0.1", "localhost")}
        refused(ask(address, other_name, **company, **agent()), "SERVICE", "certificate")
    expect(proxy.took() + server.took(), [])


def a_proxy_that_refuses():
    server = Server(certificate="server")
    plain, url = f"http://{NAME}:8080", f"https://{NAME}:8443"
    company = {"ca_certificates": file("company.pem")}
    for tls in ({}, {"certificate": "server"}):
        for status in (0, 403, 407, 502):
            proxy = Proxy(behind=server, refuses=status, **tls)
            through = {"ALL_PROXY": proxy.address("alice:wonder@")}
            said = ["tunnel"] if status else []
            expect(refused(ask(url, through, **company), "SERVICE", "cannot connect", *said), "start_plan")
            expect(len(proxy.took()), 1)
            assert ask(plain, through, **company)[0].startswith("start_plan "), status
            expect(proxy.took(), [])
            proxy.shutdown()
            proxy.server_close()
            for address in (plain, url):
                expect(refused(ask(address, through, **company), "SERVICE", "refused"), "start_plan")
    expect(server.took(), [])


def a_proxy_that_cannot_be_asked():
    server, plain = Server(certificate="server"), Server()
    company = {"ca_certificates": file("company.pem")}
    for scheme in ("socks5", "socks", "ftp"):
        through = {"ALL_PROXY": f"{scheme}://alice:wonder@127.0.0.1:{plain.server_port}"}
        for url in (server.url(), plain.url()):
            refused(ask(url, through, **company), "SERVICE", "cannot connect", "the proxy that the environment names")
            expect(server.took() + plain.took(), [])
            expect(ask(url, {**through, "NO_PROXY": "127.0.0.1"}, **company), ALLOWED)
            expect(len(server.took() + plain.took()), 4)


def no_proxy():
    server, plain = Server(certificate="server"), Server()
    proxy = Proxy(credentials="alice:wonder")
    company = {"ca_certificates": file("company.pem")}
    through = {name: proxy.address("alice:wonder@") for name in ("HTTP_PROXY", "HTTPS_PROXY")}
    for exempt in ("127.0.0.1", "example.com, 127.0.0.1", "127.0.0.0/8", "*", "a.b, *"):
        for variable in ("NO_PROXY", "no_proxy"):
            expect(ask(server.url(), {**through, variable: exempt}, **company), ALLOWED)
            expect(ask(plain.url(), {**through, variable: exempt}), ALLOWED)
    expect(proxy.took(), [])
    refused(ask(f"http://{NAME}:8080", {**through, "NO_PROXY": ".invalid"}), "SERVICE")
    expect(proxy.took(), [])
    for other in ("example.com", "127.0.0.2", "128.0.0.0/8"):
        expect(ask(plain.url(), {**through, "NO_PROXY": other}), ALLOWED)
        expect(len(proxy.took()), 4)


def what_goes_away():
    """It does not end the process, which a SIGPIPE would: a server, and a proxy that a tunnel is through."""
    server, plain = Server(certificate="server"), Server()
    company = {"ca_certificates": file("company.pem")}
    cases = [({}, plain.url()), ({}, server.url())]
    for tls in ({}, {"certificate": "server"}):
        cuts = Proxy(behind=Server(certificate="server"), **tls)
        cuts.behind.longest, cuts.longest_tunnel = 1 << 30, 1 << 20
        cases += [
            ({"HTTP_PROXY": Proxy(**tls).address()}, f"http://{NAME}:8080"),
            ({"HTTPS_PROXY": Proxy(behind=server, **tls).address()}, f"https://{NAME}:8443"),
            ({"HTTPS_PROXY": cuts.address()}, f"https://{NAME}:8443"),
        ]
    for variables, url in cases:
        for _ in range(10):
            lines = ask(url, variables, length=8 << 20, **company)
            expect([line.split()[:2] for line in lines], [["block", "unavailable"]] * 3)


failed = 0
tests = (
    an_added_authority,
    a_file_that_is_none,
    a_client_certificate,
    a_proxy,
    a_tunnel,
    a_proxy_with_tls,
    a_proxy_that_refuses,
    a_proxy_that_cannot_be_asked,
    no_proxy,
    what_goes_away,
)
for test in tests:
    try:
        test()
    except AssertionError as error:
        failed += 1
        print(f"FAIL  {test.__name__}, line {error.__traceback__.tb_next.tb_lineno}: {error}")
print(f"{len(tests) - failed} passed, {failed} failed")
sys.exit(failed > 0)
