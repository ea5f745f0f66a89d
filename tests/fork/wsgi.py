"""The application that gunicorn preloads: by then its master has used the client."""

import os

from agent import Agent

agent = Agent()
agent.verify()


def application(environ, start_response):
    agent.verify()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
