package distributed

import (
	"context"
	"math"
	"time"
)

// SupervisorSpec says what a supervisor starts, and what it does when a child ends.
type SupervisorSpec struct {
	// ID is the name that the supervisor is registered under. For one below another it
	// may be left to the [ProcessSpec].
	ID ProcessID

	// Strategy says which children are started again when one has ended. Default:
	// [OneForOne].
	Strategy Strategy

	// MaxRestarts is how many restarts may fall into any time of the length of
	// RestartPeriod. One more, and the supervisor gives up: it stops its children and ends
	// with a *[GiveUpError]. What counts is the event: children that are started again
	// because another has ended do not, and a try to start one that fails does. Zero: 1,
	// as in OTP; see also [NoRestarts] and [UnlimitedRestarts].
	MaxRestarts int

	// RestartPeriod is that time. Zero: 5 s.
	RestartPeriod time.Duration

	// Processes are the children, which are started in this order, each once the one
	// before has been, and stopped in the opposite order. For [SimpleOneForOne] it is the
	// one template, or nothing.
	Processes []ProcessSpec

	// AutoShutdown says whether the supervisor ends when [ProcessSpec.Significant]
	// children have. Default: [NeverShutdown].
	AutoShutdown AutoShutdown
}

// Strategy says which children are started again when one has ended.
type Strategy uint8

// The strategies. Those children that have to be stopped for it are stopped in the
// opposite order of their start.
const (
	// OneForOne: the one that has ended.
	OneForOne Strategy = iota

	// OneForAll: all. The others are stopped before.
	OneForAll

	// RestForOne: the one that has ended and those after it, which are stopped before.
	RestForOne

	// SimpleOneForOne is OneForOne for children of one kind that come and go: all are
	// started by [Supervisor.StartChild] after a template, the supervisor forgets them when
	// they are not to be started again, and when it ends stops them all at the same time.
	SimpleOneForOne
)

// Values of [SupervisorSpec.MaxRestarts].
const (
	NoRestarts        = -1          // the first restart is one too many
	UnlimitedRestarts = math.MaxInt // none ever is
)

// AutoShutdown says whether a supervisor ends, in good order, when a significant child has
// ended by itself and is not started again: a transient one in good order, or a temporary
// one. Children that were stopped, by a sibling's end or by somebody, do not count.
type AutoShutdown uint8

// The choices.
const (
	NeverShutdown  AutoShutdown = iota
	AnySignificant              // it ends when the first one has
	AllSignificant              // it ends when the last one has
)

// ProcessSpec says what one child of a supervisor is. Exactly one of Function, Start,
// Service and Supervisor is set.
type ProcessSpec struct {
	// ID is what the supervisor calls the child, and the name that the process is
	// registered under, so that others find it whichever of its lives it is in. It is
	// empty only in the template of [SimpleOneForOne] and for children after it, which
	// then have a unique id only.
	ID ProcessID

	// Function handles the messages of the process, see [Node.SpawnProcess].
	Function ProcessFunc

	// Start starts a process of any type, see [StartFunc].
	Start StartFunc

	// Service is a goroutine that takes no messages, for example a server. Its ctx ends
	// when it has to return. When it returns the child has ended, with the error as the
	// reason, nil being [ErrNormal].
	Service func(ctx context.Context) error

	// Supervisor is a supervisor below this one.
	Supervisor *SupervisorSpec

	// Restart says after which ends the child is started again. Default: [Permanent].
	Restart Restart

	// Shutdown is how long the child may take to end when it is stopped; then it is
	// killed. Zero: 5 s, and [Infinity] for a supervisor, which cannot have another. See
	// also [BrutalKill].
	Shutdown time.Duration

	// Significant has the supervisor end with the child, see [AutoShutdown].
	Significant bool

	// Anonymous keeps the process from being registered under the ID.
	Anonymous bool

	// Backoff has restarts wait.
	Backoff Backoff

	// Options are more choices for the process. A Supervisor has none.
	Options []SpawnOption
}

// Restart says after which ends a child is started again.
type Restart uint8

// The choices.
const (
	Permanent Restart = iota // after all
	Transient                // unless it has ended in good order: [ErrNormal], [ErrShutdown]
	Temporary                // never; the supervisor forgets it when it has ended
)

// Values of [ProcessSpec.Shutdown].
const (
	BrutalKill time.Duration = -1            // the child is killed at once
	Infinity   time.Duration = math.MaxInt64 // it is waited for, however long it takes
)

// Backoff is the wait before a child is started again after it has ended, or could not be
// started: Min, and twice as long each time, up to Max, and at random up to half of that
// less. Once the child has lived for Max it is Min again. Meanwhile the child is
// [ChildRestarting], and the supervisor does other things; those siblings that are to be
// started with it are stopped. The zero Backoff does not wait, as in OTP.
type Backoff struct {
	Min time.Duration
	Max time.Duration // zero: 30 s, or Min if that is more
}

// StartFunc starts a child and returns its address. It passes opts to [Spawn] or
// [SpawnHandler], once: they make the process the supervisor's child and give it its name.
// [ChildOf] makes a StartFunc. The supervisor waits for it meanwhile, so it must not call
// the supervisor. [ErrIgnore] means that there is nothing to start now; any other error and
// a panic that the start has not succeeded.
type StartFunc func(n *Node, opts ...SpawnOption) (ProcessID, error)

// ChildOf returns a [StartFunc] for processes with messages of type M. newHandler makes the
// Handler of each life of the child, which so begins without anything of the one before.
func ChildOf[M any](newHandler func() Handler[M]) StartFunc {
	return func(n *Node, opts ...SpawnOption) (ProcessID, error) {
		r, err := SpawnHandler(n, newHandler(), opts...)
		return r.ID(), err
	}
}

// Defaults of a supervisor.
const (
	defaultRestarts      = 1
	defaultRestartPeriod = 5 * time.Second
	defaultShutdown      = 5 * time.Second
	defaultMaxBackoff    = 30 * time.Second
)
