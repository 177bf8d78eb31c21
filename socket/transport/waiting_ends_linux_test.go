package transport_test

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// endSoon waits for OnClose, which must come promptly.
func endSoon(t *testing.T, l *log) error {
	t.Helper()
	select {
	case <-l.ended:
	case <-time.After(promptly):
		t.Fatal("the end is not told")
	}
	return l.end(t)
}

// However a connection that waits is ended, on either side, OnClose tells of it at
// once; and so it does when it had been ended before Start.
func TestEndOfAConnectionThatWaitsIsToldAtOnce(t *testing.T) {
	ends := map[string]struct {
		end  func(c *transport.Conn, w *wire)
		want transport.StatusCode
	}{
		"CloseNow": {func(c *transport.Conn, w *wire) { _ = c.CloseNow() }, transport.StatusAbnormalClosure},
		"Refuse": {func(c *transport.Conn, w *wire) {
			c.Refuse(transport.StatusPolicyViolation, "enough")
			w.want("the close frame", gotClose(1008, "enough"))
			w.send(w.close(1008, ""))
			_ = w.nc.Close() // whoever has been refused closes: what it says is dropped
		}, transport.StatusAbnormalClosure},
		"QueueClose": {func(c *transport.Conn, w *wire) {
			_ = c.QueueClose(transport.StatusGoingAway, "bye")
			w.want("the close frame", gotClose(1001, "bye"))
			w.send(w.text("crossed"), w.close(1001, "bye"))
		}, transport.StatusGoingAway},
		"the peer's close frame": {func(_ *transport.Conn, w *wire) { w.send(w.close(4000, "")) }, 4000},
		"the peer's close frame and FIN": {func(_ *transport.Conn, w *wire) {
			w.send(w.close(4001, ""))
			_ = w.nc.Close()
		}, 4001},
		"a message cut by FIN": {func(_ *transport.Conn, w *wire) {
			w.send(w.text("message")[:9])
			_ = w.nc.Close()
		}, transport.StatusAbnormalClosure},
		"a frame against the rules": {func(_ *transport.Conn, w *wire) {
			w.send([]byte{0xff, 0x80})
			w.want("the reason", gotClose(1002, "frame has a reserved opcode"))
		}, transport.StatusProtocolError},
	}
	for name, tt := range ends {
		t.Run(name, func(t *testing.T) {
			realNetworks(t, func(t *testing.T, _ string, pair func(t *testing.T) (server, client net.Conn)) {
				for _, started := range []bool{true, false} {
					a, b := pair(t)
					c, w := testConn(t, a, wsproto.RoleServer, transport.Limits{}), newWire(t, b, wsproto.RoleServer)
					must(t, b.SetDeadline(time.Now().Add(promptly)))
					l := &log{ended: make(chan struct{})}
					if !started {
						ended := make(chan struct{})
						go func() {
							defer close(ended)
							tt.end(c, w)
						}()
						if name == "CloseNow" {
							<-ended
						}
						c.Start(l)
						<-ended
					} else {
						c.Start(l)
						w.send(w.ping("?"))
						w.want("it is started", gotPong("?"))
						tt.end(c, w)
					}
					if err := endSoon(t, l); !errors.Is(err, net.ErrClosed) || transport.CloseStatus(err) != tt.want {
						t.Errorf("started %t: OnClose got %v, want code %d", started, err, tt.want)
					}
					if l.got() != "" {
						t.Errorf("started %t: OnMessage got %q", started, l.got())
					}
				}
			})
		})
	}
}

// A message that has begun must be whole in time, whether its connection waits in a
// goroutine or not, and whatever comes meanwhile. Silence between messages is free.
func TestSlowMessageEndsAConnectionThatWaits(t *testing.T) {
	const timeout = 100 * time.Millisecond
	realNetworks(t, func(t *testing.T, network string, pair func(t *testing.T) (server, client net.Conn)) {
		for _, drip := range []string{"nothing", "bytes", "pings", "bytes of a record"} {
			t.Run(drip, func(t *testing.T) {
				t.Parallel()
				a, b := pair(t)
				c, w := testConn(t, a, wsproto.RoleServer, transport.Limits{MessageTimeout: timeout, MaxControlFrames: -1, CloseTimeout: time.Second}), newWire(t, b, wsproto.RoleServer)
				l := serve(c, echoAll{}.OnMessage)
				time.Sleep(timeout * 3 / 2) // the clock is real: real sockets wait
				w.send(w.text("in time"))
				w.want("echo", gotText("in time"))
				w.send(w.frame(wsproto.OpText, false, "begin"))
				begin := time.Now()
				go func() {
					rest := w.frame(wsproto.OpContinuation, true, string(make([]byte, 10_000)))
					var raw net.Conn
					if tc, ok := b.(*tls.Conn); ok && drip == "bytes of a record" {
						raw = tc.NetConn()
						_, _ = raw.Write([]byte{23, 3, 3, 32, 0}) // of a record of 8 KiB
					}
					for {
						var err error
						switch {
						case raw != nil:
							_, err = raw.Write([]byte{0})
						case drip == "bytes":
							_, err = b.Write(rest[:1])
							rest = rest[1:]
						case drip == "pings":
							_, err = b.Write(w.ping(""))
						}
						select {
						case <-l.ended:
							return
						case <-time.After(time.Millisecond):
						}
						if err != nil || len(rest) == 0 {
							return
						}
					}
				}()
				err := endSoon(t, l)
				var le *transport.LimitError
				if !errors.As(err, &le) || le.Option != "MessageTimeout" {
					t.Errorf("OnClose got %v, want a LimitError of MessageTimeout", err)
				}
				if d := time.Since(begin); d < timeout {
					t.Errorf("it ended after %v, before the timeout", d)
				}
			})
		}
	})
}

// A handler that ends its goroutine ends neither the reading nor other connections,
// which the same goroutine was about to read.
func TestHandlerThatEndsItsGoroutineHoldsUpNobody(t *testing.T) {
	realNetworks(t, func(t *testing.T, _ string, pair func(t *testing.T) (server, client net.Conn)) {
		var wires []*wire
		for range 20 {
			a, b := pair(t)
			c, w := testConn(t, a, wsproto.RoleServer, transport.Limits{}), newWire(t, b, wsproto.RoleServer)
			must(t, b.SetDeadline(time.Now().Add(promptly)))
			serve(c, func(c *transport.Conn, typ transport.MessageType, p []byte) {
				_ = c.Queue(typ, p) // the test looks at what arrives
				if string(p) == "hand off" && !c.HandOff() {
					t.Error("HandOff() = false within a handler")
				}
				runtime.Goexit()
			})
			wires = append(wires, w)
		}
		for _, text := range []string{"one", "hand off", "two"} {
			for _, w := range wires {
				w.send(w.text(text), w.text("behind"))
			}
			for _, w := range wires {
				w.want("both", gotText(text), gotText("behind"))
			}
		}
	})
}

// What came together with the handshake is for the handler first.
func TestBytesBehindTheHandshakeAreHandledFirst(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			a, b := n.pair(t)
			w := newWire(t, b, wsproto.RoleServer)
			must(t, b.SetDeadline(time.Now().Add(promptly)))
			all := append(w.text("early"), w.text("both ways")...)
			for cut := range len(all) {
				a, b := a, b
				if cut > 0 {
					a, b = n.pair(t)
					w.nc = b
					must(t, b.SetDeadline(time.Now().Add(promptly)))
				}
				c := transport.NewTestConn(a, wsproto.RoleServer, transport.Limits{}, nil, all[:cut])
				if !n.watched {
					c.Unwatch()
				}
				w.send(all[cut:])
				l := serve(c, echoAll{}.OnMessage)
				w.want("echo", gotText("early"), gotText("both ways"))
				_ = c.CloseNow()
				_ = endSoon(t, l)
			}
		})
	}
}
