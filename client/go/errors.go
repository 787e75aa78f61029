package livehandle

import (
	"errors"
	"fmt"
	"io/fs"
)

func newError(name ErrorName, format string, args ...any) *Error {
	return &Error{Name: name, Code: name.Code(), Message: fmt.Sprintf(format, args...), Retryable: name.Retryable()}
}

func unreachable(format string, args ...any) *Error {
	return newError(ErrDaemonUnreachable, format, args...)
}

// noDaemon is the error of a socket that takes no connection.
func noDaemon(why error) *Error {
	advice := "start one with `livehandled`, or without a key with `livehandled --emulator`"
	if errors.Is(why, fs.ErrPermission) {
		advice = "it belongs to another user, give a socket of yours or ask for access"
	}
	return unreachable("No daemon answers (%v): %s.", why, advice)
}

func silent(path string) *Error {
	return unreachable("The daemon at %s did not answer within %v: see its log.", path, greetingTime)
}

func gone(path string) *Error {
	return unreachable("The daemon at %s closed the connection: see its log.", path)
}

func stranger(path string) *Error {
	return unreachable("What answers at %s is not livehandled: give the daemon's own socket.", path)
}

func closed() *Error {
	return unreachable("This client is closed: open another one.")
}
