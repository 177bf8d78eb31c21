package transport

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// sendPong answers a ping. At most one pong waits at a time: RFC 6455 section
// 5.5.3 lets an endpoint that got several pings "elect to send a Pong frame for
// only the most recently processed Ping frame", so a peer that sends pings and
// reads nothing makes nothing grow.
func (c *Conn) sendPong(payload []byte) {
	o := &c.out
	o.mu.Lock()
	if o.err != nil || o.final.Load() {
		o.mu.Unlock()
		return
	}
	if o.pong != nil {
		o.bytes -= o.pong.bytes
		o.frames -= int32(o.pong.frames)
		putBatch(o.pong)
	}
	o.pong = getBatch()
	c.appendFrame(o.pong, wsproto.Header{Fin: true, Opcode: wsproto.OpPong}, payload)
	c.flush()
}

// QueuePing sends a ping with no payload and does not wait for the pong, which
// shows in [Conn.Received]. It never blocks. A connection whose queue is full gets
// none, and [ErrQueueFull] is returned: it has other proof of life to give.
func (c *Conn) QueuePing() error { return c.queuePing(nil) }

func (c *Conn) queuePing(payload []byte) error {
	o := &c.out
	o.mu.Lock()
	if err := c.admit(wsproto.MaxHeaderSize + len(payload)); err != nil {
		o.mu.Unlock()
		return err
	}
	if o.queue == nil {
		o.queue = getBatch()
	}
	c.appendFrame(o.queue, wsproto.Header{Fin: true, Opcode: wsproto.OpPing}, payload)
	c.flush()
	return nil
}

// Ping sends a ping and waits for its pong, until ctx ends. Somebody must be
// reading: a pulled connection needs another goroutine inside Read. When the queue
// of outgoing messages is full it returns [ErrQueueFull] at once.
func (c *Conn) Ping(ctx context.Context) error {
	var key [8]byte
	if c.pings.Load() == nil {
		c.pings.CompareAndSwap(nil, new(pings))
	}
	p := c.pings.Load()
	pong := p.expect(&key)
	defer p.forget(key)
	// Only now: an end of the connection that has not seen p fails this.
	if err := c.queuePing(key[:]); err != nil {
		return err
	}
	select {
	case ok := <-pong:
		if !ok {
			return errClosed
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pings are the calls of Ping that wait.
type pings struct {
	mu      sync.Mutex // guards the fields below
	last    uint64
	waiting map[[8]byte]chan bool // nil while nobody waits
	closed  bool
}

// expect returns a channel that gets true for the pong with the payload that it
// puts into key, and false when the connection ends.
func (p *pings) expect(key *[8]byte) <-chan bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	binary.BigEndian.PutUint64(key[:], p.last)
	pong := make(chan bool, 1)
	if p.closed {
		pong <- false
		return pong
	}
	if p.waiting == nil {
		p.waiting = make(map[[8]byte]chan bool)
	}
	p.waiting[*key] = pong
	return pong
}

func (p *pings) forget(key [8]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, key)
	if len(p.waiting) == 0 {
		p.waiting = nil
	}
}

// answered is told of a pong. One that nobody asked for does nothing.
func (p *pings) answered(payload []byte) {
	if len(payload) != 8 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if pong, ok := p.waiting[[8]byte(payload)]; ok {
		delete(p.waiting, [8]byte(payload))
		pong <- true
	}
}

// fail ends all waits.
func (p *pings) fail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for key, pong := range p.waiting {
		delete(p.waiting, key)
		pong <- false
	}
}

// maskKeys are random keys drawn ahead: one call for many.
type maskKeys struct {
	b    [256]byte
	left int
}

// Shared by all client connections of the process.
var maskKeyPool sync.Pool

// newMaskKey returns an unpredictable key. RFC 6455 section 10.3: it "MUST be
// derived from a strong source of entropy".
func newMaskKey() [4]byte {
	k, ok := maskKeyPool.Get().(*maskKeys)
	if !ok {
		k = new(maskKeys)
	}
	if k.left == 0 {
		rand.Read(k.b[:]) // never fails
		k.left = len(k.b) / 4
	}
	k.left--
	key := [4]byte(k.b[4*k.left:])
	maskKeyPool.Put(k)
	return key
}
