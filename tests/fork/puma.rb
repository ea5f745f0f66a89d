# frozen_string_literal: true

workers 3
threads 4, 4
worker_timeout 120
log_requests false
raise_exception_on_sigterm false
rackup File.join(__dir__, "config.ru")

if ENV["FORK_WORKER"]
  # The first worker loads the application, and the others are forked from it.
  fork_worker
else
  # The master loads the application and has used its client by then. It goes on with that.
  preload_app!
  after_worker_fork do
    PRELOADED.verify
    puts "the master is right"
  end
end
