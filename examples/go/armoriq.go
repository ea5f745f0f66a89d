package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

const (
	abiVersion = 0<<16 | 1
	statusOK   = 0
)

// Error is what a function of the library refused or failed with.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// Details has all that is known, the code and the message too.
	Details json.RawMessage `json:"-"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Verdict is what a check decided. Its zero value blocks.
type Verdict int32

const (
	Block Verdict = iota
	Allow
	Hold
)

func (v Verdict) String() string {
	switch v {
	case Allow:
		return "ALLOW"
	case Hold:
		return "HOLD"
	default:
		return "BLOCK"
	}
}

// Decision is the answer to a check. Make the call only if the verdict is Allow.
type Decision struct {
	Verdict      Verdict `json:"-"`
	Reason       string  `json:"reason"`
	Cause        string  `json:"cause"`
	DelegationID string  `json:"delegation_id"`
	ForModel     string  `json:"for_model"`
}

// ToolCall is a call that the agent plans.
type ToolCall struct {
	Name string         `json:"name"`
	Args map[string]any `json:"args"`
}

// Client is to be made once per process and API key. It may be used by many goroutines.
type Client struct{ handle clientHandle }

// NewClient makes a client; options that are not given come from the environment.
func NewClient(options map[string]any) (*Client, error) {
	text, err := encode(options)
	if err != nil {
		return nil, err
	}
	handle, status, answer := clientNew(text)
	if err := check(status, answer); err != nil {
		return nil, err
	}
	return &Client{handle}, nil
}

// Close frees the client. What was made from it goes on working.
func (c *Client) Close() { clientFree(c.handle) }

// ForUser opens the scope of one end user.
func (c *Client) ForUser(email string) (*UserScope, error) {
	if err := whole(email); err != nil {
		return nil, err
	}
	handle, status, answer := forUser(c.handle, email)
	if err := check(status, answer); err != nil {
		return nil, err
	}
	return &UserScope{handle}, nil
}

// UserScope is one end user; everything in it is done in the user's name.
type UserScope struct{ handle userHandle }

// Close frees the scope.
func (u *UserScope) Close() { userFree(u.handle) }

// StartSession starts a session of the user's.
func (u *UserScope) StartSession(options map[string]any) (*Session, error) {
	text, err := encode(options)
	if err != nil {
		return nil, err
	}
	handle, status, answer := startSession(u.handle, text)
	if err := check(status, answer); err != nil {
		return nil, err
	}
	return &Session{handle}, nil
}

// Session is one turn of an agent.
type Session struct{ handle sessionHandle }

// Close frees the session.
func (s *Session) Close() { sessionFree(s.handle) }

// StartPlan declares the calls of this turn.
func (s *Session) StartPlan(calls []ToolCall, goal string) error {
	if err := whole(goal); err != nil {
		return err
	}
	text, err := encode(calls)
	if err != nil {
		return err
	}
	return check(startPlan(s.handle, text, goal))
}

// Check asks whether a call may be made. A refusal is a decision, not an error.
func (s *Session) Check(tool string, args map[string]any) (Decision, error) {
	if err := whole(tool); err != nil {
		return Decision{}, err
	}
	text, err := encode(args)
	if err != nil {
		return Decision{}, err
	}
	verdict, status, answer := sessionCheck(s.handle, tool, text)
	if err := check(status, answer); err != nil {
		return Decision{}, err
	}
	decision := Decision{Verdict: Verdict(verdict)}
	if err := json.Unmarshal([]byte(answer), &decision); err != nil {
		return Decision{}, err
	}
	return decision, nil
}

// AwaitApproval waits for a person's word on a held call: "approved", "rejected", "expired" or "timeout".
func (s *Session) AwaitApproval(delegationID string, options map[string]any) (string, error) {
	if err := whole(delegationID); err != nil {
		return "", err
	}
	text, err := encode(options)
	if err != nil {
		return "", err
	}
	status, answer := awaitApproval(s.handle, delegationID, text)
	if err := check(status, answer); err != nil {
		return "", err
	}
	var approval struct {
		Status string `json:"status"`
	}
	err = json.Unmarshal([]byte(answer), &approval)
	return approval.Status, err
}

// check turns a status and its error object into a Go error.
func check(status int32, answer string) error {
	if status == statusOK {
		return nil
	}
	failure := &Error{Details: json.RawMessage(answer)}
	if err := json.Unmarshal([]byte(answer), failure); err != nil {
		return fmt.Errorf("status %d: %w", status, err)
	}
	return failure
}

// whole refuses a text that a NUL would end in C: the library would only see, and decide about, what stands before it.
func whole(text string) error {
	if strings.Contains(text, "\x00") {
		return errors.New("a text must not hold a NUL")
	}
	return nil
}

// encode writes JSON, and no map at all as {}.
func encode(value any) (string, error) {
	if options, ok := value.(map[string]any); ok && options == nil {
		return "{}", nil
	}
	text, err := json.Marshal(value)
	return string(text), err
}
