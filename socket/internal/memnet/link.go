package memnet

import "sync"

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
	h.finArrived = h.finArrived || !l.stalled
	h.wake()
}

// abandon says that the reader takes no more. Bytes it has not read are dropped.
func (l *link) abandon(h *half) {
	h.gone = true
	h.goneArrived = h.goneArrived || !l.stalled
	h.inFlight = 0
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
		h.wake()
	}
}

func (l *link) resume() {
	l.stalled = false
	for i := range l.halves {
		h := &l.halves[i]
		h.inFlight = 0
		h.finArrived = h.fin
		h.goneArrived = h.gone
		h.wake()
	}
}
