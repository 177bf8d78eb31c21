package distributed

import (
	"errors"
	"fmt"
)

// Reasons for which a process ends. A handler ends its process by returning one, or any
// other error, which then is the reason. They are compared with [errors.Is].
var (
	// ErrNormal: the process has done what it was there for. It is the one reason that
	// does nothing to the processes that are linked to it.
	ErrNormal = errors.New("normal")

	// ErrShutdown: somebody has ended it in good order, for example its supervisor. An
	// error that wraps it says why, and counts as good order too.
	ErrShutdown = errors.New("shutdown")

	// ErrKilled: it was killed, see [Node.Kill].
	ErrKilled = errors.New("killed")

	// ErrProcessNotFound: there is no such process. It is also the reason that a link and
	// a monitor tell of a process that has ended before.
	ErrProcessNotFound = errors.New("distributed: no such process")

	// ErrNoConnection: the process is on a node that this one is not connected to.
	ErrNoConnection = errors.New("distributed: no connection to the node")
)

// Errors of what processes and others ask of a node.
var (
	// ErrMailboxFull: as many messages wait for the process as may, see [WithMailbox].
	ErrMailboxFull = errors.New("distributed: mailbox full")

	// ErrNodeStopped: the node starts no processes any more.
	ErrNodeStopped = errors.New("distributed: node stopped")

	// ErrNameTaken: another process has the name.
	ErrNameTaken = errors.New("distributed: name taken")

	// ErrBadName: a name is empty, too long, begins with # or contains an @.
	ErrBadName = errors.New("distributed: a name has 1 to 255 bytes, no # in front and no @")

	// ErrNotMember: the process is not in the group.
	ErrNotMember = errors.New("distributed: not a member of the group")

	// ErrMessageType: the process takes messages of another type.
	ErrMessageType = errors.New("distributed: the process takes messages of another type")

	// ErrCallingSelf: a process has called itself, and would wait for itself.
	ErrCallingSelf = errors.New("distributed: process calls itself")

	// ErrTimeout: there was no reply in time, see [WithCallTimeout].
	ErrTimeout error = timeoutError{}
)

// timeoutError is the type of ErrTimeout.
type timeoutError struct{}

func (timeoutError) Error() string   { return "distributed: no reply in time" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// PanicError is the reason of a process whose handler has panicked, or has ended its
// goroutine by [runtime.Goexit].
type PanicError struct {
	Value any    // what panic was called with; nil: Goexit
	Stack []byte // of the goroutine
}

// Error returns the value, without the stack.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "goroutine ended by runtime.Goexit"
	}
	return fmt.Sprintf("panic: %v", e.Value)
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// CallError is the error of a call that got no reply. It wraps what has gone wrong: the
// reason of the process that was called if that has ended, [ErrTimeout], the error of
// the context, or why the message was not taken.
type CallError struct {
	Process ProcessID // that was called
	Err     error
}

// Error names the process.
func (e *CallError) Error() string { return fmt.Sprintf("distributed: call %s: %v", e.Process, e.Err) }

// Unwrap returns Err.
func (e *CallError) Unwrap() error { return e.Err }

// ordered reports whether a reason is an end in good order.
func ordered(reason error) bool {
	switch reason {
	case ErrNormal, ErrShutdown:
		return true
	case ErrKilled:
		return false
	}
	return errors.Is(reason, ErrNormal) || errors.Is(reason, ErrShutdown)
}

// endsAs reports whether a reason is another one to those who act on it. How the child of a
// supervisor has ended does not say how the supervisor has, which was in good order.
func endsAs(reason, other error) bool {
	switch reason {
	case ErrNormal, ErrShutdown, ErrKilled: // as most often, and those are nothing else
		return reason == other
	}
	var gaveUp *GiveUpError
	var notStarted *StartError
	if errors.As(reason, &gaveUp) || errors.As(reason, &notStarted) {
		return other == ErrShutdown
	}
	return errors.Is(reason, other)
}

// Down tells a process that has a monitor that the process it watches has ended.
// A [HandleDown] gets it, or a Handle that takes any message.
type Down struct {
	Monitor MonitorRef // that Monitor returned
	Process ProcessID  // as it was named to Monitor
	PID     PID        // of the process; zero if there was none of that name, or the node is another
	Reason  error
}

// Exit tells a process that traps exits that one it is linked to has ended, or that it was
// asked to exit. An [ExitHandler] gets it, or a Handle that takes any message.
type Exit struct {
	From   PID // the process that has ended, or that asks; zero: not a process
	Reason error
}
