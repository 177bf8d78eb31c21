package socket

import (
	"container/list"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// verdicts are what a server has said to clients that are to stay away, for those who could
// not hear it: their session had no connection just then, or one that was dead. They are
// told when they come to go on with it. A verdict is kept for as long as the session would
// have been, and counted against the memory budget; the oldest goes when there are too many.
type verdicts struct {
	mu    sync.Mutex // guards the fields below
	byID  map[string]*list.Element
	all   list.List   // of *keptVerdict, the oldest first
	timer *time.Timer // forgets the oldest; nil before the first
}

// keptVerdict is the end of a session that its client may not know of.
type keptVerdict struct {
	id       string
	claim    session.Claim // who may know
	identity string        // the owner's
	code     transport.StatusCode
	reason   string
	until    time.Time
}

const (
	// verdictCost is what a verdict takes at most, bytes: the tokens, the reason and what
	// holds them together.
	verdictCost = 1 << 10

	// maxVerdicts is how many are kept where WithMaxConcurrency sets no limit.
	maxVerdicts = 16 << 10
)

// stayAway keeps what the client of l is told, in case that it is not there. It is called
// with the lock of l held, and identity is the socket's.
func (s *Server) stayAway(l *sessionLink, identity string, code transport.StatusCode, reason string) {
	if !l.heard || s.closed() {
		return // nobody can come to go on with it
	}
	most := maxVerdicts
	if s.opts.maxConnections > 0 {
		most = min(most, s.opts.maxConnections)
	}
	v := &s.verdicts
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.byID[l.c.id] != nil {
		return
	}
	if v.all.Len() >= most {
		s.forgetVerdict(v.all.Front())
	}
	if !s.budget.TryAdd(verdictCost, waitingShare) {
		return
	}
	if v.byID == nil {
		v.byID = make(map[string]*list.Element)
	}
	v.byID[l.c.id] = v.all.PushBack(&keptVerdict{l.c.id, l.claim, identity, code, reason, time.Now().Add(s.opts.window)})
	switch {
	case v.all.Len() > 1: // the timer runs
	case v.timer == nil:
		v.timer = time.AfterFunc(s.opts.window, s.forgetVerdicts)
	default:
		v.timer.Reset(s.opts.window)
	}
}

// verdict returns what a client is to be told that offers to go on with a session which has
// ended for good, nil if there is nothing. Who has no token of the session, or is not its
// owner, learns nothing of it.
func (s *Server) verdict(o session.Offer, identity string) *pollhttp.Refusal {
	v := &s.verdicts
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.byID[o.Session.ID]
	if e == nil {
		return nil
	}
	k := e.Value.(*keptVerdict)
	if k.identity != identity || !k.claim.Check(o.Session.Token) {
		return nil
	}
	return pollhttp.Closed(uint16(k.code), k.reason)
}

// forgetVerdicts forgets those whose time is over.
func (s *Server) forgetVerdicts() {
	v := &s.verdicts
	v.mu.Lock()
	defer v.mu.Unlock()
	for e := v.all.Front(); e != nil; e = v.all.Front() {
		if wait := time.Until(e.Value.(*keptVerdict).until); wait > 0 {
			v.timer.Reset(wait)
			return
		}
		s.forgetVerdict(e)
	}
	v.byID = nil // a map does not shrink
}

// forgetVerdict is called with the lock of the verdicts held.
func (s *Server) forgetVerdict(e *list.Element) {
	v := &s.verdicts
	delete(v.byID, v.all.Remove(e).(*keptVerdict).id)
	s.budget.Add(-verdictCost)
}
