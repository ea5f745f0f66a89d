# frozen_string_literal: true

# Alice's agent plans four tool calls and asks before each of them.
#
# usage: ruby quickstart.rb [ffi|fiddle]

require_relative "armoriq/#{ARGV.fetch(0, "ffi")}"

$stdout.sync = true

def ask(session, tool, args)
  decision = session.check(tool, args)
  puts format("%-5s  %-28s %s", decision.verdict.upcase, tool, decision.reason)
  decision
end

# One client per process. The API key and the addresses come from the environment.
Armoriq::Client.open do |client|
  # One scope per end user, one session per turn of the agent.
  client.for_user("alice@example.com") do |alice|
    alice.start_session(mode: "sdk") do |session|
      session.start_plan(
        [
          {name: "data-mcp__fetch_sales", args: {quarter: "Q4"}},
          {name: "payments-mcp__pay_vendor", args: {amount: 250}},
          {name: "data-mcp__drop_table", args: {table: "sales"}},
          {name: "mail-mcp__send_report", args: {}}
        ],
        goal: "Pay the vendor and report the sales"
      )

      ask(session, "data-mcp__fetch_sales", {quarter: "Q4"})
      ask(session, "data-mcp__drop_table", {table: "sales"})
      ask(session, "crm-mcp__export_contacts", {})
      payment = ask(session, "payments-mcp__pay_vendor", {amount: 250})
      if payment.held?
        puts "       waiting for approval of #{payment.delegation_id}"
        puts "       #{session.await_approval(payment.delegation_id, timeout_ms: 60_000, interval_ms: 200)}"
      end
    end
  end
end

# A key that is none is refused before anything is sent.
begin
  Armoriq::Client.new(api_key: "not-a-key")
rescue Armoriq::Error => e
  puts "ERROR  #{e.code}: #{e.message}"
end
