package socket_test

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first has finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// bare is a network with a server, of which nothing is left of a connection that has ended.
type bare struct {
	t *testing.T
	l *memnet.Listener
}

func newBare(t *testing.T, server *socket.Server) *bare {
	b := &bare{t, memnet.Listen("server:80")}
	web := &http.Server{Handler: server}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		web.Serve(b.l) // until it is closed
	}()
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		web.Close()
		<-ended
	})
	return b
}

func (b *bare) transport() *transport.WebSocketTransport {
	return transport.NewWebSocketTransport("ws://server", transport.WithDialContext(b.l.DialContext))
}

// begin connects with an offer.
func (b *bare) begin(offer string) (p *transport.WebSocketTransport, answer string) {
	b.t.Helper()
	p = b.transport()
	answer, err := p.ConnectSession(b.t.Context(), offer)
	if err != nil {
		b.t.Fatalf("ConnectSession(%q) = %v", offer, err)
	}
	return p, answer
}

// again returns the offer to go on with the session of an answer, of which nothing has come.
func again(answer string) string {
	named, _, _ := strings.Cut(answer, "; window=")
	return named + "; last=0"
}

// Ten thousand sessions whose clients are all gone at the same time, as behind a proxy that
// was restarted: what is broadcast meanwhile is kept for each within the budget, those who
// come back have everything, more than the budget ends sessions and nothing else, and what
// nobody comes back to is freed.
func TestThreatE10_TenThousandSessionsWithoutConnectionsUnderBroadcast(t *testing.T) {
	sessions := 10_000
	if raceEnabled || testing.Short() {
		sessions = 500
	}
	bubble(t, func(t *testing.T) {
		// A session has a few KiB of its own; a KiB for what waits is half of what comes.
		budget := int64(sessions) * 4 << 10
		server := socket.NewServer(socket.WithMemoryBudget(budget), socket.WithMaxConcurrency(0))
		b := newBare(t, server)
		settle := func() {
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
		}
		c := socket.NewClient(b.transport())
		defer c.Close()
		down := newAuditor()
		down.listen(c)
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		settle()
		empty, unused := heap(), socket.MemoryUsed(server)

		var offers []string // to go on with each of them
		for len(offers) < sessions {
			const atOnce = 250
			var open []*transport.WebSocketTransport
			for range atOnce {
				p, answer := b.begin("new")
				p.Send([]byte(`{"ack":0}`))
				open, offers = append(open, p), append(offers, again(answer))
			}
			synctest.Wait()
			for _, p := range open {
				p.Abort()
			}
			synctest.Wait()
		}
		settle()
		if n := server.Count(); n != sessions+1 {
			t.Fatalf("%d sessions, want %d", n, sessions+1)
		}
		began := heap()
		t.Logf("a session without a connection takes %d bytes", (began-empty)/int64(sessions))

		// What fits: those who come back have all of it, once and in order.
		const few = 10
		for range few {
			event, data := sized(down.next(), 64)
			server.Broadcast(event, data)
		}
		settle()
		for i := 0; i < sessions; i += sessions / 50 {
			p, answer := b.begin(offers[i])
			if !strings.HasSuffix(answer, "; last=0") || answer[:25] != offers[i][:25] { // with the id
				t.Fatalf("session %d does not go on: %s", i, answer)
			}
			for n := 1; n <= few; n++ {
				data, binary, err := p.ReceiveMessage()
				want := `{"seq":` + strconv.Itoa(n) + `,`
				if binary {
					want = string(rune(n)) + "\x00"
				}
				if err != nil || !strings.HasPrefix(string(data), want) {
					t.Fatalf("session %d: message %d is %q, %v", i, n, data, err)
				}
			}
			p.Abort()
		}
		synctest.Wait()
		if n := server.Count(); n != sessions+1 {
			t.Fatalf("%d sessions are left of %d", n, sessions+1)
		}

		// What does not: to all together, and to each alone, of which there is a copy for each.
		most, mostUsed := began, int64(0)
		for round := range 20 {
			event, data := sized(down.next(), 2<<10)
			server.Broadcast(event, data)
			for _, s := range socket.Sockets(server) {
				if s.ID() != c.ID() {
					s.Send("more", strings.Repeat("x", 500)) // it may have ended meanwhile
				}
			}
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			used := socket.MemoryUsed(server)
			if mostUsed = max(mostUsed, used); used > budget {
				t.Fatalf("%d bytes are counted, of %d", used, budget)
			}
			if round%4 == 0 {
				most = max(most, heap())
			}
		}
		left := server.Count() - 1
		if left == sessions {
			t.Error("no session has ended: the test tries nothing")
		}
		// On top of the budget there are steps of 4 KiB of each session that are not counted.
		if limit := began + budget + int64(sessions)*4<<10; most > limit {
			t.Errorf("%d bytes are in use, with a budget of %d and %d before", most, budget, began)
		}
		down.wantWhole(t, "the one that is connected")
		if !c.IsConnected() {
			t.Error("it is not connected any more")
		}
		t.Logf("%d of %d sessions are left, %d of %d bytes counted, %d in use", left, sessions, mostUsed, budget, most-empty)

		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if n, used := server.Count(), socket.MemoryUsed(server); n != 1 || used != unused {
			t.Errorf("at the end there are %d sessions and %d bytes counted; want 1 and %d", n, used, unused)
		}
		if end := heap(); end-empty > int64(sessions)*512+256<<10 { // maps do not shrink
			t.Errorf("%d bytes more are in use at the end than at the begin", end-empty)
		}
	})
}
