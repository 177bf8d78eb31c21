package transport_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// queued is what became of messages that were staged.
type queued struct {
	n, bytes, frames int
	err              error
	sent             []byte
}

// stageBehind stages batches on a connection whose queue holds some messages already,
// and flushes it.
func stageBehind(t *testing.T, l transport.Limits, params *wsproto.DeflateParams, before int, batches ...*transport.PreparedBatch) queued {
	t.Helper()
	ours, theirs := memnet.PipeBuffer(1 << 20)
	c := newConn(ours, wsproto.RoleServer, l, params)
	var own transport.PreparedBatch
	for i := range before {
		own.Append(transport.NewPreparedMessage(transport.MessageText, fmt.Append(nil, "before ", i)))
	}
	if n, err := c.StagePrepared(&own); n != before {
		t.Fatalf("StagePrepared() = %d, %v", n, err)
	}
	var q queued
	for _, b := range batches {
		n, err := c.StagePrepared(b)
		q.n += n
		if q.err = err; err != nil {
			break
		}
	}
	q.bytes, q.frames = c.Buffered()
	c.Flush()
	synctest.Wait()
	if b, n := c.Buffered(); b != 0 || n != 0 {
		t.Errorf("Buffered() = %d, %d after Flush, want nothing", b, n)
	}
	must(t, c.CloseNow())
	q.sent, _ = io.ReadAll(theirs)
	return q
}

// A batch is queued as its messages one after the other would be: as many of them,
// counted as much, and the same bytes, for the first connection and all others.
func TestBatchIsQueuedLikeItsMessages(t *testing.T) {
	compressions := map[string]*wsproto.DeflateParams{
		"plain":           nil,
		"shared frames":   {ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 15, ClientBits: 15},
		"a window of its": {ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 10, ClientBits: 10},
	}
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				// Limits of which some are passed in the middle of the batch, at
				// its end, or not at all.
				limits := transport.Limits{MaxQueueMessages: 2 + random.IntN(30), MaxQueueBytes: 50 + random.IntN(1<<(6+random.IntN(12)))}
				before := random.IntN(3)
				var all transport.PreparedBatch
				var single []*transport.PreparedBatch
				for i := range 1 + random.IntN(24) {
					text := fmt.Append(nil, i, ":")
					switch random.IntN(12) {
					case 0:
						text = append(text, bytes.Repeat([]byte("large "), 3<<10)...)
					case 1:
						text = append(text, bytes.Repeat([]byte("middling "), 1<<10)...)
					}
					m := transport.NewPreparedMessage(transport.MessageText, text)
					all.Append(m)
					one := new(transport.PreparedBatch)
					one.Append(m)
					single = append(single, one)
				}
				for round := range 3 {
					for name, params := range compressions {
						want := stageBehind(t, limits, params, before, single...)
						got := stageBehind(t, limits, params, before, &all)
						if got.n != want.n || got.err != want.err || got.bytes != want.bytes || got.frames != want.frames {
							t.Errorf("%s, use %d: %d queued (%v), Buffered() = %d, %d; want %d (%v), %d, %d, as one by one",
								name, round+1, got.n, got.err, got.bytes, got.frames, want.n, want.err, want.bytes, want.frames)
						}
						if !bytes.Equal(got.sent, want.sent) {
							t.Errorf("%s, use %d: sent %d bytes, not the %d that are sent one by one", name, round+1, len(got.sent), len(want.sent))
						}
					}
				}
			})
		})
	}
}

// A budget that runs out in the middle of a batch refuses the messages that it would
// refuse one by one, and counts as much for the others.
func TestBatchIsChargedLikeItsMessages(t *testing.T) {
	const messages, size = 10, 1000
	for left := 0; left < (messages+1)*size; left += 250 {
		synctest.Test(t, func(t *testing.T) {
			var all transport.PreparedBatch
			var single []*transport.PreparedBatch
			for range messages {
				m := transport.NewPreparedMessage(transport.MessageText, make([]byte, size))
				all.Append(m)
				one := new(transport.PreparedBatch)
				one.Append(m)
				single = append(single, one)
			}
			stage := func(batches ...*transport.PreparedBatch) (staged int, err error) {
				budget := transport.NewBudget(1 << 20)
				c, _ := blocked(t, wsproto.RoleServer, transport.Limits{MemoryBudget: budget})
				budget.Add(budget.Max()/100*100 - budget.Used() - int64(left))
				for _, b := range batches {
					n, err := c.StagePrepared(b)
					if staged += n; err != nil {
						return staged, err
					}
				}
				return staged, nil
			}
			want, wantErr := stage(single...)
			for range 3 {
				if n, err := stage(&all); n != want || err != wantErr {
					t.Errorf("with %d bytes left: %d queued (%v), want %d (%v), as one by one", left, n, err, want, wantErr)
				}
			}
		})
	}
}

// A batch that has been staged can be added to: what was queued stays as it was.
func TestBatchGrowsAfterItWasStaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b transport.PreparedBatch
		var conns []*transport.Conn
		var wires []*wire
		for range 3 {
			c, w := memWire(t, wsproto.RoleServer, transport.Limits{})
			conns, wires = append(conns, c), append(wires, w)
		}
		var want []got
		for i := range 3 {
			for j := range 2 {
				text := fmt.Sprint(i, j)
				b.Append(transport.NewPreparedMessage(transport.MessageText, []byte(text)))
			}
			for _, m := range b.Messages() {
				want = append(want, gotText(string(m.Payload())))
			}
			for _, c := range conns {
				if n, err := c.StagePrepared(&b); n != 2*(i+1) || err != nil {
					t.Fatalf("StagePrepared() = %d, %v", n, err)
				}
			}
		}
		for i, c := range conns {
			c.Flush()
			wires[i].want("all of them, in order", want...)
		}
	})
}

// What a batch costs each connection does not depend on how many messages it has.
func TestBatchOfManyMessagesCostsNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops what is pooled")
	}
	var conns []*transport.Conn
	for range 50 {
		ours, theirs := loopback(t)
		conns = append(conns, transport.NewTestConn(ours, wsproto.RoleServer, transport.Limits{}, nil, nil))
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
	}
	const messages = 64
	allocs := testing.AllocsPerRun(50, func() {
		var b transport.PreparedBatch
		for range messages {
			b.Append(transport.NewPreparedMessage(transport.MessageText, make([]byte, 32)))
		}
		for _, c := range conns {
			if _, err := c.StagePrepared(&b); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range conns {
			c.Flush()
		}
	})
	// Each message is two: itself, and its frame. The list, its run and the first use
	// are some more.
	if most := float64(2*messages + 24); allocs > most {
		t.Errorf("%v allocations for %d messages to %d connections, want at most %v", allocs, messages, len(conns), most)
	}
	for _, c := range conns {
		_ = c.CloseNow()
	}
}
