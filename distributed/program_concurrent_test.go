package distributed_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// A concurrent program is one of which the last steps are taken at the same time. What may
// come of it is a set, which the asynchronous model below explores.
type concurrent struct {
	first program // what traps, and is linked
	par   program
}

func newConcurrent(seed uint64) concurrent {
	r := rand.New(rand.NewPCG(seed, 1))
	var c concurrent
	for i := range programRoots {
		ops := []op{{opTrap, r.IntN(2), 0}}
		if i > 0 && r.IntN(2) == 0 {
			ops = append(ops, op{opLink, r.IntN(i), 0})
		}
		if i > 0 && r.IntN(2) == 0 {
			ops = append(ops, op{opMonitor, r.IntN(i), 0})
		}
		c.first = append(c.first, step{i, ops})
	}
	for i := range programRoots {
		s := step{who: i}
		for range []int{2, 2, 1}[i] {
			j := (i + 1 + r.IntN(programRoots-1)) % programRoots
			switch k := r.IntN(10); {
			case k < 3:
				s.ops = append(s.ops, op{opSend, j, r.IntN(100)})
			case k < 5:
				s.ops = append(s.ops, op{opExit, j, 2})
			case k < 6:
				s.ops = append(s.ops, op{opLink, j, 0})
			case k < 7:
				s.ops = append(s.ops, op{opUnlink, j, 0})
			case k < 8:
				s.ops = append(s.ops, op{opMonitor, j, 0})
			case k < 9:
				s.ops = append(s.ops, op{opKill, j, 0})
			default:
				s.ops = append(s.ops, op{opDie, 3, 0})
			}
			if s.ops[len(s.ops)-1].name == opDie {
				break
			}
		}
		c.par = append(c.par, s)
	}
	return c
}

// A flight is a state of a program whose signals take time: each pair of processes has a
// queue, in which they keep their order. A process that has to end does so a while later.
type flight struct {
	procs  [programRoots]flightProc
	queues [programRoots][programRoots][]flightSignal
}

type flightProc struct {
	life     int // 0: alive, 1: it has to end, 2: it has ended
	trap     bool
	reason   string
	todo     []op
	links    [programRoots]bool
	monitors int // it has made
	watchers []modelWatch
	notes    []note
}

type flightSignal struct {
	kind   string // msg, exit, linked (the exit of a link), link, unlink, monitor, down
	n      int
	reason string
}

func (f flight) clone() flight {
	for i := range f.procs {
		f.procs[i].watchers = slices.Clone(f.procs[i].watchers)
		f.procs[i].notes = slices.Clone(f.procs[i].notes)
		for j := range f.procs {
			f.queues[i][j] = slices.Clone(f.queues[i][j])
		}
	}
	return f
}

const parStep = programRoots // steps before it are those of first

func (f *flight) note(i int, format string, args ...any) {
	f.procs[i].notes = append(f.procs[i].notes, note{parStep, fmt.Sprintf(format, args...)})
}

func (f *flight) send(from, to int, kind string, n int, reason string) {
	f.queues[from][to] = append(f.queues[from][to], flightSignal{kind, n, reason})
}

// next returns the states that may follow.
func (f flight) next() (all []flight) {
	with := func(change func(g *flight)) {
		g := f.clone()
		change(&g)
		all = append(all, g)
	}
	for i, p := range f.procs {
		if p.life == 0 && len(p.todo) > 0 {
			with(func(g *flight) { g.op(i, false) })
			if o := p.todo[0]; (o.name == opLink || o.name == opMonitor) && f.procs[o.a].life == 2 {
				with(func(g *flight) { g.op(i, true) }) // may be told at once
			}
		}
		if p.life == 1 {
			with(func(g *flight) { g.end(i) })
		}
		for j := range f.procs {
			if len(f.queues[i][j]) == 0 {
				continue
			}
			with(func(g *flight) { g.deliver(i, j, false) })
			if k := f.queues[i][j][0].kind; f.procs[j].life == 1 && (k == "link" || k == "monitor") {
				with(func(g *flight) { g.deliver(i, j, true) }) // as if it had ended already
			}
		}
	}
	return all
}

// op has a process do the next it has to do. gone: it sees at once that the other has ended.
func (f *flight) op(i int, gone bool) {
	p := &f.procs[i]
	o := p.todo[0]
	p.todo = p.todo[1:]
	switch o.name {
	case opSend:
		f.send(i, o.a, "msg", o.b, "")
	case opExit:
		f.send(i, o.a, "exit", 0, programReasons[o.b])
	case opKill:
		f.send(i, o.a, "exit", 0, "kill")
	case opLink:
		if p.links[o.a] {
			break
		}
		p.links[o.a] = true
		if gone {
			f.exit(o.a, i, flightSignal{"linked", 0, "noproc"})
			break
		}
		f.send(i, o.a, "link", 0, "")
	case opUnlink:
		p.links[o.a] = false
		f.send(i, o.a, "unlink", 0, "")
	case opMonitor:
		p.monitors++
		if gone {
			f.note(i, "%s", down(p.monitors-1, o.a, "noproc"))
			break
		}
		f.send(i, o.a, "monitor", p.monitors-1, "")
	case opDie:
		p.life, p.reason = 1, programReasons[o.a]
	}
}

func (f *flight) deliver(i, j int, late bool) {
	s := f.queues[i][j][0]
	f.queues[i][j] = f.queues[i][j][1:]
	q := &f.procs[j]
	gone := q.life == 2 || late
	switch {
	case s.kind == "link" && gone:
		f.send(j, i, "linked", 0, "noproc")
	case s.kind == "monitor" && gone:
		f.send(j, i, "down", s.n, "noproc")
	case q.life == 2:
	case s.kind == "link":
		q.links[i] = true
	case s.kind == "unlink":
		q.links[i] = false
	case s.kind == "monitor":
		q.watchers = append(q.watchers, modelWatch{0, i, s.n})
	case q.life == 1:
	case s.kind == "msg":
		f.note(j, "msg:%d:%d", i, s.n)
	case s.kind == "down":
		f.note(j, "%s", down(s.n, i, s.reason))
	default:
		f.exit(i, j, s)
	}
}

// exit is the receipt of an exit signal.
func (f *flight) exit(i, j int, s flightSignal) {
	q := &f.procs[j]
	if s.kind == "linked" {
		if !q.links[i] {
			return
		}
		q.links[i] = false
	}
	switch {
	case s.kind == "exit" && s.reason == "kill":
		q.life, q.reason = 1, "killed"
	case q.trap:
		f.note(j, "exit:%d:%s", i, s.reason)
	case s.reason != "normal":
		q.life, q.reason = 1, s.reason
	}
}

func (f *flight) end(i int) {
	p := &f.procs[i]
	p.life = 2
	for j, linked := range p.links {
		if linked {
			f.send(i, j, "linked", 0, p.reason)
		}
	}
	for _, w := range p.watchers {
		f.send(i, w.watcher, "down", w.index, p.reason)
	}
	p.links, p.watchers = [programRoots]bool{}, nil
}

// allowed returns all that may come of a program.
func (c concurrent) allowed() map[string]bool {
	m := newModel()
	for _, s := range c.first {
		m.step(s)
	}
	var start flight
	for i, q := range m.procs {
		p := &start.procs[i]
		p.trap, p.todo, p.watchers, p.monitors = q.trap, c.par[i].ops, q.watchers, len(q.monitors)
		for j := range q.links {
			p.links[j] = true
		}
	}
	outcomes, seen := make(map[string]bool), make(map[string]bool)
	open := []flight{start}
	for len(open) > 0 {
		f := open[len(open)-1]
		open = open[:len(open)-1]
		if key := fmt.Sprint(f); seen[key] {
			continue
		} else {
			seen[key] = true
		}
		next := f.next()
		if len(next) == 0 {
			outcomes[f.outcome()] = true
		}
		open = append(open, next...)
	}
	return outcomes
}

func (f flight) outcome() string {
	var all []outcome
	for _, p := range f.procs {
		o := outcome{p.notes, -1, "alive"}
		if p.life == 2 {
			o.died, o.reason = parStep, p.reason
		}
		all = append(all, o)
	}
	return canonical(all, slices.Repeat([]string{"-1"}, programNames))
}

// playAtOnce runs a concurrent program.
func playAtOnce(t *testing.T, c concurrent) string {
	return playSteps(t, func(r *runner, settle func()) {
		for _, s := range c.first {
			r.players[s.who].ref.Send(s)
			synctest.Wait()
			settle()
		}
		for _, s := range c.par {
			r.players[s.who].ref.Send(s)
		}
		synctest.Wait()
		settle()
	})
}

func (c concurrent) String() string { return c.first.String() + "at once:\n" + c.par.String() }

func TestConcurrentProgramsDoWhatIsAllowed(t *testing.T) {
	from, to := seeds()
	to = min(to, from+150)
	several, rare := 0, 0
	for seed := from; seed < to; seed++ {
		c := newConcurrent(seed)
		allowed := c.allowed()
		got := make(map[string]bool)
		for range 30 {
			o := playAtOnce(t, c)
			if !allowed[o] {
				t.Fatalf("-program %d:\n%vgot\n%snot one of\n%s", seed, c, o, listed(allowed))
			}
			got[o] = true
		}
		if len(allowed) > 1 {
			several++
		}
		if len(got) > 1 {
			rare++
		}
	}
	t.Logf("%d programs may end in several ways, %d did", several, rare)
}

func listed(outcomes map[string]bool) string {
	var all []string
	for o := range outcomes {
		all = append(all, o)
	}
	slices.Sort(all)
	return strings.Join(all, "or\n")
}

func TestConcurrentProgramsAreAsFreeAsInErlang(t *testing.T) {
	from, to := seeds()
	to = min(to, from+150)
	var input strings.Builder
	for seed := from; seed < to; seed++ {
		c := newConcurrent(seed)
		first, par := c.first.erlang(), c.par.erlang()
		fmt.Fprintf(&input, "{%d,%d,%d,%s}.\n", seed, programRoots, programNames,
			strings.TrimSuffix(first, "]")+",{par,"+par+"}]")
	}
	for seed, o := range playErlang(t, input.String()) {
		c := newConcurrent(seed)
		if allowed := c.allowed(); !allowed[o] {
			t.Errorf("-program %d:\n%vErlang\n%snot one of\n%s", seed, c, o, listed(allowed))
		}
	}
}
