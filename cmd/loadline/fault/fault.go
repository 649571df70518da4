// Package fault is how the program fails: with an error for people, what to do about it, and an exit code for scripts.
package fault

import (
	"fmt"
	"io"
)

// Exit codes are documented in the README; scripts depend on them.
const (
	OK          = 0
	Failed      = 1 // a check found a problem, or an error of no other kind
	Usage       = 2
	Config      = 3 // the configuration, or an address or port in it
	Unreachable = 4
	Storage     = 7
	Interrupted = 130
)

// Error ends the program with Code. Err says what is wrong and Hint what to do about it. A Quiet one has been reported
// already.
type Error struct {
	Code  int
	Err   error
	Hint  string
	Quiet bool
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Print writes the error as the program's last words.
func (e *Error) Print(w io.Writer) {
	if e.Quiet {
		return
	}
	fmt.Fprintf(w, "error: %v\n", e.Err)
	if e.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", e.Hint)
	}
}
