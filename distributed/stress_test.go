package distributed_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

var stressTime = flag.Duration("stress", time.Second, "how long each of the stress tests takes")

const (
	stressSlots     = 100 // processes that anything may happen to
	stressObservers = 8   // processes that watch them, and live on
	stressWorkers   = 16
)

// stress is goroutines that do everything to a hundred processes at once.
type stress struct {
	t    *testing.T
	node *distributed.Node

	slots     [stressSlots]atomic.Pointer[stressed]
	observers [stressObservers]*stressed

	accepted, handled, called, answered atomic.Int64
	monitors, downs, demonitored        atomic.Int64
}

// stressed is a process of the stress test.
type stressed struct {
	*stress
	p       *distributed.Process
	ref     distributed.Ref[any]
	open    map[distributed.MonitorRef]bool // the handler's own: monitors whose Down has not come
	trusted bool                            // an observer: it counts
}

type (
	question distributed.From[int]
	watchIt  distributed.ProcessID
)

// forgetOne has a process end one of its monitors.
type forgetOne struct{}

func (s *stressed) Init(p *distributed.Process) error { s.p = p; return nil }

func (s *stressed) Handle(p *distributed.Process, m any) error {
	s.handled.Add(1)
	switch m := m.(type) {
	case question:
		s.answered.Add(1)
		distributed.From[int](m).Reply(1)
	case watchIt:
		s.open[p.Monitor(distributed.ProcessID(m))] = true
		if s.trusted {
			s.monitors.Add(1)
		}
	case forgetOne:
		for ref := range s.open {
			if !p.Demonitor(ref) {
				s.t.Error("Demonitor of an open monitor: its Down has been handled")
			}
			delete(s.open, ref)
			if s.trusted {
				s.demonitored.Add(1)
			}
			break
		}
	case error:
		return m
	case do:
		return m(p)
	}
	return nil
}

func (s *stressed) HandleDown(p *distributed.Process, d distributed.Down) error {
	if !s.open[d.Monitor] {
		s.t.Errorf("a Down that nobody waits for: %+v", d)
	}
	delete(s.open, d.Monitor)
	if s.trusted {
		s.downs.Add(1)
	}
	return nil
}

func (s *stressed) HandleExit(p *distributed.Process, e distributed.Exit) error { return nil }

var stressPolicies = []distributed.SpawnOption{
	distributed.WithMailbox(8, distributed.RejectNew),
	distributed.WithMailbox(8, distributed.DropNewest),
	distributed.WithMailbox(8, distributed.DropOldest),
	distributed.WithMailbox(8, distributed.EndReceiver),
	distributed.WithKeepLatest(8, func(m any) any {
		if n, ok := m.(int); ok {
			return n % 4
		}
		return new(byte) // all else is kept
	}),
	distributed.WithMailbox(0, distributed.RejectNew),
}

// fill puts a new process in the place of one that has ended.
func (s *stress) fill(slot int, gone *stressed, r *rand.Rand) {
	p := &stressed{stress: s, open: make(map[distributed.MonitorRef]bool)}
	opts := []distributed.SpawnOption{stressPolicies[r.IntN(len(stressPolicies))]}
	if r.IntN(3) == 0 {
		opts = append(opts, distributed.WithTrapExit())
	}
	if r.IntN(3) == 0 {
		opts = append(opts, distributed.WithLink(s.at(r).p))
	}
	if r.IntN(4) == 0 {
		opts = append(opts, distributed.WithName(stressName(r)))
	}
	ref, err := distributed.SpawnHandler[any](s.node, p, opts...)
	if err != nil {
		return // the name is taken, or it is linked to one that has ended
	}
	p.ref = ref
	if !s.slots[slot].CompareAndSwap(gone, p) {
		s.node.Kill(ref.PID().ID()) // another was faster
	}
}

func (s *stress) at(r *rand.Rand) *stressed { return s.slots[r.IntN(stressSlots)].Load() }

func stressName(r *rand.Rand) distributed.ProcessID {
	return distributed.ProcessID(fmt.Sprint("name", r.IntN(20)))
}

// sent counts a message if it was taken.
func (s *stress) sent(err error) {
	if err == nil {
		s.accepted.Add(1)
	}
}

// act does one thing.
func (s *stress) act(ctx context.Context, r *rand.Rand, calls bool) {
	n, a, b := s.node, s.at(r), s.at(r)
	switch op := r.IntN(100); {
	case op < 30:
		s.sent(a.ref.Send(r.IntN(100)))
	case op < 36:
		s.sent(n.Send(stressName(r), r.IntN(100)))
	case op < 42:
		short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(200))*time.Microsecond)
		s.sent(a.ref.SendContext(short, r.IntN(100)))
		cancel()
	case op < 50 && calls:
		s.called.Add(1)
		short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(2000))*time.Microsecond)
		distributed.Call(short, a.ref, func(f distributed.From[int]) any { return question(f) })
		cancel()
	case op < 56:
		s.sent(a.ref.Send(watchIt(b.ref.PID().ID())))
	case op < 62:
		s.sent(s.observers[r.IntN(stressObservers)].ref.Send(watchIt(b.ref.PID().ID())))
	case op < 66:
		s.sent(a.ref.Send(forgetOne{}))
	case op < 68:
		s.sent(s.observers[r.IntN(stressObservers)].ref.Send(forgetOne{}))
	case op < 74:
		n.LinkProcesses(a.ref.PID().ID(), b.ref.PID().ID())
	case op < 79:
		n.UnlinkProcesses(a.ref.PID().ID(), b.ref.PID().ID())
	case op < 81:
		trap := r.IntN(2) == 0
		s.sent(a.ref.Send(do(func(p *distributed.Process) error {
			p.TrapExit(trap)
			p.Link(b.ref.PID().ID())
			return nil
		})))
	case op < 83:
		s.sent(a.ref.Send(do(func(p *distributed.Process) error {
			p.Go(func(ctx context.Context) error { runtime.Gosched(); return nil })
			distributed.SendAfter(p, 10*time.Microsecond, distributed.Ref[any]{}, any(1))
			return nil
		})))
	case op < 87:
		n.Register(stressName(r), a.ref.PID().ID())
	case op < 89:
		n.Unregister(stressName(r))
	case op < 92:
		if pid, ok := n.Whereis(stressName(r)); ok {
			n.GetProcessStats(pid.ID())
		}
	case op < 94:
		s.sent(a.ref.Send(errBoom))
	case op < 96:
		n.Exit(a.ref.PID().ID(), []error{errBoom, distributed.ErrNormal, distributed.ErrShutdown}[r.IntN(3)])
	case op < 97:
		n.Kill(a.ref.PID().ID())
	default:
		slot := r.IntN(stressSlots)
		p := s.slots[slot].Load()
		if _, alive := n.Whereis(p.ref.PID().ID()); !alive {
			s.fill(slot, p, r)
		}
	}
}

func (s *stress) run(calls bool) {
	seed := uint64(time.Now().UnixNano())
	s.t.Logf("seed %d", seed)
	for i := range s.slots {
		p := &stressed{stress: s, open: make(map[distributed.MonitorRef]bool)}
		p.ref, _ = distributed.SpawnHandler[any](s.node, p)
		s.slots[i].Store(p)
	}
	for i := range s.observers {
		p := &stressed{stress: s, open: make(map[distributed.MonitorRef]bool), trusted: true}
		p.ref, _ = distributed.SpawnHandler[any](s.node, p, distributed.WithMailbox(1<<30, distributed.RejectNew))
		s.observers[i] = p
	}
	ctx, cancel := context.WithTimeout(context.Background(), *stressTime)
	defer cancel()
	var workers sync.WaitGroup
	for i := range stressWorkers {
		r := rand.New(rand.NewPCG(seed, uint64(i)+1))
		workers.Go(func() {
			for ctx.Err() == nil {
				s.act(ctx, r, calls)
			}
		})
	}
	workers.Wait()
}

// check says whether nothing was lost, and ends the node.
func (s *stress) check(calls bool) {
	t, n := s.t, s.node
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ask := func(f distributed.From[int]) any { return question(f) }
	for i := range s.slots {
		p := s.slots[i].Load()
		s.called.Add(1)
		_, err := distributed.Call(ctx, p.ref, ask)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the process in slot %d sleeps: %v", i, err)
		}
	}
	for i := range s.slots {
		id := s.slots[i].Load().ref.PID().ID()
		if n.Kill(id) == nil {
			n.Wait(ctx, id)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); n.Len() > stressObservers && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n.Len() != stressObservers {
		t.Errorf("%d processes are left, want %d", n.Len(), stressObservers)
	}
	open := 0
	for i := range 2 * stressObservers {
		// The first time round they make the monitors that they have still to make, whose Downs
		// then come behind the question.
		o := s.observers[i%stressObservers]
		count := make(chan int, 1)
		s.sent(o.ref.Send(do(func(*distributed.Process) error { count <- len(o.open); return nil })))
		if n := <-count; i >= stressObservers {
			open += n
		}
	}
	if m, d, f := s.monitors.Load(), s.downs.Load(), s.demonitored.Load(); open != 0 || m != d+f {
		t.Errorf("%d monitors, %d ended by a Down, %d by Demonitor, %d are open", m, d, f, open)
	}
	n.Stop()
	stats := n.Stats()
	if stats.Processes != 0 || stats.Zombies != 0 || stats.Spawned != stats.Ended {
		t.Errorf("at the end: %+v", stats)
	}
	accepted, got := s.accepted.Load(), s.handled.Load()-s.answered.Load()+int64(stats.Dropped)
	if got < accepted || got > accepted+s.called.Load() || !calls && got > accepted+stressSlots {
		t.Errorf("%d messages were taken, %d handled or dropped, and up to %d calls", accepted, got, s.called.Load())
	}
	for i := range 20 {
		if _, taken := n.Whereis(distributed.ProcessID(fmt.Sprint("name", i))); taken {
			t.Errorf("name%d is still taken", i)
		}
	}
	t.Logf("%d messages, %d dropped, %d calls, %d processes (%d crashed), %d monitors of observers",
		accepted, stats.Dropped, s.called.Load(), stats.Spawned, stats.Crashed, s.monitors.Load())
}

func TestStressLosesNothing(t *testing.T) {
	for name, calls := range map[string]bool{"with calls": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			before := heapAfterGC()
			s := &stress{t: t, node: newNode(t, distributed.WithKillGrace(time.Minute))}
			s.run(calls)
			s.check(calls)
			node := s.node
			s = nil
			if after := heapAfterGC(); after > before+1<<20 {
				t.Errorf("%d bytes on the heap, %d before", after, before)
			}
			runtime.KeepAlive(node)
		})
	}
}

// heapAfterGC returns how much memory is in use.
func heapAfterGC() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC() // pools are emptied by the second
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
