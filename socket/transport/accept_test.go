package transport_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// memServer is an HTTP server in memory. It is closed when the test ends.
func memServer(t *testing.T, s *http.Server) (dial func(opts *transport.DialOptions) (*transport.Conn, error)) {
	t.Helper()
	l := memnet.Listen("server.test:80")
	go s.Serve(l) // ends with Close
	t.Cleanup(func() { _ = s.Close() })
	return func(opts *transport.DialOptions) (*transport.Conn, error) {
		if opts == nil {
			opts = new(transport.DialOptions)
		}
		opts.DialContext = l.DialContext
		c, err := transport.Dial(t.Context(), "ws://server.test/", opts)
		if err == nil {
			t.Cleanup(func() { _ = c.CloseNow() })
		}
		return c, err
	}
}

// serveEcho accepts a connection and drives it.
func serveEcho(t *testing.T, opts *transport.AcceptOptions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := transport.Accept(w, r, opts)
		if err != nil {
			t.Errorf("Accept() = %v", err)
			return
		}
		c.Start(echoAll{})
	}
}

// wantEcho fails the test unless the other end of c sends messages back.
func wantEcho(t *testing.T, c *transport.Conn, message string) {
	t.Helper()
	must(t, c.Write(t.Context(), transport.MessageText, []byte(message)))
	_, p, err := c.Read(t.Context())
	if string(p) != message || err != nil {
		t.Fatalf("Read() = %.40q, %v, want the echo of %.40q", p, err, message)
	}
}

// A deadline that the HTTP server has set is none of the connection's.
func TestTimeoutsOfTheHTTPServerDoNotEndAConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dial := memServer(t, &http.Server{
			Handler:           serveEcho(t, nil),
			ReadTimeout:       time.Second,
			ReadHeaderTimeout: time.Second,
			WriteTimeout:      time.Second,
			IdleTimeout:       time.Second,
		})
		c, err := dial(nil)
		must(t, err)
		for range 3 {
			wantEcho(t, c, "still here")
			time.Sleep(time.Hour)
		}
		wantEcho(t, c, "after hours")
	})
}

// A middleware's ResponseWriter.
type withUnwrap struct{ http.ResponseWriter }

func (w withUnwrap) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type withoutUnwrap struct{ http.ResponseWriter }

func TestAcceptThroughMiddleware(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dial := memServer(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			serveEcho(t, nil)(withUnwrap{withUnwrap{w}}, r)
		})})
		c, err := dial(nil)
		must(t, err)
		wantEcho(t, c, "unwrapped")
	})
	t.Run("without Unwrap", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			accepted := make(chan error, 1)
			dial := memServer(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := transport.Accept(withoutUnwrap{w}, r, nil)
				accepted <- err
			})})
			_, err := dial(nil)
			var he *transport.HandshakeError
			if !errors.As(err, &he) || he.Status != http.StatusNotImplemented {
				t.Errorf("Dial() = %v, want a HandshakeError with status 501", err)
			}
			err = <-accepted
			if !errors.As(err, &he) || !errors.Is(err, http.ErrNotSupported) || !strings.Contains(err.Error(), "withoutUnwrap") {
				t.Errorf("Accept() = %v, want an error that names the type in the way", err)
			}
		})
	})
}

func TestAcceptAddsHeaders(t *testing.T) {
	for _, tt := range []struct {
		name           string
		always, once   http.Header
		want           string
		cannotBeServed bool
	}{
		{name: "none", want: ""},
		{name: "of the options", always: http.Header{"X-A": {"1", "2"}}, want: "1,2"},
		{name: "of the one response", once: http.Header{"X-A": {"3"}}, want: "3"},
		{name: "both", always: http.Header{"X-A": {"1"}}, once: http.Header{"X-A": {"3"}}, want: "1,3"},
		{name: "line break", once: http.Header{"X-A": {"1\r\nX-B: 2"}}, cannotBeServed: true},
		{name: "line break in a name", once: http.Header{"X-A: 1\r\nX-B": {"2"}}, cannotBeServed: true},
		{name: "of the handshake", once: http.Header{"Sec-WebSocket-Accept": {"x"}}, cannotBeServed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				u := transport.NewUpgrader(&transport.AcceptOptions{Header: tt.always})
				for range 2 { // what one response gets another does not
					seen := make(chan http.Header, 1)
					dial := memServer(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						c, err := u.Accept(w, r, tt.once)
						if (err != nil) != tt.cannotBeServed {
							t.Errorf("Accept() = %v", err)
						}
						if err == nil {
							c.Start(echoAll{})
						}
					})})
					opts := &transport.DialOptions{}
					opts.Answered(func(h map[string][]string) { seen <- h })
					_, err := dial(opts)
					if tt.cannotBeServed {
						var he *transport.HandshakeError
						if !errors.As(err, &he) || he.Status != http.StatusInternalServerError {
							t.Errorf("Dial() = %v, want status 500", err)
						}
						return
					}
					must(t, err)
					if got := strings.Join((<-seen)["X-A"], ","); got != tt.want {
						t.Errorf("X-A is %q, want %q", got, tt.want)
					}
				}
			})
		})
	}
}

func TestCompressionIsUsedWhereBothEndsWantIt(t *testing.T) {
	message := strings.Repeat("compressible ", 1000)
	for _, server := range []bool{false, true} {
		for _, client := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				accepted := make(chan *transport.Conn, 1)
				dial := memServer(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c, err := transport.Accept(w, r, &transport.AcceptOptions{Compression: transport.Compressed(server)})
					if err != nil {
						t.Error(err)
						return
					}
					accepted <- c
					c.Start(echoAll{})
				})})
				c, err := dial(&transport.DialOptions{Compression: transport.Compressed(client)})
				must(t, err)
				if want := server && client; c.Compressed() != want || (<-accepted).Compressed() != want {
					t.Errorf("server %t, client %t: Compressed() = %t", server, client, c.Compressed())
				}
				wantEcho(t, c, message)
				wantEcho(t, c, "short")
				wantEcho(t, c, "")
			})
		}
	}
}

// A connection that nobody reads or writes must not depend on the request that it
// came from.
func TestConnectionOutlivesItsHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		contexts := make(chan context.Context, 1)
		dial := memServer(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			contexts <- r.Context()
			serveEcho(t, nil)(w, r)
		})})
		c, err := dial(nil)
		must(t, err)
		synctest.Wait()
		if (<-contexts).Err() == nil {
			t.Error("the handler has not returned")
		}
		wantEcho(t, c, "outlived")
	})
}

// When the client is gone before the answer, Accept says so and keeps nothing.
func TestAcceptOfAClientThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := memnet.Listen("server.test:80")
		accepted := make(chan error, 1)
		leave := make(chan struct{})
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-leave
			_, err := transport.Accept(w, r, nil)
			accepted <- err
		})}
		go s.Serve(l)
		defer s.Close()
		nc, err := l.Dial(t.Context())
		must(t, err)
		_, err = nc.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
		must(t, err)
		synctest.Wait()
		nc.Cut()
		close(leave)
		if err := <-accepted; err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept() = %v, want why the answer was not sent", err)
		}
	})
}
