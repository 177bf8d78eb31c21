//go:build !linux

package netpoll

import "errors"

// Supported says whether this system can watch connections.
const Supported = false

// Poller watches over descriptors; here it cannot.
type Poller struct{}

// Add returns an error.
func (p *Poller) Add(fd int, w Watcher) error {
	return errors.New("netpoll: not supported on this system")
}

// Remove does nothing.
func (p *Poller) Remove(fd int, w Watcher) {}

// Len returns 0.
func (p *Poller) Len() int { return 0 }
