package memnet

import "time"

// pieces is how many pieces a slow reader takes the bytes of a second in.
const pieces = 20

// pace makes reading slow. The zero value does not. It is guarded by the mutex of
// the link.
type pace struct {
	rate int       // bytes in a second; 0: no limit
	next time.Time // nothing is given before
}

// allow returns how many of n bytes a Read of h may have now. When it may have
// none, it is woken as soon as it may.
func (p *pace) allow(h *half, n int) int {
	if p.rate == 0 {
		return n
	}
	now := time.Now()
	if wait := p.next.Sub(now); wait > 0 {
		time.AfterFunc(wait, func() {
			h.readable.L.Lock()
			defer h.readable.L.Unlock()
			h.readable.Broadcast()
		})
		return 0
	}
	n = min(n, max(1, p.rate/pieces))
	p.next = now.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	return n
}
