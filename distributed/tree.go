package distributed

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"time"
)

// describer is a handler that knows more about its process than others can: that of a
// supervisor. Its describe is called by any goroutine, at any time, with no lock held; it
// must not wait for the process.
type describer interface {
	describe() description
}

// description is what a describer says.
type description struct {
	what     string             // in a few words, like "supervisor, one for one"
	restarts uint64             // of children, ever
	children []childDescription // in the order of their start, perhaps not all; who gets it may change it
}

// childDescription is what a supervisor knows of a child. A supervisor that can tell no
// more than what it was given leaves the process to be found out: the child is the one that
// is registered under its name.
type childDescription struct {
	name     string
	process  *Process // nil: there is none at the moment
	state    string   // what it is then, like "restarting"
	restarts uint64   // ever
}

// treeLimits bound what is shown of a node. What is left out is counted.
type treeLimits struct {
	children int // of one process
	all      int // lines
}

// tree is what is shown of a node, at one moment or nearly so.
type tree struct {
	Node    string  `json:"node"`
	Uptime  float64 `json:"uptime"` // seconds
	Totals  totals  `json:"totals"`
	Stats   vars    `json:"stats"`
	Trees   branch  `json:"trees"` // processes without a supervisor that have children
	Others  branch  `json:"others"`
	Longest []queue `json:"longest,omitempty"`
}

// totals are counts of processes.
type totals struct {
	Processes int `json:"processes"`
	Running   int `json:"running"`
	Waiting   int `json:"waiting"` // messages
}

func (t *totals) add(i *treeItem) {
	t.Processes++
	t.Waiting += int(i.waiting)
	if i.state == running {
		t.Running++
	}
}

// queue is a process with messages that wait.
type queue struct {
	ID      ProcessID `json:"id"`
	Waiting int       `json:"waiting"`
}

// branch are processes with the same parent.
type branch struct {
	Shown []*treeNode `json:"shown,omitempty"`
	More  *totals     `json:"more,omitempty"` // those that are not shown
}

// treeNode is one process that is shown, or one that a supervisor has none of.
type treeNode struct {
	ID        ProcessID    `json:"id,omitempty"`   // "": there is no process
	Name      string       `json:"name,omitempty"` // that the supervisor gives it, if it is another
	What      string       `json:"what,omitempty"` // what a describer says, or else its handler
	State     ProcessState `json:"state"`
	Waiting   int          `json:"waiting,omitempty"`
	Handled   uint64       `json:"handled,omitempty"`
	Errors    uint32       `json:"errors,omitempty"`
	BusyFor   float64      `json:"busyFor,omitempty"`   // seconds: ProcessInfo.BusyFor
	Restarted uint64       `json:"restarted,omitempty"` // times
	Restarts  uint64       `json:"restarts,omitempty"`  // of children
	Children  *branch      `json:"children,omitempty"`  // nil: it has none

	item *treeItem
	spec int // place among the children that its supervisor lists
}

// treeItem is a process that there was.
type treeItem struct {
	p       *Process
	parent  *Process
	waiting int32
	state   state
	parents bool // it has children, or could
}

// before is the order in which processes are shown if there are too many: those that have
// children are what a tree is made of.
func (i *treeItem) before(j *treeItem) bool {
	if i.parents != j.parents {
		return i.parents
	}
	return i.p.serial < j.p.serial
}

// family are the children of one process. It is a heap of those that are shown, the last
// of them in front.
type family struct {
	shown []*treeItem
	more  totals
}

func (f *family) Len() int           { return len(f.shown) }
func (f *family) Less(i, j int) bool { return f.shown[j].before(f.shown[i]) }
func (f *family) Swap(i, j int)      { f.shown[i], f.shown[j] = f.shown[j], f.shown[i] }
func (f *family) Push(x any)         { f.shown = append(f.shown, x.(*treeItem)) }
func (f *family) Pop() any           { panic("BUG: nothing is taken out") }

// add adds one of the family, of whom so many are shown at most.
func (f *family) add(i *treeItem, most int) {
	if len(f.shown) < most {
		heap.Push(f, i)
		return
	}
	if i.before(f.shown[0]) {
		i, f.shown[0] = f.shown[0], i
		heap.Fix(f, 0)
	}
	f.more.add(i)
}

// tree looks at all processes.
func (n *Node) tree(limits treeLimits) *tree {
	t := &tree{Node: n.identity.name, Uptime: time.Since(n.start).Seconds(), Stats: n.vars()}
	items := n.treeItems(&t.Totals)
	t.Longest = longestOf(items)
	parents := make(map[*Process]bool) // whether it is there
	for i := range items {
		if q := items[i].parent; q != nil {
			if _, ok := parents[q]; !ok {
				parents[q] = q.alive()
			}
		}
	}
	families := make(map[*Process]*family)
	roots, others := new(family), new(family)
	for i := range items {
		item := &items[i]
		_, ok := item.p.body.handlerOf().(describer)
		item.parents = ok || parents[item.p]
		f := others
		switch {
		case parents[item.parent]:
			if f = families[item.parent]; f == nil {
				f = new(family)
				families[item.parent] = f
			}
		case item.parents:
			f = roots
		}
		f.add(item, limits.children)
	}
	left := limits.all
	t.Trees = n.grow(roots, families, &left, limits.children)
	t.Others = n.grow(others, nil, &left, limits.children)
	return t
}

// treeItems returns all processes that there are. Their parents, which are older, are
// among them or have ended.
func (n *Node) treeItems(t *totals) []treeItem {
	latest := n.serial.Load()
	items := make([]treeItem, 0, n.Len())
	var some []*Process
	for i := range n.registry.serials {
		some = n.registry.shard(i, some[:0])
		for _, p := range some {
			if p.serial > latest {
				continue
			}
			item := treeItem{p: p}
			p.mu.Lock()
			item.state, item.waiting = p.state, int32(p.body.waiting())
			item.parent = p.parent()
			p.mu.Unlock()
			if item.state != dead {
				items = append(items, item)
				t.add(&item)
			}
		}
	}
	return items
}

// longestOf returns the processes for which most messages wait, at most 5.
func longestOf(items []treeItem) []queue {
	var top longest
	for _, i := range items {
		top.offer(queued{i.p, int(i.waiting)}, 5)
	}
	queues := make([]queue, len(top))
	for i, q := range top.sorted() {
		queues[i] = queue{q.p.address(), q.waiting}
	}
	return queues
}

// alive reports whether the process has not ended.
func (p *Process) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state != dead
}

// grow returns a family and everybody below it, as far as there is room: level by level,
// so that what is near the root is shown first.
func (n *Node) grow(f *family, families map[*Process]*family, left *int, most int) branch {
	root := n.branch(f, nil, left, most)
	for level := root.Shown; len(level) > 0; {
		var next []*treeNode
		for _, node := range level {
			if node.item == nil || !node.item.parents {
				continue
			}
			d := describe(node.item.p)
			if d.what != "" {
				node.What = d.what
			}
			node.Restarts = d.restarts
			f := families[node.item.p]
			if f == nil {
				f = new(family)
			}
			n.findChildren(node.item.p, d.children)
			b := n.branch(f, d.children, left, most)
			node.Children = &b
			next = append(next, b.Shown...)
		}
		level = next
	}
	return root
}

// findChildren finds out what a supervisor has left open.
func (n *Node) findChildren(supervisor *Process, all []childDescription) {
	for i := range all {
		c := &all[i]
		if c.process != nil {
			continue
		}
		if c.state == "" {
			c.state = "not running"
		}
		if p := n.registry.byName(ProcessID(c.name)); p != nil && p.isChildOf(supervisor) {
			c.process = p
		}
	}
}

func (p *Process) isChildOf(supervisor *Process) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.parent() == supervisor
}

func describe(p *Process) description {
	if d, ok := p.body.handlerOf().(describer); ok {
		return d.describe()
	}
	return description{}
}

// branch returns the nodes of a family, of which the supervisor says what it knows.
func (n *Node) branch(f *family, known []childDescription, left *int, most int) branch {
	var b branch
	places := make(map[*Process]int, len(known))
	for i, c := range known {
		if c.process != nil {
			places[c.process] = i
		} else if len(b.Shown) < most && *left > 0 {
			*left--
			b.Shown = append(b.Shown, &treeNode{Name: c.name, State: ProcessState(c.state), Restarted: c.restarts, spec: i})
		}
	}
	more := f.more
	slices.SortFunc(f.shown, func(a, b *treeItem) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	for _, item := range f.shown {
		if *left <= 0 {
			more.add(item)
			continue
		}
		*left--
		node := n.look(item)
		if i, ok := places[item.p]; ok {
			node.spec = i
			node.Restarted = known[i].restarts
			if known[i].name != string(node.ID) {
				node.Name = known[i].name
			}
		}
		b.Shown = append(b.Shown, node)
	}
	slices.SortFunc(b.Shown, func(a, b *treeNode) int {
		return cmp.Or(cmp.Compare(a.spec, b.spec), cmp.Compare(a.serial(), b.serial()))
	})
	if more.Processes > 0 {
		b.More = &more
	}
	return b
}

func (t *treeNode) serial() uint64 {
	if t.item == nil {
		return 0
	}
	return t.item.p.serial
}

// look returns what is shown of a process.
func (n *Node) look(item *treeItem) *treeNode {
	p, now := item.p, n.now()
	t := &treeNode{
		ID:      p.address(),
		What:    handlerName(p.body.handlerOf()),
		State:   item.state.public(),
		Waiting: int(item.waiting),
		item:    item,
		spec:    math.MaxInt,
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.Handled, t.Errors = p.body.handled(), p.stats.errors
	if began := p.stats.began; began != 0 {
		t.BusyFor = (now - began).Seconds()
	}
	return t
}
