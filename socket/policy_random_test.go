package socket_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// Whatever a network does and whoever publishes: what a client has received and what it
// was told that it has missed are all that was sent, and what it has received is in order.
func TestReceivedAndMissedIsAllThatWasSent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy socket.Policy
	}{
		{"drop newest", socket.DropNewest()},
		{"drop oldest", socket.DropOldest()},
		{"keep latest", socket.KeepLatest("")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(5) {
				runSlow(t, func(t *testing.T, d *slowOne) { d.anything(t, seed) }, socket.WithSlowPolicy(tt.policy))
			}
		})
	}
}

// anything has several publishers send over a network that is dammed up now and then, and
// breaks where there is a session.
func (d *slowOne) anything(t *testing.T, seed uint64) {
	const publishers, messages = 3, 200
	var mu sync.Mutex // guards the fields below
	received, missed := 0, 0
	next := map[int]int{}
	for p := range publishers {
		socket.On(d.c, fmt.Sprint("p", p), func(m struct {
			I    int
			Text string
		}) {
			mu.Lock()
			defer mu.Unlock()
			received++
			if m.I < next[p] {
				t.Errorf("publisher %d: message %d came behind %d", p, m.I, next[p]-1)
			}
			next[p] = m.I + 1
		})
	}
	socket.On(d.c, socket.EventGap, func(g socket.Gap) {
		mu.Lock()
		defer mu.Unlock()
		missed += g.Missed
	})
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(p)))
			for i := range messages {
				text := make([]byte, r.IntN(6000))
				for j := range text {
					text[j] = 'a' + byte(r.IntN(26))
				}
				m := map[string]any{"i": i, "text": string(text)}
				d.e.server.BroadcastToRoom("room", fmt.Sprint("p", p), m)
				if r.IntN(8) == 0 {
					time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(seed, 99))
	for i := range 6 {
		if d.session && i%2 == 1 {
			socket.Cut(d.s)
		}
		d.e.stall()
		time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
		d.resume()
		if d.session && i == 2 {
			d.e.cut()
		}
		time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
	}
	all.Wait()
	d.open()
	time.Sleep(10 * time.Second) // it may have to connect again
	synctest.Wait()
	mu.Lock()
	defer mu.Unlock()
	if received+missed != publishers*messages {
		t.Errorf("seed %d: %d received and %d missed, of %d", seed, received, missed, publishers*messages)
	}
	if !d.s.IsConnected() {
		t.Errorf("seed %d: the client was closed", seed)
	}
	if seed == 0 {
		t.Logf("%d received, %d missed", received, missed)
	}
}
