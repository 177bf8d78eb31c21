package memnet

import (
	"sync"
	"time"
)

// DefaultBuffer is the number of bytes that each direction of a connection
// holds between Write and Read.
const DefaultBuffer = 64 << 10

// link is what the two ends of a connection share. One mutex guards all of it,
// both [half] values and the closed flags of both ends included, so that a
// fault hits both directions in the same instant.
type link struct {
	mu      sync.Mutex
	cut     bool
	stalled bool
	halves  [2]half
}

// half is one direction of a connection.
type half struct {
	ring       ring
	inFlight   int  // the newest bytes of the ring: sent while the link is stalled
	cutAfter   int  // bytes until the link breaks; negative: never
	stallAfter int  // bytes until the link stalls; negative: never
	writing    bool // a Write is under way; the others wait for its end

	delay   time.Duration // from Write to arrival
	flights []flight      // what is delayed, in the order of sending; its bytes are in flight
	pace    pace          // of Read

	// fin: the writing end sends no more. gone: the reading end takes no more.
	// The other end learns of it only when the news arrives.
	fin, finArrived   bool
	gone, goneArrived bool

	readable, writable          sync.Cond
	readDeadline, writeDeadline deadline
}

func newLink(buffer int) *link {
	if buffer <= 0 {
		buffer = DefaultBuffer
	}
	l := new(link)
	for i := range l.halves {
		h := &l.halves[i]
		h.ring.limit = buffer
		h.cutAfter, h.stallAfter = -1, -1
		h.readable.L = &l.mu
		h.writable.L = &l.mu
	}
	return l
}

// other returns the opposite direction.
func (l *link) other(h *half) *half {
	if h == &l.halves[0] {
		return &l.halves[1]
	}
	return &l.halves[0]
}

// arrived returns the number of bytes that the reader can have.
func (h *half) arrived() int { return h.ring.size - h.inFlight }

// wake lets every blocked call look at the state again.
func (h *half) wake() {
	h.readable.Broadcast()
	h.writable.Broadcast()
}

// end says that the writer sends no more.
func (l *link) end(h *half) {
	h.fin = true
	switch {
	case l.stalled:
	case h.delayed():
		l.depart(h, flight{fin: true})
	default:
		h.finArrived = true
	}
	h.wake()
}

// abandon says that the reader takes no more. Bytes it has not read are dropped.
func (l *link) abandon(h *half) {
	h.gone = true
	switch back := l.other(h); {
	case l.stalled:
	case back.delayed():
		l.depart(back, flight{gone: true})
	default:
		h.goneArrived = true
	}
	h.inFlight = 0
	h.flights = nil
	h.ring.release()
	h.wake()
}

// sever breaks the connection. Bytes that have arrived can still be read, bytes
// in flight are lost.
func (l *link) sever() {
	l.cut = true
	for i := range l.halves {
		h := &l.halves[i]
		h.ring.truncate(h.arrived())
		h.inFlight = 0
		h.flights = nil
		h.wake()
	}
}

func (l *link) resume() {
	l.stalled = false
	for i := range l.halves {
		h := &l.halves[i]
		h.inFlight = 0
		h.flights = nil
		h.finArrived = h.fin
		h.goneArrived = h.gone
		h.wake()
	}
}
