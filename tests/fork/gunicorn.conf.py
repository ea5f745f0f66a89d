# The master goes on: it asks again whenever a worker has ended.
def child_exit(server, worker):
    from wsgi import agent

    agent.verify()
    server.log.info("the master is right")


preload_app = True
workers = 3
threads = 4
timeout = 120
accesslog = None
