"""Runs a preforking server. A worker answers a request with its process id, once all of its checks were right.

usage: serve.py WORKERS HOW SOCKET COMMAND…

Asks until every worker has answered. Then some are replaced: HOW is `worker`, which ends one of them, or a signal for
the server and how many it replaces, as in SIGUSR1=3. Asks until the new ones have answered, too, and ends the server.
It and its workers must end well, and a master that preloaded the application must have been right to the end.
"""

import concurrent.futures
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 120
# What servers write when something went wrong.
BAD = ("Traceback", "ERROR", "exited with", "exit code", "Error", "Timeout", "timed out", "killed", "SIGKILL", "[BUG]")


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(path):
    """The worker that answered; None where it left before it could."""
    connection = Connection(path)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
    except (ConnectionError, http.client.BadStatusLine, FileNotFoundError):
        return None
    finally:
        connection.close()
    assert answer.status == 200, (answer.status, body)
    return int(body)


def ask_until(server, path, enough):
    """Asks, several requests at a time, until those who answered are enough; returns them."""
    until = time.monotonic() + PATIENCE
    seen = set()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        while not enough(seen):
            assert server.poll() is None, f"the server ended with {server.returncode}"
            assert time.monotonic() < until, f"only {seen} answered"
            answers = set(pool.map(ask, [path] * 8)) - {None}
            if not answers:
                time.sleep(0.1)
            seen |= answers
    return seen


def end_well(server, log, how):
    server.terminate()
    assert server.wait(PATIENCE) == 0, server.returncode
    log.seek(0)
    lines = log.readlines()
    assert not [line for line in lines if any(bad in line for bad in BAD)]
    assert how != "worker" or any("the master is right" in line for line in lines), "the master is silent"


def main(count, how, path, *command):
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            old = ask_until(server, path, lambda seen: len(seen) == int(count))
            if how == "worker":
                os.kill(min(old), signal.SIGTERM)
                replaced = 1
            else:
                name, _, replaced = how.partition("=")
                server.send_signal(getattr(signal, name))
            ask_until(server, path, lambda seen: len(seen - old) == int(replaced))
            end_well(server, log, how)
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read())
            raise
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()


main(*sys.argv[1:])
