package distributed

import (
	"maps"
	"slices"
	"sync"
)

// String returns the strategy in words.
func (s Strategy) String() string {
	switch s {
	case OneForOne:
		return "one for one"
	case OneForAll:
		return "one for all"
	case RestForOne:
		return "rest for one"
	case SimpleOneForOne:
		return "simple one for one"
	}
	return "unknown"
}

// awaited are the IDs of children whose start is still to come, for those who must not wait
// for the supervisor.
type awaited struct {
	mu  sync.Mutex // guards ids
	ids map[ProcessID]bool
}

func (a *awaited) set(id ProcessID, restart bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !restart {
		delete(a.ids, id)
		return
	}
	if a.ids == nil {
		a.ids = make(map[ProcessID]bool)
	}
	a.ids[id] = true
}

// all returns a copy.
func (a *awaited) all() map[ProcessID]bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.ids)
}

// describe says what the tree shows of the supervisor. It waits for nothing, and nobody: the
// spec does not change, and what else it looks at is locked for a moment only. What the spec
// names and neither runs nor is about to is shown as not running.
func (h *supervisor) describe() description {
	d := description{what: "supervisor, " + h.spec.Strategy.String(), restarts: h.restarts.Load()}
	restarting := h.awaited.all()
	add := func(id ProcessID) {
		c := childDescription{name: string(id)}
		if restarting[id] {
			c.state = string(ChildRestarting)
			delete(restarting, id)
		}
		d.children = append(d.children, c)
	}
	if !h.simple() {
		for i := range h.spec.Processes {
			if p := &h.spec.Processes[i]; restarting[p.ID] || !p.Anonymous && p.Restart != Temporary {
				add(p.ID)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(restarting)) {
		add(id)
	}
	return d
}
