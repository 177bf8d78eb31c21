//go:build !linux

package netpoll

import "errors"

// Supported says whether this system can park connections.
const Supported = false

// Waiter is what waits: it is called once, on a goroutine of the poller's that it
// must not keep.
type Waiter interface{ Readable() }

// Poller watches over parked descriptors; here it parks none.
type Poller struct{}

// Park returns an error.
func (p *Poller) Park(fd int, w Waiter) error {
	return errors.New("netpoll: not supported on this system")
}

// Unpark reports false.
func (p *Poller) Unpark(fd int, w Waiter) bool { return false }

// Parked returns 0.
func (p *Poller) Parked() int { return 0 }
