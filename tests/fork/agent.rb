# frozen_string_literal: true

require_relative "../../examples/ruby/armoriq/#{ENV.fetch("RUBY_WAY", "fiddle")}"

# What each process of these tests asks, and what the answers have to be: one client and a session with a plan in each
# mode.
class Agent
  ASKED = {
    # Nobody can be asked for an approval in local mode.
    "data-mcp__fetch_sales" => {amount: 0, local: :allow, sdk: :allow, proxy: :allow},
    "payments-mcp__pay_vendor" => {amount: 250, local: :block, sdk: :hold, proxy: :hold},
    "data-mcp__drop_table" => {amount: 0, local: :block, sdk: :block, proxy: :block}
  }.freeze

  def initialize
    @client = Armoriq::Client.new
    @alice = @client.for_user("alice@example.com")
    @sessions = %i[local sdk proxy].to_h { |mode| [mode, session(mode)] }
  end

  # Checks in all modes: by the session that is there and by a new one.
  def verify
    @sessions.each do |mode, old|
      new = session(mode)
      [old, new].product(ASKED.to_a) do |session, (tool, expected)|
        decision = session.check(tool, {amount: expected[:amount]})
        next if decision.verdict == expected[mode]

        raise "#{mode} #{tool}: #{decision.verdict}, #{decision.reason}"
      end
      new.close
    end
  end

  private

  def session(mode)
    @alice.start_session(mode: mode).tap do |session|
      session.start_plan(ASKED.keys.map { |tool| {name: tool, args: {}} })
    end
  end
end
