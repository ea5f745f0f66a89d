# frozen_string_literal: true

# One thread and its fibers: two hundred checks at once, a wait for an approval, and a call that is given up.
#
# Prints `still ticking` while it waits for the approval: other threads go on.
#
# usage: ruby concurrent_checks.rb [ffi|fiddle]

require_relative "armoriq/#{ARGV.fetch(0, "ffi")}"
require_relative "armoriq/calls"

$stdout.sync = true

TOOLS = ["data-mcp__fetch_sales", "data-mcp__drop_table"].freeze
PAYMENT = "payments-mcp__pay_vendor"

# Stands for all else that the program does meanwhile.
def tick
  Thread.new do
    5.times { sleep 0.01 }
    puts "still ticking"
  end
end

def many_checks(calls, session)
  count = Hash.new(0)
  200.times do |n|
    tool = TOOLS[n % 2]
    calls.start do
      decision = calls.check(session, tool, {n: n})
      # A service that cannot answer such a burst in time blocks the rest of it, and the cause says so.
      count[[tool, decision.details[:cause] == "unavailable" ? :unanswered : decision.verdict]] += 1
    end
  end
  puts "#{calls.in_flight} calls in flight"
  calls.run
  count.sort.each { |(tool, outcome), times| puts "#{tool} #{outcome.upcase}: #{times}" }
end

def hold(calls, session, amount)
  payment = calls.run { calls.check(session, PAYMENT, {amount: amount}) }
  puts "#{PAYMENT} #{payment.verdict.upcase}"
  payment.delegation_id
end

Armoriq::Client.open do |client|
  client.for_user("alice@example.com") do |alice|
    alice.start_session(mode: "sdk") do |session|
      Armoriq::Calls.open do |calls|
        plan = [*TOOLS, PAYMENT].map { |name| {name: name, args: {}} }
        calls.run { calls.start_plan(session, plan, goal: "A busy day") }
        many_checks(calls, session)

        id = hold(calls, session, 250)
        tick
        puts calls.run { calls.await_approval(session, id, timeout_ms: 60_000, interval_ms: 200) }

        # Nobody approves this one.
        id = hold(calls, session, 500)
        waiting = calls.start do
          calls.await_approval(session, id, timeout_ms: 60_000)
        rescue Armoriq::Error => e
          puts e.code == "ARMORIQ_ERR_CANCELLED" ? "given up" : e.code
        end
        calls.cancel(waiting)
        calls.run
        puts "#{calls.in_flight} calls in flight"
      end
    end
  end
end
