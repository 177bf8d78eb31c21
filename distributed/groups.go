package distributed

import (
	"context"
	"slices"
	"sync"
)

// groups are the process groups of a node. A group without members and watchers is not
// there.
type groups [shards]groupShard

type groupShard struct {
	mu sync.Mutex
	m  map[groupName]*group // guarded by mu, and so is everything in the groups; nil: empty
}

// groupName is the name of a group in one of two scopes, which do not know of each other.
type groupName struct {
	scope groupScope
	name  string
}

type groupScope uint8

const (
	joined  groupScope = iota // by JoinGroup
	capable                   // by WithCapabilities
)

// group is a process group: one entry for each time that somebody has joined.
type group struct {
	name     groupName
	members  []*Process
	of       []*membership // of the members, index by index
	shared   bool          // others read members without the lock: what is in it stays there
	watchers []*groupWatcher
}

// membership is that of one process in one group.
type membership struct {
	p   *Process
	g   *group
	at  []int32 // where it is among the members, once for each time that it has joined
	one [1]int32
}

// memberships are those of one process. Most are in few groups.
type memberships struct {
	few  []*membership
	many map[groupName]*membership // used instead of few once those are too many
}

func (s *memberships) find(name groupName) *membership {
	if s == nil {
		return nil
	}
	for _, m := range s.few {
		if m.g.name == name {
			return m
		}
	}
	return s.many[name]
}

func (s *memberships) add(m *membership) {
	if s.many == nil && len(s.few) == fewLinks {
		s.many = make(map[groupName]*membership, 2*fewLinks)
		for _, other := range s.few {
			s.many[other.g.name] = other
		}
		s.few = nil
	}
	if s.many != nil {
		s.many[m.g.name] = m
		return
	}
	s.few = append(s.few, m)
}

func (s *memberships) remove(m *membership) {
	delete(s.many, m.g.name)
	for i, other := range s.few {
		if other == m {
			last := len(s.few) - 1
			s.few[i], s.few[last] = s.few[last], nil
			s.few = s.few[:last]
			return
		}
	}
}

// appendAll appends all of them to dst.
func (s *memberships) appendAll(dst []*membership) []*membership {
	if s == nil {
		return dst
	}
	dst = append(dst, s.few...)
	for _, m := range s.many {
		dst = append(dst, m)
	}
	return dst
}

func (g *groups) shard(name groupName) *groupShard { return &g[shardOf(ProcessID(name.name))] }

// group returns a group, which may be new. It is called with mu held.
func (s *groupShard) group(name groupName) *group {
	g := s.m[name]
	if g == nil {
		if s.m == nil {
			s.m = make(map[groupName]*group)
		}
		g = &group{name: name}
		s.m[name] = g
	}
	return g
}

// tidy forgets a group that nobody is in or watches. It is called with mu held.
func (s *groupShard) tidy(g *group) {
	if len(g.members) == 0 && len(g.watchers) == 0 {
		delete(s.m, g.name)
	}
}

// members returns the members of a group, which the caller must not change.
func (g *groups) members(name groupName) []*Process {
	s := g.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.m[name]; g != nil {
		return g.share()
	}
	return nil
}

// share returns the members, to be read without the lock. It is called with it held.
func (g *group) share() []*Process {
	g.shared = true
	return g.members[:len(g.members):len(g.members)]
}

// add makes a process a member once more. It is called with the lock of the shard held.
func (g *group) add(m *membership) {
	m.at = append(m.at, int32(len(g.members)))
	g.members = append(g.members, m.p) // beyond what others may be reading
	g.of = append(g.of, m)
	g.tell(m.p, MemberJoined)
}

// remove takes out the entry of a process that is the latest in its list. It is called
// with the lock of the shard held.
func (g *group) remove(m *membership) {
	if g.shared {
		g.members = append([]*Process(nil), g.members...)
		g.shared = false
	}
	at := m.at[len(m.at)-1]
	m.at = m.at[:len(m.at)-1]
	last := int32(len(g.members) - 1)
	if at != last {
		moved := g.of[last]
		g.members[at], g.of[at] = g.members[last], moved
		for i, where := range moved.at {
			if where == last {
				moved.at[i] = at
			}
		}
	}
	g.members[last], g.of[last] = nil, nil
	g.members, g.of = g.members[:last], g.of[:last]
	g.tell(m.p, MemberLeft)
}

// join makes the process a member of a group once more, unless it ends.
func (p *Process) join(name groupName) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state >= ending {
		return ErrProcessNotFound
	}
	x := p.extra()
	if x.groups == nil {
		x.groups = new(memberships)
		p.atEnd(x.groups, p.leaveGroups)
	}
	s := p.node.groups.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	m := x.groups.find(name)
	if m == nil {
		m = &membership{p: p, g: s.group(name)}
		m.at = m.one[:0]
		x.groups.add(m)
	}
	m.g.add(m)
	return nil
}

// atEnd has f called at the end of the process, before anybody is told: see extras. It is
// called with mu held.
func (p *Process) atEnd(key any, f func()) {
	x := p.extra()
	if x.atEnd == nil {
		x.atEnd = make(map[any]func())
	}
	x.atEnd[key] = f
}

// leaveGroups ends all memberships of a process that ends.
func (p *Process) leaveGroups() {
	p.mu.Lock()
	all := p.more().groups.appendAll(nil)
	p.more().groups = nil
	p.mu.Unlock()
	for _, m := range all {
		s := p.node.groups.shard(m.g.name)
		s.mu.Lock()
		for len(m.at) > 0 {
			m.g.remove(m)
		}
		s.tidy(m.g)
		s.mu.Unlock()
	}
}

// JoinGroup makes a process a member of a group, which is there as long as it has
// members. A process may join several times: then it is a member as often, is listed and
// sent to as often, and has left when it has left as often. All of that ends with the
// process, before anybody is told of its end. The error is [ErrProcessNotFound] or
// [ErrNoConnection].
func (n *Node) JoinGroup(group string, id ProcessID) error {
	p, err := n.find(id)
	if err != nil {
		return err
	}
	return p.JoinGroup(group)
}

// JoinGroup is [Node.JoinGroup] for the process itself.
func (p *Process) JoinGroup(group string) error { return p.join(groupName{joined, group}) }

// LeaveGroup takes back one [Node.JoinGroup]. The error is [ErrNotMember],
// [ErrProcessNotFound] or [ErrNoConnection].
func (n *Node) LeaveGroup(group string, id ProcessID) error {
	p, err := n.find(id)
	if err != nil {
		return err
	}
	return p.LeaveGroup(group)
}

// LeaveGroup is [Node.LeaveGroup] for the process itself.
func (p *Process) LeaveGroup(group string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.more() == nil {
		return ErrNotMember
	}
	name := groupName{joined, group}
	m := p.more().groups.find(name)
	if m == nil {
		return ErrNotMember
	}
	s := p.node.groups.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	m.g.remove(m)
	if len(m.at) == 0 {
		p.more().groups.remove(m)
	}
	s.tidy(m.g)
	return nil
}

// Members returns the members of a group, in no order, and each as often as it has joined.
func (n *Node) Members(group string) []ProcessID {
	return idsOf(n.groups.members(groupName{joined, group}))
}

// Capable returns the processes that were spawned with a capability: see
// [WithCapabilities].
func (n *Node) Capable(name string) []ProcessID {
	return idsOf(n.groups.members(groupName{capable, name}))
}

// enlist has a new process join its groups. It may have been told to exit already, which
// is no error.
func (p *Process) enlist(o *spawnOptions) {
	for _, g := range o.groups {
		_ = p.join(groupName{joined, g})
	}
	for i, c := range o.capabilities {
		if !slices.Contains(o.capabilities[:i], c) {
			_ = p.join(groupName{capable, c})
		}
	}
}

func idsOf(all []*Process) []ProcessID {
	var ids []ProcessID
	if len(all) > 0 {
		ids = make([]ProcessID, len(all))
	}
	for i, p := range all {
		ids[i] = p.ID()
	}
	return ids
}

// Groups returns the names of all groups, in no order.
func (n *Node) Groups() []string {
	var names []string
	for i := range n.groups {
		s := &n.groups[i]
		s.mu.Lock()
		for name, g := range s.m {
			if name.scope == joined && len(g.members) > 0 {
				names = append(names, name.name)
			}
		}
		s.mu.Unlock()
	}
	return names
}

// SendGroup sends m to all members of a group, and returns how many have taken it: once
// for each time that they have joined. Members are those that were when it began. Who has
// no room for the message, or takes other ones, does not get it; the former are counted as
// dropped, see [NodeStats]. Nothing is promised about the order between members.
func SendGroup[M any](n *Node, group string, m M) (taken int) {
	var boxed any            // m for those that take more than M
	var wait context.Context // nil: nobody waits for room
	for _, p := range n.groups.members(groupName{joined, group}) {
		var err error
		if a, ok := p.body.(*actor[M]); ok {
			err = a.push(m)
		} else {
			if boxed == nil {
				boxed = m
			}
			err = p.body.pushAny(wait, boxed)
		}
		switch err {
		case nil:
			taken++
		case ErrMailboxFull:
			n.dropped.Add(1)
		}
	}
	return taken
}

// SendGroup is the function [SendGroup] for a message of any type.
func (n *Node) SendGroup(group string, m interface{}) (taken int) { return SendGroup(n, group, m) }
