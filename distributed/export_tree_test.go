package distributed

import "io"

// SpawnUnder is Spawn for a child of a supervisor, a process that traps exits.
func SpawnUnder[M any](n *Node, parent ProcessID, h Handler[M], opts ...SpawnOption) (Ref[M], error) {
	p, err := n.find(parent)
	if err != nil {
		return Ref[M]{}, err
	}
	return SpawnHandler(n, h, append(opts, withParent(p))...)
}

// Plan is a handler that describes itself, as supervisors do.
type Plan struct {
	What     string
	Restarts uint64
	Children []PlanChild
}

// PlanChild is a child of a Plan.
type PlanChild struct {
	Name, State string
	Process     ProcessID
	Restarts    uint64
	node        *Node
}

// Child is a PlanChild that runs.
func Child(n *Node, name string, id ProcessID, restarts uint64) PlanChild {
	return PlanChild{Name: name, Process: id, Restarts: restarts, node: n}
}

func (*Plan) Handle(*Process, any) error      { return nil }
func (*Plan) HandleExit(*Process, Exit) error { return nil }

func (t *Plan) describe() description {
	d := description{what: t.What, restarts: t.Restarts}
	for _, c := range t.Children {
		k := childDescription{name: c.Name, state: c.State, restarts: c.Restarts}
		if c.node != nil {
			k.process, _ = c.node.find(c.Process)
		}
		d.children = append(d.children, k)
	}
	return d
}

// WriteTreeWithin is WriteTree with other limits.
func WriteTreeWithin(n *Node, w io.Writer, children, all int) error {
	return writeTree(w, n.tree(treeLimits{children, all}))
}

// Creation returns what the unique ids of a node have in common.
func Creation(n *Node) string { return n.identity.creation }
