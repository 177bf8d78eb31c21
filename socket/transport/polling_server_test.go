package transport_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/poll"
	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// pollServer is a long-polling server in memory, whose network can fail.
type pollServer struct {
	t      *testing.T
	engine *pollhttp.Engine
	net    *memnet.Listener
	http   *http.Server

	mu       sync.Mutex // guards all below
	requests int
	fault    func(n int, r *http.Request) fault
	sessions []*peer
	header   http.Header // of the last request
}

// fault is what happens to one request.
type fault int

const (
	fine        fault = iota
	lostRequest       // it never comes to the engine
	lostAnswer        // the engine serves it, and the answer gets lost
	unavailable       // a proxy answers in the engine's place
)

// peer is the server's end of a session: it keeps what came.
type peer struct {
	*pollhttp.Session
	onMessage func(p *peer, m pollhttp.Message)

	mu     sync.Mutex // guards all below
	got    []pollhttp.Message
	closed []error
}

func (p *peer) Message(m pollhttp.Message) {
	p.mu.Lock()
	p.got = append(p.got, m)
	p.mu.Unlock()
	if p.onMessage != nil {
		p.onMessage(p, m)
	}
}

func (p *peer) Closed(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = append(p.closed, cause)
}

func (p *peer) texts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, m := range p.got {
		all = append(all, string(m.Data))
	}
	return all
}

func (p *peer) send(t *testing.T, text string) {
	t.Helper()
	if err := p.Send(poll.Message{Data: []byte(text)}); err != nil {
		t.Errorf("Send(%q) = %v", text, err)
	}
}

// servePolling starts a server, and Advance every second, until the test ends.
func servePolling(t *testing.T, c pollhttp.Config, onMessage func(p *peer, m pollhttp.Message)) *pollServer {
	s := &pollServer{t: t, net: memnet.Listen("server:80")}
	open := c.Open
	c.Open = func(session *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
		if open != nil {
			if _, err := open(session, r); err != nil {
				return nil, err
			}
		}
		p := &peer{Session: session, onMessage: onMessage}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sessions = append(s.sessions, p)
		return p, nil
	}
	s.engine = pollhttp.New(c)
	s.http = &http.Server{Handler: s}
	var loops sync.WaitGroup
	loops.Go(func() { s.http.Serve(s.net) })
	done := make(chan struct{})
	loops.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				s.engine.Advance(now)
			case <-done:
				return
			}
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.engine.Shutdown(ctx, 1001, "")
		s.http.Close()
		close(done)
		loops.Wait()
	})
	return s
}

func (s *pollServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := s.requests
	s.requests++
	s.header = r.Header.Clone()
	f := fine
	if s.fault != nil {
		f = s.fault(n, r)
	}
	s.mu.Unlock()
	switch f {
	case lostRequest:
		panic(http.ErrAbortHandler)
	case unavailable:
		w.WriteHeader(http.StatusBadGateway)
		return
	case lostAnswer:
		s.engine.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	s.engine.ServeHTTP(w, r)
}

// peer returns the server's end of the n-th session.
func (s *pollServer) peer(n int) *peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n >= len(s.sessions) {
		s.t.Fatalf("session %d was not opened", n)
	}
	return s.sessions[n]
}

func (s *pollServer) setFault(f func(n int, r *http.Request) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// client returns a transport that dials the server, closed when the test ends.
func (s *pollServer) client(opts ...transport.LongPollingOption) *transport.LongPollingTransport {
	opts = append([]transport.LongPollingOption{transport.WithDialContext(s.net.DialContext)}, opts...)
	c := transport.NewLongPollingTransport("http://server/socket", opts...)
	s.t.Cleanup(func() { c.Close() })
	return c
}

// connected returns a transport with a session.
func (s *pollServer) connected(opts ...transport.LongPollingOption) *transport.LongPollingTransport {
	s.t.Helper()
	c := s.client(opts...)
	if err := c.Connect(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// bubble runs a test in virtual time. Cleanups run inside the bubble.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}
