package distributed_test

import (
	"errors"
	"flag"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/distributed"
)

// player is a process that plays a part in a program.
type player struct {
	*runner
	index    int
	p        *distributed.Process
	ref      distributed.Ref[any]
	release  chan struct{} // lets it go on that holds
	monitors []distributed.MonitorRef
	notes    []note
	died     int
}

// runner runs a program in a node.
type runner struct {
	node    *distributed.Node
	players []*player
	byPID   map[distributed.PID]int
	now     int
}

var playedReasons = map[string]error{
	"normal": distributed.ErrNormal, "shutdown": distributed.ErrShutdown,
	"boom": errors.New("boom"), "bang": errors.New("bang"),
}

// spelled returns a reason as Erlang spells it.
func spelled(reason error) string {
	if reason == distributed.ErrProcessNotFound {
		return "noproc"
	}
	return fmt.Sprint(reason)
}

func programName(i int) distributed.ProcessID { return distributed.ProcessID(fmt.Sprint("n", i)) }

func (r *runner) spawn(trap bool, opts ...distributed.SpawnOption) {
	p := &player{runner: r, index: len(r.players), died: -1}
	if trap {
		opts = append(opts, distributed.WithTrapExit())
	}
	ref, err := distributed.SpawnHandler[any](r.node, p, opts...)
	if err != nil {
		panic(err)
	}
	p.ref = ref
	r.byPID[ref.PID()] = p.index
	r.players = append(r.players, p)
}

// named returns the process that has a name; -1: none.
func (r *runner) named(i int) int {
	if pid, ok := r.node.Whereis(programName(i)); ok {
		return r.byPID[pid]
	}
	return -1
}

func (r *runner) id(i int) distributed.ProcessID { return r.players[i].ref.PID().ID() }

func (p *player) note(format string, args ...any) {
	p.notes = append(p.notes, note{p.now, fmt.Sprintf(format, args...)})
}

func (p *player) HandleExit(_ *distributed.Process, e distributed.Exit) error {
	p.note("exit:%d:%s", p.byPID[e.From], spelled(e.Reason))
	return nil
}

func (p *player) HandleDown(_ *distributed.Process, d distributed.Down) error {
	index, process := -1, -1
	for i, ref := range p.monitors {
		if ref == d.Monitor {
			index = i
		}
	}
	if d.PID != (distributed.PID{}) {
		process = p.byPID[d.PID]
	}
	p.note("%s", down(index, process, spelled(d.Reason)))
	return nil
}

func (p *player) Handle(self *distributed.Process, m any) error {
	p.p = self
	s, ok := m.(step)
	if !ok {
		p.note("%s", m)
		return nil
	}
	for _, o := range s.ops {
		if err := p.do(o); err != nil || self.Err() != nil {
			return err
		}
	}
	return nil
}

func (p *player) do(o op) error {
	n, self := p.node, p.p
	switch o.name {
	case opSpawn:
		p.spawn(o.a == 1)
	case opSpawnLink:
		p.spawn(o.a == 1, distributed.WithLink(self))
	case opLink:
		self.Link(p.id(o.a))
	case opUnlink:
		self.Unlink(p.id(o.a))
	case opMonitor:
		p.monitors = append(p.monitors, self.Monitor(p.id(o.a)))
	case opMonitorBy:
		p.monitors = append(p.monitors, self.Monitor(programName(o.a)))
	case opDemonitor:
		if o.a < len(p.monitors) {
			self.Demonitor(p.monitors[o.a])
		}
	case opTrap:
		self.TrapExit(o.a == 1)
	case opSend:
		p.players[o.a].ref.Send(fmt.Sprintf("msg:%d:%d", p.index, o.b))
	case opSendBy:
		n.Send(programName(o.a), fmt.Sprintf("msg:%d:%d", p.index, o.b))
	case opExit:
		self.Exit(p.id(o.a), playedReasons[programReasons[o.b]])
	case opKill:
		self.Exit(p.id(o.a), distributed.ErrKilled)
	case opDie:
		return playedReasons[programReasons[o.a]]
	case opRegister:
		if p.named(0) != o.b && p.named(1) != o.b { // in Erlang a process has one name
			n.Register(programName(o.a), p.id(o.b))
		}
	case opUnregister:
		n.Unregister(programName(o.a))
	case opWhereis:
		p.note("is:%d", p.named(o.a))
	case opHold:
		p.release = make(chan struct{})
		select {
		case <-p.release:
		case <-self.Done():
		}
	case opRelease:
		close(p.players[o.a].release)
	}
	return nil
}

// play runs a program and returns what has become of everybody.
func play(t *testing.T, p program) string {
	return playSteps(t, func(r *runner, settled func()) {
		for _, s := range p {
			r.players[s.who].ref.Send(s)
			synctest.Wait()
			settled()
		}
	})
}

// playSteps is play for steps that a function has taken: it calls settled after each.
func playSteps(t *testing.T, run func(r *runner, settled func())) (result string) {
	synctest.Test(t, func(t *testing.T) {
		r := &runner{node: newNode(t), byPID: make(map[distributed.PID]int)}
		reasons := make(map[distributed.ProcessID]error)
		r.node.Monitor(func(e distributed.SystemEvent) {
			if e.Type == distributed.ProcessTerminated {
				reasons[e.ProcessID] = e.Error
			}
		})
		for range programRoots {
			r.spawn(false)
		}
		run(r, func() {
			for _, q := range r.players {
				if _, alive := r.node.Whereis(q.ref.PID().ID()); !alive && q.died < 0 {
					q.died = r.now
				}
			}
			r.now++
		})
		var all []outcome
		for _, q := range r.players {
			o := outcome{q.notes, q.died, "alive"}
			if q.died >= 0 {
				o.reason = spelled(reasons[q.ref.PID().ID()])
			}
			all = append(all, o)
		}
		var names []string
		for i := range programNames {
			names = append(names, fmt.Sprint(r.named(i)))
		}
		result = canonical(all, names)
		r.node.Shutdown(t.Context())
		if n := r.node.Len(); n != 0 {
			t.Errorf("%d processes are left", n)
		}
	})
	return result
}

var (
	programSeed  = flag.Uint64("program", 0, "run this program only")
	programCount = flag.Int("programs", 3000, "how many random programs to run")
)

// seeds are those of the programs to run.
func seeds() (from, to uint64) {
	if *programSeed != 0 {
		return *programSeed, *programSeed + 1
	}
	return 1, uint64(*programCount) + 1
}

func TestRandomProgramsDoWhatTheModelSays(t *testing.T) {
	from, to := seeds()
	for seed := from; seed < to; seed++ {
		p := newProgram(seed)
		if got, want := play(t, p), predict(p); got != want {
			p = shrink(p, func(p program) bool { return play(t, p) != predict(p) })
			t.Fatalf("-program %d, and without what does not matter:\n%vgot\n%swant\n%s", seed, p, play(t, p), predict(p))
		}
	}
}

// predict returns what the model says of a program.
func predict(p program) string {
	m := newModel()
	for _, s := range p {
		m.step(s)
	}
	return m.outcomes()
}

// shrink leaves steps and operations out for as long as the program still fails.
func shrink(p program, fails func(program) bool) program {
	for again := true; again; {
		again = false
		for i := 0; i < len(p); i++ {
			if q := without(p, i); runs(q) && fails(q) {
				p, again = q, true
				i--
			}
		}
	}
	return p
}

func without(p program, i int) program {
	return append(append(program{}, p[:i]...), p[i+1:]...)
}

// runs reports whether a program can be run: whoever does something is there and not held.
func runs(p program) bool {
	m := newModel()
	for _, s := range p {
		if s.who >= len(m.procs) || !m.procs[s.who].alive || m.procs[s.who].held {
			return false
		}
		for _, o := range s.ops {
			switch o.name {
			case opLink, opUnlink, opMonitor, opSend, opExit, opKill:
				if o.a >= len(m.procs) {
					return false
				}
			case opRegister:
				if o.b >= len(m.procs) {
					return false
				}
			case opRelease:
				if o.a >= len(m.procs) || !m.procs[o.a].held {
					return false
				}
			}
		}
		m.step(s)
	}
	return true
}
