package socket_test

import (
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// gate stands in front of a server and may refuse requests that open a connection.
type gate struct {
	http.Handler

	mu     sync.Mutex // guards the fields below
	refuse func(w http.ResponseWriter, r *http.Request) bool
	asked  []time.Time // when connections were asked for
}

// gated starts the server behind a gate.
func (e *env) gated(opts ...socket.ServerOption) *gate {
	e.server = socket.NewServer(opts...)
	g := &gate{Handler: e.server}
	e.mount(g)
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if transport.IsUpgrade(r) || r.Method == http.MethodPost && r.Header.Get("Socket-Token") == "" {
		g.mu.Lock()
		g.asked = append(g.asked, time.Now())
		refuse := g.refuse
		g.mu.Unlock()
		if refuse != nil && refuse(w, r) {
			return
		}
	}
	g.Handler.ServeHTTP(w, r)
}

// answer has requests from now on answered with a status and the fields of a header; 0
// lets them pass.
func (g *gate) answer(status int, header ...string) {
	g.set(func(w http.ResponseWriter, _ *http.Request) bool {
		if status == 0 {
			return false
		}
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		return true
	})
}

func (g *gate) set(refuse func(http.ResponseWriter, *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = refuse
}

// waits returns the times between two requests for a connection.
func (g *gate) waits() (all []time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := 1; i < len(g.asked); i++ {
		all = append(all, g.asked[i].Sub(g.asked[i-1]))
	}
	return all
}

// loseAll has the clients lose their connections and look for new ones, without a word of the server.
func (e *env) loseAll() {
	if e.kind == websocket {
		e.cut()
		return
	}
	// A long-polling session survives a cut: its client has to give it up.
	e.setDown(syscall.ECONNREFUSED)
	e.cut()
	time.Sleep(10 * time.Second)
	e.setDown(nil)
}

// The client waits for as long as the answer asks for, whatever its longest delay is, and
// then for a time of its own.
func TestReconnectObeysRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		header []string
		after  time.Duration
	}{
		{"503", 503, []string{"Retry-After", "90"}, 90 * time.Second},
		{"429", 429, []string{"Retry-After", "7"}, 7 * time.Second},
		{"a date", 503, []string{"Retry-After", "Sat, 01 Jan 2000 00:02:00 GMT", "Date", "Sat, 01 Jan 2000 00:01:00 GMT"}, time.Minute},
		{"longer than is reasonable", 503, []string{"Retry-After", "86400"}, 10 * time.Minute},
		{"a number beyond all bounds", 503, []string{"Retry-After", "99999999999999999"}, 10 * time.Minute},
		{"a date that has passed", 503, []string{"Retry-After", "Fri, 31 Dec 1999 00:00:00 GMT"}, 0},
		{"no time", 503, []string{"Retry-After", "soon"}, 0},
		{"a negative number", 503, []string{"Retry-After", "-5"}, 0},
		{"none", 503, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				const base, most = 500 * time.Millisecond, 2 * time.Second
				g := e.gated()
				c := e.client(socket.WithReconnectAttempts(0), socket.WithReconnectDelay(base), socket.WithMaxReconnectDelay(most))
				e.connect(c)
				e.settle()
				g.answer(tt.status, tt.header...)
				e.loseAll()
				time.Sleep(8 * (tt.after + most))
				g.answer(0)
				time.Sleep(tt.after + time.Minute)
				synctest.Wait()
				if !c.IsConnected() {
					t.Error("the client did not come back")
				}
				waits := g.waits()[1:] // the first is before any answer
				if len(waits) < 5 {
					t.Fatalf("the waits were %v", waits)
				}
				for _, w := range waits {
					if own := w - tt.after; own < base/10 || own > most+10*time.Millisecond {
						t.Errorf("it waited for %v, and was told %v", w, tt.after)
					}
				}
				if len(slices.Compact(slices.Clone(waits))) < len(waits)/2 {
					t.Errorf("the waits %v are not drawn at random", waits)
				}
			}, websocket, polling)
		})
	}
}

// A client that is told to wait can be closed.
func TestCloseEndsTheWaitOfRetryAfter(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		g := e.gated()
		c := e.connected(socket.WithReconnectAttempts(0))
		e.settle()
		g.answer(http.StatusServiceUnavailable, "Retry-After", "300")
		e.loseAll()
		time.Sleep(time.Minute)
		began := time.Now()
		c.Close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("Close took %v", took)
		}
	}, websocket, polling)
}

// Of several transports that are all told to wait, the longest time counts.
func TestReconnectOverTheFirstOfSeveralObeysRetryAfter(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		g := e.gated()
		c := socket.NewClient(socket.FirstOf(
			transport.NewWebSocketTransport("ws://server/socket", transport.WithDialContext(e.dial)),
			transport.NewLongPollingTransport("http://server/socket", transport.WithDialContext(e.dial)),
		), socket.WithReconnectAttempts(0))
		defer c.Close()
		e.connect(c)
		e.settle()
		g.set(func(w http.ResponseWriter, r *http.Request) bool {
			after := "100"
			if transport.IsUpgrade(r) {
				after = "20"
			}
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		e.cut()
		time.Sleep(30 * time.Minute)
		rounds := 0
		for _, w := range g.waits()[1:] { // each attempt makes two requests
			if w < time.Second {
				continue
			}
			if rounds++; w < 100*time.Second || w > 131*time.Second {
				t.Errorf("it waited for %v, want 100 s and its own delay", w)
			}
		}
		if rounds < 10 {
			t.Errorf("%d attempts", rounds)
		}
	}, websocket)
}
