package distributed_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A program is a series of steps that processes take, one after the other: everything is at
// rest before the next. The programs are run by the model, by the package and by Erlang.
type program []step

// step is what one process does in one go.
type step struct {
	who int // index of the process
	ops []op
}

// op is one operation. What a and b are depends on it.
type op struct {
	name string
	a, b int
}

// The operations. Processes are numbers in the order in which they were spawned, names and
// reasons are numbers too.
const (
	opSpawn      = "spawn"      // a: traps exits
	opSpawnLink  = "spawn_link" // a: traps exits
	opLink       = "link"       // a: process
	opUnlink     = "unlink"     // a: process
	opMonitor    = "monitor"    // a: process
	opMonitorBy  = "monitor_by" // a: name
	opDemonitor  = "demonitor"  // a: which of its own monitors
	opTrap       = "trap"       // a: 0 or 1
	opSend       = "send"       // a: process, b: number
	opSendBy     = "send_by"    // a: name, b: number
	opExit       = "exit"       // a: process, b: reason
	opKill       = "kill"       // a: process
	opDie        = "die"        // a: reason
	opRegister   = "register"   // a: name, b: process
	opUnregister = "unregister" // a: name
	opWhereis    = "whereis"    // a: name; the answer is noted
	opHold       = "hold"       // handles nothing until
	opRelease    = "release"    // which is somebody else's: a is the process
)

// Reasons by number, as Erlang spells them.
var programReasons = []string{"normal", "shutdown", "boom", "bang", "killed"}

const (
	programRoots = 3 // processes that are there at the beginning
	programNames = 2
	programMost  = 7 // processes at most
)

// outcome is what has become of a process.
type outcome struct {
	notes  []note
	died   int    // in which step; -1: it has not
	reason string // "alive" if it has not ended
}

// note is something that a process got, or saw: msg:SENDER:NUMBER, exit:SENDER:REASON,
// down:MONITOR:PROCESS:REASON, or is:PROCESS.
type note struct {
	step int
	text string
}

// sender returns whose signal it is; -2: nobody's.
func (n note) sender() int {
	f := strings.Split(n.text, ":")
	i := -2
	switch f[0] {
	case "msg", "exit":
		i, _ = strconv.Atoi(f[1])
	case "down":
		i, _ = strconv.Atoi(f[2])
	}
	return i
}

// canonical writes outcomes so that they are equal if the difference is one that Erlang
// does not define: in which order the signals of two processes come to a third, whether
// the exit or the Down of one end is first, and what a process still handled of what came in
// the step in which it ended.
func canonical(all []outcome, names []string) string {
	var b strings.Builder
	for i, o := range all {
		fmt.Fprintf(&b, "%d:", i)
		notes := slices.DeleteFunc(slices.Clone(o.notes), func(n note) bool { return n.step == o.died })
		slices.SortStableFunc(notes, func(a, b note) int {
			return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.sender(), b.sender()))
		})
		for from := 0; from < len(notes); {
			to := from + 1
			if isEnd(notes[from]) {
				same := func(n note) bool { return n.step == notes[from].step && n.sender() == notes[from].sender() }
				for to < len(notes) && isEnd(notes[to]) && same(notes[to]) {
					to++
				}
				slices.SortFunc(notes[from:to], func(a, b note) int { return cmp.Compare(a.text, b.text) })
			}
			from = to
		}
		for _, n := range notes {
			fmt.Fprintf(&b, " %d/%s", n.step, n.text)
		}
		fmt.Fprintf(&b, " | %d/%s\n", o.died, o.reason)
	}
	return b.String() + "names: " + strings.Join(names, " ") + "\n"
}

// isEnd reports whether a note tells of an end.
func isEnd(n note) bool { return n.text[0] == 'e' || n.text[0] == 'd' }

func (p program) String() string {
	var b strings.Builder
	for _, s := range p {
		fmt.Fprintf(&b, "%d:", s.who)
		for _, o := range s.ops {
			fmt.Fprintf(&b, " %s(%d,%d)", o.name, o.a, o.b)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// erlang returns the program as an Erlang term.
func (p program) erlang() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, s := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "{%d,[", s.who)
		for j, o := range s.ops {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "{%s,%d,%d}", o.name, o.a, o.b)
		}
		b.WriteString("]}")
	}
	return b.String() + "]"
}

// newProgram draws a program. The model takes part: only processes that are there do
// something, and what the next operation of a step does must not depend on how fast the
// signals of the one before are.
func newProgram(seed uint64) program {
	r := rand.New(rand.NewPCG(seed, 0))
	m := newModel()
	var p program
	for range 10 + r.IntN(25) {
		s, ok := drawStep(r, m)
		if !ok {
			break
		}
		p = append(p, s)
		m.step(s)
	}
	// At the end everybody goes on who is held.
	for i, q := range m.procs {
		if q.held && q.alive {
			if who := m.someoneFree(); who >= 0 {
				s := step{who, []op{{opRelease, i, 0}}}
				p = append(p, s)
				m.step(s)
			}
		}
	}
	return p
}

func drawStep(r *rand.Rand, m *model) (step, bool) {
	var able []int
	for i, q := range m.procs {
		if q.alive && !q.held {
			able = append(able, i)
		}
	}
	if len(able) == 0 {
		return step{}, false
	}
	s := step{who: able[r.IntN(len(able))]}
	any := func() int { return r.IntN(len(m.procs)) }
	other := func() int { // not itself, of which exits and ends are another matter within a step
		for range 20 {
			if i := any(); i != s.who {
				return i
			}
		}
		return -1
	}
	for range 1 + r.IntN(3) {
		var o op
		last := false // nothing may follow
		switch k := r.IntN(100); {
		case k < 8:
			if len(m.procs) >= programMost {
				continue
			}
			o = op{[]string{opSpawn, opSpawnLink}[r.IntN(2)], r.IntN(2), 0}
			last = true // its number must be known
		case k < 20:
			i := other()
			if i < 0 {
				continue
			}
			o, last = op{opLink, i, 0}, !m.procs[i].alive
		case k < 26:
			o = op{opUnlink, any(), 0}
		case k < 36:
			o = op{opMonitor, any(), 0}
		case k < 39:
			o = op{opMonitorBy, r.IntN(programNames), 0}
		case k < 44:
			o = op{opDemonitor, r.IntN(4), 0}
		case k < 49:
			o = op{opTrap, r.IntN(2), 0}
		case k < 66:
			o = op{opSend, any(), r.IntN(100)}
		case k < 69:
			o = op{opSendBy, r.IntN(programNames), r.IntN(100)}
		case k < 78:
			o, last = op{opExit, any(), r.IntN(len(programReasons) - 1)}, true
		case k < 80:
			o, last = op{opKill, any(), 0}, true
		case k < 84:
			o, last = op{opDie, r.IntN(len(programReasons) - 1), 0}, true
		case k < 88:
			o, last = op{opRegister, r.IntN(programNames), any()}, true
		case k < 90:
			o, last = op{opUnregister, r.IntN(programNames), 0}, true
		case k < 94:
			o = op{opWhereis, r.IntN(programNames), 0}
		case k < 97:
			if len(able) < 2 {
				continue
			}
			o, last = op{opHold, 0, 0}, true
		default:
			held := -1
			for i, q := range m.procs {
				if q.held && q.alive {
					held = i
				}
			}
			if held < 0 {
				continue
			}
			o, last = op{opRelease, held, 0}, true
		}
		s.ops = append(s.ops, o)
		if last {
			break
		}
	}
	if len(s.ops) == 0 {
		s.ops = []op{{opWhereis, 0, 0}}
	}
	return s, true
}
