package distributed

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

// describe says what the tree shows of the supervisor. The spec does not change, so that it
// waits for nothing, and nobody: what it names and does not run is shown as not running.
func (h *supervisor) describe() description {
	d := description{what: "supervisor, " + h.spec.Strategy.String(), restarts: h.restarts.Load()}
	if h.spec.Strategy == SimpleOneForOne {
		return d
	}
	for i := range h.spec.Processes {
		if p := &h.spec.Processes[i]; !p.Anonymous && p.Restart != Temporary {
			d.children = append(d.children, childDescription{name: string(p.ID)})
		}
	}
	return d
}
