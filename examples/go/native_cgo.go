//go:build cgo

package main

/*
#cgo pkg-config: armoriq
#include <armoriq.h>
#include <stdlib.h>
*/
import "C"

import "unsafe"

// A handle is an id and no address. cgo knows that C's incomplete types are not on Go's heap, and leaves such a pointer
// alone; in an unsafe.Pointer it would be followed.
type (
	clientHandle  = *C.armoriq_client
	userHandle    = *C.armoriq_user_scope
	sessionHandle = *C.armoriq_session
)

// taken copies a text of the library's, and frees it.
func taken(text *C.char) string {
	defer C.armoriq_string_free(text)
	return C.GoString(text)
}

func freeText(text *C.char) { C.free(unsafe.Pointer(text)) }

func clientNew(options string) (handle clientHandle, status int32, answer string) {
	text := C.CString(options)
	defer freeText(text)
	var out *C.char
	status = int32(C.armoriq_client_new(C.ARMORIQ_ABI_VERSION, text, &handle, &out))
	return handle, status, taken(out)
}

func clientFree(client clientHandle) { C.armoriq_client_free(client) }

func forUser(client clientHandle, email string) (handle userHandle, status int32, answer string) {
	text := C.CString(email)
	defer freeText(text)
	var out *C.char
	status = int32(C.armoriq_for_user(client, text, &handle, &out))
	return handle, status, taken(out)
}

func userFree(user userHandle) { C.armoriq_user_scope_free(user) }

func startSession(user userHandle, options string) (handle sessionHandle, status int32, answer string) {
	text := C.CString(options)
	defer freeText(text)
	var out *C.char
	status = int32(C.armoriq_user_start_session(user, text, &handle, &out))
	return handle, status, taken(out)
}

func sessionFree(session sessionHandle) { C.armoriq_session_free(session) }

func startPlan(session sessionHandle, calls, goal string) (status int32, answer string) {
	callsText, goalText := C.CString(calls), C.CString(goal)
	defer freeText(callsText)
	defer freeText(goalText)
	var out *C.char
	status = int32(C.armoriq_session_start_plan(session, callsText, goalText, &out))
	return status, taken(out)
}

func sessionCheck(session sessionHandle, tool, args string) (verdict, status int32, answer string) {
	toolText, argsText := C.CString(tool), C.CString(args)
	defer freeText(toolText)
	defer freeText(argsText)
	var decided C.armoriq_verdict
	var out *C.char
	status = int32(C.armoriq_session_check(session, toolText, argsText, nil, &decided, &out))
	return int32(decided), status, taken(out)
}

func awaitApproval(session sessionHandle, delegationID, options string) (status int32, answer string) {
	idText, optionsText := C.CString(delegationID), C.CString(options)
	defer freeText(idText)
	defer freeText(optionsText)
	var out *C.char
	status = int32(C.armoriq_session_await_approval(session, idText, optionsText, &out))
	return status, taken(out)
}
