# frozen_string_literal: true

require_relative "agent"

PRELOADED = Agent.new
PRELOADED.verify

run lambda { |_env|
  PRELOADED.verify
  [200, {"Content-Type" => "text/plain"}, [Process.pid.to_s]]
}
