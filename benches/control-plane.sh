#!/bin/sh
# Writes the configuration of armoriq-local that the measurements run against: agents whose policies have so many
# statements, each with the same four conditions. The call that is measured is one of pay_vendor.
#
#   benches/control-plane.sh STATEMENTS…
set -eu

statement() {
    cat <<END
        - tool: $1
          when:
            - { field: args.amount, op: lte, value: 5000 }
            - { field: args.to, op: regex, value: '^[a-z0-9-]+@example\\.com\$' }
            - { field: args.currency, op: in, value: [EUR, USD, GBP] }
            - { field: args.note, op: startsWith, value: 'invoice ' }
END
}

most=1
cat <<END
organisation: Bench Ltd

api_keys:
  - ak_test_bench_key_00000000000000000

agents:
END
for statements in "$@"; do
    [ "$statements" -le "$most" ] || most=$statements
    cat <<END
  - id: bench-$statements
    policy:
      name: Bench $statements
      default: block
      allow:
END
    statement pay_vendor
    n=1
    while [ "$n" -lt "$statements" ]; do
        statement "tool_$n"
        n=$((n + 1))
    done
done
cat <<END

members:
  - email: alice@example.com
    membership_id: member-alice

mcp_servers:
  - name: pay-mcp
    url: http://127.0.0.1:9001/mcp
    tools:
      - name: pay_vendor
END
n=1
while [ "$n" -lt "$most" ]; do
    echo "      - name: tool_$n"
    n=$((n + 1))
done
