//go:build !cgo

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/ebitengine/purego"
)

// A handle is an id and no address: as a pointer, Go's garbage collector would follow it.
type (
	clientHandle  uintptr
	userHandle    uintptr
	sessionHandle uintptr
)

// cText is a text of the library's.
type cText *byte

var (
	stringFree func(cText)

	clientNewC     func(abi uint32, options string, out *clientHandle, json *cText) int32
	clientFree     func(clientHandle)
	forUserC       func(client clientHandle, email string, out *userHandle, json *cText) int32
	userFree       func(userHandle)
	startSessionC  func(user userHandle, options string, out *sessionHandle, json *cText) int32
	sessionFree    func(sessionHandle)
	startPlanC     func(session sessionHandle, calls, goal string, json *cText) int32
	sessionCheckC  func(session sessionHandle, tool, args, options string, verdict *int32, json *cText) int32
	awaitApprovalC func(session sessionHandle, delegationID, options string, json *cText) int32
)

func init() {
	path := filepath.Join(os.Getenv("ARMORIQ_LIB_DIR"), "libarmoriq.so")
	library, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for name, function := range map[string]any{
		"armoriq_string_free":            &stringFree,
		"armoriq_client_new":             &clientNewC,
		"armoriq_client_free":            &clientFree,
		"armoriq_for_user":               &forUserC,
		"armoriq_user_scope_free":        &userFree,
		"armoriq_user_start_session":     &startSessionC,
		"armoriq_session_free":           &sessionFree,
		"armoriq_session_start_plan":     &startPlanC,
		"armoriq_session_check":          &sessionCheckC,
		"armoriq_session_await_approval": &awaitApprovalC,
	} {
		purego.RegisterLibFunc(function, library, name)
	}
}

// taken copies a text of the library's, and frees it.
func taken(text cText) string {
	if text == nil {
		return ""
	}
	defer stringFree(text)
	length := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(text), length)) != 0 {
		length++
	}
	return string(unsafe.Slice((*byte)(text), length))
}

func clientNew(options string) (handle clientHandle, status int32, answer string) {
	var out cText
	status = clientNewC(abiVersion, options, &handle, &out)
	return handle, status, taken(out)
}

func forUser(client clientHandle, email string) (handle userHandle, status int32, answer string) {
	var out cText
	status = forUserC(client, email, &handle, &out)
	return handle, status, taken(out)
}

func startSession(user userHandle, options string) (handle sessionHandle, status int32, answer string) {
	var out cText
	status = startSessionC(user, options, &handle, &out)
	return handle, status, taken(out)
}

func startPlan(session sessionHandle, calls, goal string) (status int32, answer string) {
	var out cText
	status = startPlanC(session, calls, goal, &out)
	return status, taken(out)
}

func sessionCheck(session sessionHandle, tool, args string) (verdict, status int32, answer string) {
	var out cText
	status = sessionCheckC(session, tool, args, "{}", &verdict, &out)
	return verdict, status, taken(out)
}

func awaitApproval(session sessionHandle, delegationID, options string) (status int32, answer string) {
	var out cText
	status = awaitApprovalC(session, delegationID, options, &out)
	return status, taken(out)
}
