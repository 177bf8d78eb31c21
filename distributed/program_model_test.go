package distributed_test

import (
	"fmt"
	"slices"
)

// model runs programs by the rules of Erlang's reference manual, chapter Processes: signals
// arrive at once, as everything is at rest between two steps.
type model struct {
	procs    []*modelProc
	names    [programNames]int // process that has it; -1: none
	now      int               // the step
	monitors int               // ever made
}

type modelProc struct {
	alive    bool
	held     bool // notes nothing until it is released
	busy     bool // notes nothing until its step is over
	trap     bool
	died     int
	reason   string
	links    map[int]bool
	queue    []modelNote // that wait while it is held or busy
	notes    []note
	monitors []int // its own, in the order in which they were made
	watchers []modelWatch
}

// modelNote is something that a process gets. monitor is that of a Down, else -1.
type modelNote struct {
	text    string
	monitor int
}

// modelWatch is a monitor: index is its place among those of the watcher.
type modelWatch struct{ monitor, watcher, index int }

func newModel() *model {
	m := &model{}
	for i := range m.names {
		m.names[i] = -1
	}
	for range programRoots {
		m.spawn(false)
	}
	return m
}

func (m *model) spawn(trap bool) int {
	m.procs = append(m.procs, &modelProc{alive: true, died: -1, reason: "alive", trap: trap, links: make(map[int]bool)})
	return len(m.procs) - 1
}

// someoneFree returns a process that can do something; -1: none can.
func (m *model) someoneFree() int {
	for i, q := range m.procs {
		if q.alive && !q.held {
			return i
		}
	}
	return -1
}

// gets has a process get a message, an exit that it traps, or a Down.
func (m *model) gets(i int, text string, monitor int) {
	p := m.procs[i]
	switch {
	case !p.alive:
	case p.held || p.busy:
		p.queue = append(p.queue, modelNote{text, monitor})
	default:
		p.notes = append(p.notes, note{m.now, text})
	}
}

// exit is an exit signal from one process to another.
func (m *model) exit(from, to int, reason string, linked bool) {
	p := m.procs[to]
	switch {
	case !p.alive:
	case !linked && reason == "kill":
		m.die(to, "killed")
	case p.trap:
		m.gets(to, fmt.Sprintf("exit:%d:%s", from, reason), -1)
	case reason == "normal" && from != to:
	default:
		m.die(to, reason)
	}
}

// die ends a process: names are free before anybody is told.
func (m *model) die(i int, reason string) {
	p := m.procs[i]
	p.alive, p.held, p.died, p.reason, p.queue = false, false, m.now, reason, nil
	for name, q := range m.names {
		if q == i {
			m.names[name] = -1
		}
	}
	for _, q := range m.procs {
		q.watchers = slices.DeleteFunc(q.watchers, func(w modelWatch) bool { return w.watcher == i })
	}
	watchers := p.watchers
	p.watchers = nil
	linked := p.links
	p.links = nil
	for j := range linked {
		delete(m.procs[j].links, i)
	}
	for j := range m.procs { // the order is not defined: see canonical
		if linked[j] {
			m.exit(i, j, reason, true)
		}
	}
	for _, w := range watchers {
		m.gets(w.watcher, down(w.index, i, reason), w.monitor)
	}
}

func down(index, process int, reason string) string {
	return fmt.Sprintf("down:%d:%d:%s", index, process, reason)
}

// step has a process do something.
func (m *model) step(s step) {
	p := m.procs[s.who]
	p.busy = true
	for _, o := range s.ops {
		if p.alive {
			m.op(s.who, o)
		}
	}
	p.busy = false
	m.flush(p)
	m.now++
}

// flush has a process note what it got while it could not.
func (m *model) flush(p *modelProc) {
	if p.held || p.busy {
		return
	}
	for _, n := range p.queue {
		p.notes = append(p.notes, note{m.now, n.text})
	}
	p.queue = nil
}

func (m *model) op(i int, o op) {
	p := m.procs[i]
	switch o.name {
	case opSpawn:
		m.spawn(o.a == 1)
	case opSpawnLink:
		j := m.spawn(o.a == 1)
		p.links[j], m.procs[j].links[i] = true, true
	case opLink:
		if !m.procs[o.a].alive {
			m.exit(o.a, i, "noproc", true)
		} else if o.a != i {
			p.links[o.a], m.procs[o.a].links[i] = true, true
		}
	case opUnlink:
		if m.procs[o.a].alive && o.a != i {
			delete(p.links, o.a)
			delete(m.procs[o.a].links, i)
		}
	case opMonitor, opMonitorBy:
		j := o.a
		if o.name == opMonitorBy {
			j = m.names[o.a]
		}
		ref, index := m.monitors, len(p.monitors)
		m.monitors++
		p.monitors = append(p.monitors, ref)
		if j < 0 || !m.procs[j].alive {
			m.gets(i, down(index, j, "noproc"), ref)
		} else if j != i {
			m.procs[j].watchers = append(m.procs[j].watchers, modelWatch{ref, i, index})
		}
	case opDemonitor:
		if o.a >= len(p.monitors) {
			return
		}
		ref := p.monitors[o.a]
		for _, q := range m.procs {
			q.watchers = slices.DeleteFunc(q.watchers, func(w modelWatch) bool { return w.monitor == ref })
		}
		p.queue = slices.DeleteFunc(p.queue, func(n modelNote) bool { return n.monitor == ref })
	case opTrap:
		p.trap = o.a == 1
	case opSend:
		m.gets(o.a, fmt.Sprintf("msg:%d:%d", i, o.b), -1)
	case opSendBy:
		if j := m.names[o.a]; j >= 0 {
			m.gets(j, fmt.Sprintf("msg:%d:%d", i, o.b), -1)
		}
	case opExit:
		m.exit(i, o.a, programReasons[o.b], false)
	case opKill:
		m.exit(i, o.a, "kill", false)
	case opDie:
		m.die(i, programReasons[o.a])
	case opRegister:
		// Erlang gives a process one name only; what has one already gets no other.
		if m.names[o.a] < 0 && m.procs[o.b].alive && !slices.Contains(m.names[:], o.b) {
			m.names[o.a] = o.b
		}
	case opUnregister:
		m.names[o.a] = -1
	case opWhereis:
		p.notes = append(p.notes, note{m.now, fmt.Sprintf("is:%d", m.names[o.a])})
	case opHold:
		p.held = true
	case opRelease:
		m.procs[o.a].held = false
		m.flush(m.procs[o.a])
	}
}

// outcomes returns what has become of all.
func (m *model) outcomes() string {
	var all []outcome
	for _, p := range m.procs {
		all = append(all, outcome{p.notes, p.died, p.reason})
	}
	var names []string
	for _, j := range m.names {
		names = append(names, fmt.Sprint(j))
	}
	return canonical(all, names)
}
