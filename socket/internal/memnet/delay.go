package memnet

import "time"

// flight is what was sent and arrives at a later time: bytes, the news that the
// sender sends no more (fin), or that it takes no more (gone).
type flight struct {
	at        time.Time
	bytes     int
	fin, gone bool
}

// delayed reports whether what is sent now arrives later. It does behind what is
// on its way, whatever the delay is by now.
func (h *half) delayed() bool { return h.delay > 0 || len(h.flights) > 0 }

// depart sends f on its way.
func (l *link) depart(h *half, f flight) {
	f.at = time.Now().Add(h.delay)
	if n := len(h.flights); n > 0 && f.at.Before(h.flights[n-1].at) {
		f.at = h.flights[n-1].at
	}
	h.flights = append(h.flights, f)
	time.AfterFunc(time.Until(f.at), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.land(h)
	})
}

// land makes what is due arrive. While the link is stalled nothing does: resume
// lets everything arrive.
func (l *link) land(h *half) {
	if l.stalled {
		return
	}
	now := time.Now()
	for len(h.flights) > 0 && !h.flights[0].at.After(now) {
		f := h.flights[0]
		h.flights = h.flights[1:]
		h.inFlight -= f.bytes
		h.finArrived = h.finArrived || f.fin
		if back := l.other(h); f.gone {
			back.goneArrived = true
			back.wake()
		}
		h.wake()
	}
}
