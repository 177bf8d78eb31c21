package socket_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// statuses has the requests from now on answered with one status after the other, over and
// over; 0 lets one pass.
func (g *gate) statuses(all ...int) {
	var mu sync.Mutex // guards n
	n := 0
	g.set(func(w http.ResponseWriter, _ *http.Request) bool {
		mu.Lock()
		status := all[n%len(all)]
		n++
		mu.Unlock()
		if status != 0 {
			w.WriteHeader(status)
		}
		return status != 0
	})
}

// A client whose credentials are refused twice in a row stays away and says why; whatever
// passes by itself, such as the answers of a deployment, is tried again.
func TestReconnectStopsForCredentialsThatAreRefusedAndForNothingElse(t *testing.T) {
	for _, tt := range []struct {
		statuses []int
		requests int // until it stops; 0: it does not
	}{
		{[]int{401}, 2},
		{[]int{403}, 2},
		{[]int{401, 403}, 2},
		{[]int{502, 404, 401, 403}, 4},
		{[]int{401, 502}, 0},
		{[]int{400}, 0},
		{[]int{404}, 0},
		{[]int{408}, 0},
		{[]int{410}, 0},
		{[]int{426}, 0},
		{[]int{429}, 0},
		{[]int{302}, 0},
		{[]int{500, 501, 502, 503, 504}, 0},
	} {
		for _, session := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d/session=%t", tt.statuses, session), func(t *testing.T) {
				run(t, func(t *testing.T, e *env) {
					g := e.gated()
					c := e.client(socket.WithReconnectAttempts(0), socket.WithSession(session))
					var tr trace
					socket.On(c, socket.EventError, func(err error) {
						var he *transport.HandshakeError
						switch {
						case !errors.Is(err, socket.ErrStopped):
						case !errors.As(err, &he) || he.Status != 401 && he.Status != 403:
							t.Errorf("it stopped for %v", err)
						default:
							tr.add("stopped")
						}
					})
					e.connect(c)
					e.settle()
					g.statuses(tt.statuses...)
					before := len(g.waits())
					e.loseAll()
					time.Sleep(3 * time.Minute)
					synctest.Wait()
					asked := len(g.waits()) - before
					g.answer(0)
					time.Sleep(time.Minute)
					synctest.Wait()
					if tt.requests > 0 {
						tr.want(t, "stopped")
						if asked != tt.requests || c.IsConnected() {
							t.Errorf("%d requests, want %d; connected = %t", asked, tt.requests, c.IsConnected())
						}
						if err := c.Send("n", 1); !errors.Is(err, socket.ErrConnectionClosed) {
							t.Errorf("Send() = %v after the stop", err)
						}
						e.connect(c) // it may be used again
						return
					}
					tr.want(t)
					if asked < 5 || !c.IsConnected() {
						t.Errorf("%d requests, connected = %t at the end", asked, c.IsConnected())
					}
				}, websocket, polling)
			})
		}
	}
}

// Retry-After says that it is not for who the client is.
func TestReconnectGoesOnAfterAForbiddenThatSaysWhenToTryAgain(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		g := e.gated()
		c := e.connected(socket.WithReconnectAttempts(0))
		e.settle()
		g.answer(http.StatusForbidden, "Retry-After", "5")
		e.loseAll()
		time.Sleep(5 * time.Minute)
		g.answer(0)
		time.Sleep(time.Minute)
		if !c.IsConnected() {
			t.Error("the client did not come back")
		}
	}, websocket, polling)
}

// What a client did not deliver is reported when it stops.
func TestReconnectThatStopsTellsWhatIsUnknown(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		g := e.gated()
		c := e.client(socket.WithReconnectAttempts(0))
		up := newAuditor()
		socket.On(c, socket.EventError, func(err error) { up.report(err) })
		e.connect(c)
		e.settle()
		g.statuses(http.StatusUnauthorized)
		e.cut()
		if e.kind == polling {
			e.silence()
		}
		for range 3 {
			c.Send(number(up.next()))
		}
		if e.kind == polling {
			time.Sleep(10 * time.Second)
			e.setDown(nil)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		up.want(t, "to the server")
		if a := up.settle(); a.reported != 3 {
			t.Errorf("%+v, want 3 reported", a)
		}
	}, websocket, polling)
}

// renewed is a transport that asks for a credential with each attempt to connect.
type renewed struct {
	*transport.WebSocketTransport
	make func(credential string) *transport.WebSocketTransport
	ask  func() string
}

func (r *renewed) Connect(ctx context.Context) error {
	_, err := r.ConnectSession(ctx, "")
	return err
}

func (r *renewed) ConnectSession(ctx context.Context, offer string) (string, error) {
	r.WebSocketTransport = r.make(r.ask())
	return r.WebSocketTransport.ConnectSession(ctx, offer)
}

func (r *renewed) Abort() {
	if r.WebSocketTransport != nil {
		r.WebSocketTransport.Abort()
	}
}

// A credential that has expired is refused once: one that the application has got upon that
// has its chance, and the session goes on.
func TestFreshCredentialHasItsChanceBeforeTheClientStops(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var mu sync.Mutex // guards both
		good, mine := "one", "one"
		e.serve(socket.WithAuthenticator(func(r *http.Request) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			if strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") != good {
				return "", errors.New("expired")
			}
			return "ann", nil
		}))
		c := socket.NewClient(&renewed{
			make: func(credential string) *transport.WebSocketTransport {
				return transport.NewWebSocketTransport("ws://server/socket", transport.WithDialContext(e.dial),
					transport.WithHeaders(map[string][]string{"Authorization": {"Bearer " + credential}}))
			},
			ask: func() string {
				mu.Lock()
				defer mu.Unlock()
				return mine
			},
		}, socket.WithReconnectAttempts(0))
		defer c.Close()
		refused := 0
		socket.On(c, socket.EventError, func(err error) {
			var he *transport.HandshakeError
			if !errors.As(err, &he) || he.Status != http.StatusUnauthorized || errors.Is(err, socket.ErrStopped) {
				t.Errorf("error %v", err)
			}
			refused++
			mu.Lock()
			defer mu.Unlock()
			mine = good // a handler renews it
		})
		e.connect(c)
		e.settle()
		id := c.ID()
		for _, next := range []string{"two", "three"} {
			mu.Lock()
			good = next
			mu.Unlock()
			e.cut()
			time.Sleep(30 * time.Second)
			synctest.Wait()
		}
		if !c.IsConnected() || c.ID() != id || refused != 2 {
			t.Errorf("connected = %t as %s, was %s; %d refusals", c.IsConnected(), c.ID(), id, refused)
		}
	}, websocket)
}

// A proxy that lets no WebSocket through is no word of the server about the client.
func TestFirstOfStopsOnlyWhenEveryTransportIsTurnedAway(t *testing.T) {
	for _, tt := range []struct {
		webSocket, polling int
		stops              bool
	}{
		{401, 401, true},
		{403, 401, true},
		{403, 502, false},
		{502, 403, false},
	} {
		t.Run(fmt.Sprint(tt.webSocket, tt.polling), func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				g := e.gated()
				c := socket.NewClient(socket.FirstOf(
					transport.NewWebSocketTransport("ws://server/socket", transport.WithDialContext(e.dial)),
					transport.NewLongPollingTransport("http://server/socket", transport.WithDialContext(e.dial)),
				), socket.WithReconnectAttempts(0))
				defer c.Close()
				stopped := false
				socket.On(c, socket.EventError, func(err error) { stopped = stopped || errors.Is(err, socket.ErrStopped) })
				e.connect(c)
				e.settle()
				g.set(func(w http.ResponseWriter, r *http.Request) bool {
					status := tt.polling
					if transport.IsUpgrade(r) {
						status = tt.webSocket
					}
					w.WriteHeader(status)
					return true
				})
				e.cut()
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				g.answer(0)
				time.Sleep(time.Minute)
				synctest.Wait()
				if stopped != tt.stops || c.IsConnected() == tt.stops {
					t.Errorf("stopped = %t, connected = %t", stopped, c.IsConnected())
				}
			}, websocket)
		})
	}
}
