package distributed

import (
	"fmt"
	"slices"
)

// SpecError is the error of a [SupervisorSpec], or a [ProcessSpec], that makes no sense.
// Nothing was started.
type SpecError struct {
	Supervisor ProcessID
	Process    ProcessID // the child; "" if it is not about one
	Problem    string
}

// Error says where the problem is.
func (e *SpecError) Error() string {
	if e.Process == "" {
		return fmt.Sprintf("distributed: supervisor %q: %s", e.Supervisor, e.Problem)
	}
	return fmt.Sprintf("distributed: supervisor %q: child %q: %s", e.Supervisor, e.Process, e.Problem)
}

// checked returns a copy of a spec with the defaults filled in; to check that again changes
// nothing. template says that it is that of a child in a template, which has no ID.
func (s SupervisorSpec) checked(template bool) (*SupervisorSpec, error) {
	bad := func(format string, args ...any) (*SupervisorSpec, error) {
		return nil, &SpecError{Supervisor: s.ID, Problem: fmt.Sprintf(format, args...)}
	}
	switch {
	case s.ID == "" && !template:
		return bad("no ID")
	case s.ID != "" && checkName(s.ID) != nil:
		return bad("its ID is no name: 1 to 255 bytes, no # in front and no @")
	case s.Strategy > SimpleOneForOne:
		return bad("there is no Strategy %d", s.Strategy)
	case s.AutoShutdown > AllSignificant:
		return bad("there is no AutoShutdown %d", s.AutoShutdown)
	case s.MaxRestarts < NoRestarts:
		return bad("MaxRestarts is %d", s.MaxRestarts)
	case s.RestartPeriod < 0:
		return bad("RestartPeriod is %v", s.RestartPeriod)
	case s.Strategy == SimpleOneForOne && len(s.Processes) > 1:
		return bad("SimpleOneForOne has %d Processes, and one template at most", len(s.Processes))
	}
	if s.MaxRestarts == 0 {
		s.MaxRestarts = defaultRestarts
	}
	if s.RestartPeriod == 0 {
		s.RestartPeriod = defaultRestartPeriod
	}
	if s.Strategy == SimpleOneForOne && len(s.Processes) == 0 {
		s.Processes = []ProcessSpec{{}}
	}
	s.Processes = slices.Clone(s.Processes)
	seen := make(map[ProcessID]bool, len(s.Processes))
	for i, p := range s.Processes {
		c, err := s.child(p, s.Strategy == SimpleOneForOne)
		if err != nil {
			return nil, err
		}
		if seen[c.ID] {
			return nil, &SpecError{s.ID, c.ID, "another one has the same ID"}
		}
		seen[c.ID] = true
		s.Processes[i] = *c
	}
	return &s, nil
}

// child returns a copy of the spec of a child with the defaults filled in.
func (s *SupervisorSpec) child(p ProcessSpec, template bool) (*ProcessSpec, error) {
	if below := p.Supervisor; below != nil && p.ID == "" {
		p.ID = below.ID
	}
	bad := func(format string, args ...any) (*ProcessSpec, error) {
		return nil, &SpecError{s.ID, p.ID, fmt.Sprintf(format, args...)}
	}
	kinds := p.kinds()
	switch {
	case p.ID == "" && !template:
		return bad("a child has no ID")
	case p.ID != "" && template:
		return bad("the template has an ID")
	case p.ID != "" && checkName(p.ID) != nil:
		return bad("its ID is no name: 1 to 255 bytes, no # in front and no @")
	case kinds == 0 && !template:
		return bad("none of Function, Start, Service and Supervisor is set")
	case kinds > 1:
		return bad("more than one of Function, Start, Service and Supervisor is set")
	case p.Restart > Temporary:
		return bad("there is no Restart %d", p.Restart)
	case p.Shutdown < BrutalKill:
		return bad("Shutdown is %v", p.Shutdown)
	case p.Supervisor != nil && p.Shutdown != 0 && p.Shutdown != Infinity:
		return bad("the Shutdown of a supervisor is Infinity")
	case p.Supervisor != nil && len(p.Options) > 0:
		return bad("a supervisor has no Options")
	case p.Significant && p.Restart == Permanent:
		return bad("it is Significant and Permanent: it never ends for good")
	case p.Significant && s.AutoShutdown == NeverShutdown:
		return bad("it is Significant, and its supervisor has no AutoShutdown")
	case p.Backoff.Min < 0 || p.Backoff.Max < 0:
		return bad("Backoff is %v to %v", p.Backoff.Min, p.Backoff.Max)
	case p.Backoff.Max != 0 && p.Backoff.Max < p.Backoff.Min:
		return bad("Backoff is %v, and %v at most", p.Backoff.Min, p.Backoff.Max)
	}
	switch {
	case p.Shutdown != 0:
	case p.Supervisor != nil:
		p.Shutdown = Infinity
	default:
		p.Shutdown = defaultShutdown
	}
	if p.Backoff.Min > 0 && p.Backoff.Max == 0 {
		p.Backoff.Max = max(p.Backoff.Min, defaultMaxBackoff)
	}
	if p.Supervisor != nil {
		if id := p.Supervisor.ID; id != "" && id != p.ID {
			return bad("its Supervisor has another ID, %q", id)
		}
		below := *p.Supervisor
		below.ID = p.ID
		spec, err := below.checked(template)
		if err != nil {
			return nil, err
		}
		p.Supervisor = spec
	}
	p.Options = slices.Clone(p.Options)
	return &p, nil
}

// kinds is how many of the fields are set of which one has to be.
func (p *ProcessSpec) kinds() int {
	n := 0
	for _, set := range [...]bool{p.Function != nil, p.Start != nil, p.Service != nil, p.Supervisor != nil} {
		if set {
			n++
		}
	}
	return n
}

// after returns the spec of a child after a template that has been checked.
func (s *SupervisorSpec) after(template *ProcessSpec, p ProcessSpec) (*ProcessSpec, error) {
	kinds := p.kinds()
	if !p.likeTemplate() {
		return nil, &SpecError{s.ID, p.ID, "only ID, Options and what to start can differ from the template"}
	}
	c := *template
	c.ID = p.ID
	c.Options = slices.Concat(template.Options, p.Options)
	if kinds > 0 {
		c.Function, c.Start, c.Service, c.Supervisor = p.Function, p.Start, p.Service, p.Supervisor
	}
	if c.ID == "" && c.Supervisor != nil {
		c.ID = c.Supervisor.ID
	}
	if c.Supervisor != nil {
		c.Shutdown = Infinity
	} else if template.Supervisor != nil {
		c.Shutdown = defaultShutdown
	}
	if c.kinds() == 0 {
		return nil, &SpecError{s.ID, c.ID, "neither it nor the template has one of Function, Start, Service and Supervisor"}
	}
	return s.child(c, c.ID == "")
}

// likeTemplate reports whether fields are unset that a template decides.
func (p *ProcessSpec) likeTemplate() bool {
	return p.Restart == Permanent && p.Shutdown == 0 && !p.Significant && !p.Anonymous && p.Backoff == Backoff{}
}
