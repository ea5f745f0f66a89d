# frozen_string_literal: true

# What a preloading server does, without one: the master uses the client and forks workers with threads, while a thread
# of its own is in calls; then it replaces the workers one after the other.

require "timeout"
require_relative "agent"

WORKERS = 3
PATIENCE = 120

agent = Agent.new
agent.verify

# A worker says that it is right once its threads were; it ends, as any program does, when the master says so.
worker = lambda do
  said, say = IO.pipe
  stay, leave = IO.pipe
  pid = fork do
    said.close
    leave.close
    Array.new(2) { Thread.new { agent.verify } }.each(&:join)
    say.puts "right"
    stay.gets
    agent.verify
  end
  say.close
  stay.close
  [pid, said, leave]
end

right = ->((_, said, _)) { raise "a worker is wrong" unless Timeout.timeout(PATIENCE) { said.gets } == "right\n" }

ended = lambda do |(pid, _, leave)|
  leave.puts "leave"
  _, status = Timeout.timeout(PATIENCE) { Process.wait2(pid) }
  raise "a worker ended with #{status}" unless status.success?
end

stopping = false
beside = Thread.new { agent.verify until stopping }
beside.report_on_exception = false

workers = Array.new(WORKERS) { worker.call }
agent.verify
workers.each(&right)
workers.map! do |old|
  worker.call.tap do |new|
    right.call(new)
    ended.call(old)
  end
end
workers.each(&ended)
stopping = true
beside.value
agent.verify
puts "ok preload #{ENV.fetch("RUBY_WAY", "fiddle")}"
