package distributed

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Supervisor starts processes, its children, and starts them again when they end. It is a
// process itself, and what its methods ask for it does one after the other: they wait until
// it is done, or ctx ends, or the supervisor has ended; the error is a *[CallError] then.
// They may be called from any goroutine. A child that calls one of them passes itself as
// ctx, which ends when it is to end itself: otherwise each would wait for the other. In its
// Init it cannot ask the supervisor, which waits for it: that is [ErrCallingSelf].
//
// A Supervisor stays that of its process. If that is the child of another and was started
// again, [LookupSupervisor] finds the new one.
type Supervisor struct {
	ref Ref[order]
	h   *supervisor
}

// order is something that a supervisor is to do. An error ends it.
type order interface{ obey(h *supervisor) error }

// orderFunc is a function as an order.
type orderFunc func(h *supervisor) error

func (f orderFunc) obey(h *supervisor) error { return f(h) }

// Errors of what is asked of a supervisor.
var (
	// ErrIgnore: a [StartFunc], or the Init of a process, has found nothing to start. The
	// supervisor goes on without, and remembers the child unless it is temporary or has a
	// template. It wraps [ErrNormal].
	ErrIgnore = fmt.Errorf("%w: nothing to start", ErrNormal)

	// ErrChildNotFound: the supervisor has no such child.
	ErrChildNotFound = errors.New("distributed: no such child")

	// ErrChildExists: the supervisor has a child with that ID, which may have ended.
	ErrChildExists = errors.New("distributed: the supervisor has a child with that ID")

	// ErrChildRunning: the child runs.
	ErrChildRunning = errors.New("distributed: the child runs")

	// ErrChildRestarting: the supervisor is about to start the child again.
	ErrChildRestarting = errors.New("distributed: the child is about to be started again")

	// ErrFromTemplate: it cannot be done to children of [SimpleOneForOne].
	ErrFromTemplate = errors.New("distributed: the child is from a template")
)

// StartError is the error of a child that could not be started, and of the supervisor above
// it. It wraps Err, and [ErrShutdown]: those started before were stopped.
type StartError struct {
	Supervisor ProcessID
	Child      ProcessID
	Err        error
}

// Error names both.
func (e *StartError) Error() string {
	return fmt.Sprintf("distributed: supervisor %s: start of child %q: %v", e.Supervisor, e.Child, e.Err)
}

// Unwrap returns Err and [ErrShutdown].
func (e *StartError) Unwrap() []error { return []error{e.Err, ErrShutdown} }

// GiveUpError is the reason of a supervisor whose children have ended too often. It wraps
// Reason, and [ErrShutdown], which is what counts for those that are told of it, as in OTP: a
// permanent supervisor is started again by its own.
type GiveUpError struct {
	Supervisor ProcessID
	Child      ProcessID // that has ended last
	Reason     error     // of that end
	Restarts   int       // that were allowed
	Period     time.Duration
}

// Error says all that.
func (e *GiveUpError) Error() string {
	return fmt.Sprintf("distributed: supervisor %s gives up: more than %s within %v, the last of %q: %v",
		e.Supervisor, count(e.Restarts, "restart", "restarts"), e.Period, e.Child, e.Reason)
}

// Unwrap returns Reason and [ErrShutdown].
func (e *GiveUpError) Unwrap() []error { return []error{e.Reason, ErrShutdown} }

// NewSupervisor starts a supervisor on a node, and its children one after the other: it
// returns when all have been started. If one cannot be, those before are stopped again, the
// last first. The error is a *[SpecError], a *[StartError], [ErrNameTaken] or
// [ErrNodeStopped]. The supervisor has none above it: it is a root of the node's, which ends
// when the node stops, or by [Supervisor.Stop]. It panics if the node is nil.
func NewSupervisor(spec SupervisorSpec, node *Node) (*Supervisor, error) {
	if node == nil {
		panic("distributed: NewSupervisor: nil node")
	}
	checked, err := spec.checked(false)
	if err != nil {
		return nil, err
	}
	h := newSupervisor(checked)
	h.root = true
	r, err := SpawnHandler(node, h, ownMailbox, WithTrapExit(), WithName(checked.ID))
	if err != nil {
		return nil, err
	}
	return &Supervisor{r, h}, nil
}

// LookupSupervisor returns the supervisor at an address. The error is [ErrProcessNotFound],
// [ErrNoConnection], or [ErrMessageType] if the process is not a supervisor.
func LookupSupervisor(n *Node, id ProcessID) (*Supervisor, error) {
	r, err := Lookup[order](n, id)
	if err != nil {
		return nil, err
	}
	return &Supervisor{r, r.a.handler.(*supervisor)}, nil
}

// ID returns the address of the supervisor: its name if it has one.
func (s *Supervisor) ID() ProcessID { return s.ref.ID() }

// PID returns the process of the supervisor.
func (s *Supervisor) PID() PID { return s.ref.PID() }

// Stop has the supervisor stop its children, the last first, and end with [ErrShutdown]. It
// waits for that until ctx ends, whose error it then returns. A supervisor above this one
// starts it again if it is permanent: there, use TerminateChild.
func (s *Supervisor) Stop(ctx context.Context) error {
	p := &s.ref.a.Process
	p.dismiss()
	err := p.node.await(ctx, p, 0)
	if _, ended := p.fate(); ended {
		return nil
	}
	return err
}

// Wait waits until the supervisor has ended, and returns the reason, which is never nil:
// compare it with [ErrShutdown] by [errors.Is], or find the *[GiveUpError] in it. If ctx ends
// before, it returns its error.
func (s *Supervisor) Wait(ctx context.Context) error {
	p := &s.ref.a.Process
	return p.node.await(ctx, p, 0)
}

// StartChild starts one more child, and returns its address when it has been started. It is
// the last one from then on.
//
// With [SimpleOneForOne] it is started after the template: the zero ProcessSpec means one
// just like that, and else it can have an ID, what to start (then that of the template does
// not count), and Options, which come on top.
//
// The error is a *[SpecError], [ErrChildExists], or a *[StartError]; then there is no new
// child. If there was nothing to start, see [ErrIgnore], the address is "".
func (s *Supervisor) StartChild(ctx context.Context, spec ProcessSpec) (ProcessID, error) {
	if spec.ID == "" && spec.Options == nil && spec.kinds() == 0 && spec.likeTemplate() {
		return s.startAnother(ctx)
	}
	more := spec // not spec, of which there would always be a copy for the supervisor then
	return ask(ctx, s, func(h *supervisor) (ProcessID, error) { return h.startChild(more) })
}

// startAnother is StartChild for one just like the template, which is most often wanted: what
// it asks with is used again.
func (s *Supervisor) startAnother(ctx context.Context) (ProcessID, error) {
	q, _ := s.h.asked.Get().(*question[ProcessID])
	if q == nil {
		q = &question[ProcessID]{f: (*supervisor).startAnother}
	}
	if err := askWith(ctx, s, q); err != nil {
		return "", err // and the supervisor may have it still
	}
	got := q.got
	q.from, q.got = From[answer[ProcessID]]{}, answer[ProcessID]{}
	s.h.asked.Put(q)
	return got.r, got.err
}

// TerminateChild stops a child: see [ProcessSpec.Shutdown]. The supervisor remembers it
// unless it is temporary or has a template, and does not start it again before RestartChild
// says so, or a sibling's end has both started again. A child is found by its ID, or by the
// unique id of its process. The error is [ErrChildNotFound].
func (s *Supervisor) TerminateChild(ctx context.Context, id ProcessID) error {
	return s.do(ctx, func(h *supervisor) error {
		c := h.find(id)
		if c == nil {
			return ErrChildNotFound
		}
		h.stop(c)
		return nil
	})
}

// RestartChild starts a child that was stopped or has ended, and returns its new address.
// The error is [ErrChildNotFound], [ErrChildRunning], [ErrChildRestarting],
// [ErrFromTemplate] or a *[StartError].
func (s *Supervisor) RestartChild(ctx context.Context, id ProcessID) (ProcessID, error) {
	return ask(ctx, s, func(h *supervisor) (ProcessID, error) {
		c, err := h.findStopped(id)
		if err != nil {
			return "", err
		}
		return h.startNow(c)
	})
}

// DeleteChild has the supervisor forget a child that was stopped or has ended. The error is
// [ErrChildNotFound], [ErrChildRunning], [ErrChildRestarting] or [ErrFromTemplate].
func (s *Supervisor) DeleteChild(ctx context.Context, id ProcessID) error {
	return s.do(ctx, func(h *supervisor) error {
		c, err := h.findStopped(id)
		if err == nil {
			h.children.remove(c)
		}
		return err
	})
}

// ChildSpec returns the spec of a child, with the defaults filled in. The error is
// [ErrChildNotFound].
func (s *Supervisor) ChildSpec(ctx context.Context, id ProcessID) (ProcessSpec, error) {
	return ask(ctx, s, func(h *supervisor) (ProcessSpec, error) {
		c := h.find(id)
		if c == nil {
			return ProcessSpec{}, ErrChildNotFound
		}
		return *c.spec, nil
	})
}

// ChildState is what a child does.
type ChildState string

// The states of children.
const (
	ChildRunning    ChildState = "running"
	ChildRestarting ChildState = "restarting" // it has ended, and its start is still to come
	ChildStopped    ChildState = "stopped"    // it has ended or was stopped, and is remembered
)

// ChildInfo is what is known about a child.
type ChildInfo struct {
	ID           ProcessID // in its spec
	Process      ProcessID // its address; "" unless it runs
	PID          PID       // zero unless it runs
	State        ChildState
	IsSupervisor bool
	Restarts     int // that were wanted because it had ended
}

// WhichChildren returns what is known about all children, in the order of their start.
func (s *Supervisor) WhichChildren(ctx context.Context) ([]ChildInfo, error) {
	return ask(ctx, s, func(h *supervisor) ([]ChildInfo, error) {
		all := make([]ChildInfo, 0, h.children.n)
		for c := h.children.first; c != nil; c = c.next {
			all = append(all, c.info())
		}
		return all, nil
	})
}

// ChildCount is how many children of which sort a supervisor has.
type ChildCount struct {
	Specs       int // all of them
	Running     int
	Restarting  int
	Supervisors int // of Specs
	Workers     int // of Specs: the others
}

// CountChildren counts the children.
func (s *Supervisor) CountChildren(ctx context.Context) (ChildCount, error) {
	return ask(ctx, s, func(h *supervisor) (ChildCount, error) {
		var n ChildCount
		for c := h.children.first; c != nil; c = c.next {
			n.Specs++
			if c.process != nil {
				n.Running++
			}
			if c.restarting {
				n.Restarting++
			}
			if c.spec.Supervisor != nil {
				n.Supervisors++
			}
		}
		n.Workers = n.Specs - n.Supervisors
		return n, nil
	})
}

// do has the supervisor do something.
func (s *Supervisor) do(ctx context.Context, f func(h *supervisor) error) error {
	_, err := ask(ctx, s, func(h *supervisor) (struct{}, error) { return struct{}{}, f(h) })
	return err
}

// question is an order whose result somebody waits for.
type question[R any] struct {
	f    func(h *supervisor) (R, error)
	from From[answer[R]]
	got  answer[R]
}

// answer is what comes of a question.
type answer[R any] struct {
	r   R
	err error
}

func (q *question[R]) obey(h *supervisor) error {
	var a answer[R]
	a.r, a.err = q.f(h)
	q.from.Reply(a)
	return nil
}

// ask has the supervisor do something, and returns what comes of it. There is no timeout but
// that of ctx: how long a child takes to start and to end is the application's choice.
func ask[R any](ctx context.Context, s *Supervisor, f func(h *supervisor) (R, error)) (R, error) {
	q := &question[R]{f: f}
	if err := askWith(ctx, s, q); err != nil {
		var none R
		return none, err
	}
	return q.got.r, q.got.err
}

// askWith is ask with a question. The error is one of having no answer.
func askWith[R any](ctx context.Context, s *Supervisor, q *question[R]) error {
	a := s.ref.a
	if p := Self(ctx); p != nil && s.h.starts(p) {
		return &CallError{Process: a.ID(), Err: ErrCallingSelf}
	}
	w := a.node.waiter(&a.Process)
	q.from = From[answer[R]]{w, w.begin(), &q.got}
	if err := a.call(ctx, w, q, -1); err != nil {
		return &CallError{Process: a.ID(), Err: err}
	}
	return nil
}
