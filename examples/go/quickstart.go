// Alice's agent plans four tool calls and asks before each of them.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	// One client per process. The API key and the addresses come from the environment.
	client, err := NewClient(nil)
	if err != nil {
		return err
	}
	defer client.Close()
	// One scope per end user, one session per turn of the agent.
	alice, err := client.ForUser("alice@example.com")
	if err != nil {
		return err
	}
	defer alice.Close()
	session, err := alice.StartSession(map[string]any{"mode": "sdk"})
	if err != nil {
		return err
	}
	defer session.Close()

	err = session.StartPlan([]ToolCall{
		{"data-mcp__fetch_sales", map[string]any{"quarter": "Q4"}},
		{"payments-mcp__pay_vendor", map[string]any{"amount": 250}},
		{"data-mcp__drop_table", map[string]any{"table": "sales"}},
		{"mail-mcp__send_report", map[string]any{}},
	}, "Pay the vendor and report the sales")
	if err != nil {
		return err
	}

	var payment Decision
	for _, call := range []ToolCall{
		{"data-mcp__fetch_sales", map[string]any{"quarter": "Q4"}},
		{"data-mcp__drop_table", map[string]any{"table": "sales"}},
		{"crm-mcp__export_contacts", map[string]any{}},
		{"payments-mcp__pay_vendor", map[string]any{"amount": 250}},
	} {
		if payment, err = session.Check(call.Name, call.Args); err != nil {
			return err
		}
		fmt.Printf("%-5s  %-28s %s\n", payment.Verdict, call.Name, payment.Reason)
	}
	if payment.Verdict == Hold {
		fmt.Printf("       waiting for approval of %s\n", payment.DelegationID)
		status, err := session.AwaitApproval(payment.DelegationID, map[string]any{"timeout_ms": 60000, "interval_ms": 200})
		if err != nil {
			return err
		}
		fmt.Printf("       %s\n", status)
	}

	// A key that is none is refused before anything is sent.
	var refused *Error
	if _, err := NewClient(map[string]any{"api_key": "not-a-key"}); errors.As(err, &refused) {
		fmt.Printf("ERROR  %s: %s\n", refused.Code, refused.Message)
	}
	return nil
}
