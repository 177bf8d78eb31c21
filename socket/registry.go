package socket

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// registry are all sockets of a server: by id, and as a group to walk.
type registry struct {
	seed   maphash.Seed
	count  atomic.Int64
	shards [registryShards]registryShard
}

const registryShards = 32

type registryShard struct {
	mu   sync.RWMutex // guards the fields below
	byID map[string]*membership
	all  group
}

func newRegistry() *registry { return &registry{seed: maphash.MakeSeed()} }

func (r *registry) shard(id string) *registryShard {
	return &r.shards[maphash.String(r.seed, id)%registryShards]
}

func (r *registry) add(c *conn) {
	s := r.shard(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = make(map[string]*membership)
	}
	m := &membership{c: c}
	s.byID[c.id] = m
	s.all.add(m)
	r.count.Add(1)
}

func (r *registry) remove(c *conn) {
	s := r.shard(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.byID[c.id]; m != nil {
		delete(s.byID, c.id)
		s.all.remove(m)
		r.count.Add(-1)
	}
}

// get returns the socket with an id, nil if there is none.
func (r *registry) get(id string) *conn {
	s := r.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if m := s.byID[id]; m != nil {
		return m.c
	}
	return nil
}

// appendAll appends every socket to dst. No lock is held when it returns.
func (r *registry) appendAll(dst []*conn) []*conn {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.RLock()
		dst = s.all.append(dst)
		s.mu.RUnlock()
	}
	return dst
}
