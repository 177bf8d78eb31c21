package fuzz

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// live is a server behind net/http on a listener in memory, with a log of what
// the handlers of each socket are told.
type live struct {
	server   *socket.Server
	web      *http.Server
	listener *listener     // nil if it is not in memory
	address  net.Addr      // of a listener that is not in memory
	ended    chan struct{} // closed when web has ended

	mu       sync.Mutex // guards the fields below
	logs     map[string][]string
	ids      []string // in the order of connecting
	requests []*request
}

// request is what of an HTTP request that reached the handler matters for what is
// to come back.
type request struct {
	method, path string
	upgrade      bool
}

// messageLimit is the limit of the live server, small enough for a fuzzer to
// reach it.
const messageLimit = 4 << 10

// newLive returns a server whose handlers log and do what their event says. It
// must be made in the bubble that it is used in.
func newLive(opts ...socket.ServerOption) *live {
	l := newListener()
	live := newLiveOn(l, opts...)
	live.listener = l
	return live
}

// newLiveOn is newLive on any listener.
func newLiveOn(listener net.Listener, opts ...socket.ServerOption) *live {
	opts = append([]socket.ServerOption{
		socket.WithLogger(nil), socket.WithMaxMessageSize(messageLimit), socket.WithMaxConcurrency(0),
	}, opts...)
	l := &live{
		server: socket.NewServer(opts...),
		ended:  make(chan struct{}),
		logs:   make(map[string][]string),
	}
	l.server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ any) { l.note(s, "connect") })
	l.server.HandleFunc(socket.EventDisconnect, func(s socket.Socket, cause any) {
		if _, ok := cause.(error); !ok {
			l.note(s, fmt.Sprintf("the cause of the disconnect is a %T", cause))
		}
		l.note(s, "disconnect")
	})
	l.server.HandleFunc(socket.EventError, func(s socket.Socket, data any) {
		var m *socket.MessageError
		var panicked *socket.PanicError
		err, _ := data.(error)
		switch {
		case !errors.As(err, &m):
			l.note(s, fmt.Sprintf("error %v", data))
		case errors.As(err, &panicked):
			l.note(s, "panic in "+m.Event)
		case errors.Is(err, socket.ErrInvalidMessage):
			l.note(s, "invalid "+m.Event)
		default:
			l.note(s, fmt.Sprintf("error %v", err))
		}
	})
	for _, e := range typedEvents {
		e.handle(l)
	}
	l.server.HandleFunc(socket.EventMessage, func(s socket.Socket, v any) { l.note(s, entry(socket.EventMessage, v)) })
	l.server.HandleFunc("echo", func(s socket.Socket, v any) {
		l.note(s, entry("echo", v))
		_ = s.Send("echo", v) // the peer sees whether it came
	})
	l.server.HandleFunc("close", func(s socket.Socket, v any) {
		l.note(s, entry("close", v))
		_ = s.Close() // never fails
	})
	l.server.HandleFunc("panic", func(s socket.Socket, v any) {
		l.note(s, entry("panic", v))
		panic("as asked for")
	})
	l.web = &http.Server{
		Handler:           http.HandlerFunc(l.serve),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(l.ended)
		_ = l.web.Serve(listener) // ends with http.ErrServerClosed
	}()
	return l
}

// serve is the server at /socket, and a page at every other path.
func (l *live) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.requests = append(l.requests, &request{r.Method, r.URL.Path, transport.IsUpgrade(r)})
	l.mu.Unlock()
	if r.URL.Path == "/socket" {
		l.server.ServeHTTP(w, r)
		return
	}
	// net/http waits for a body before it answers.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(10 * time.Second)) // the page works without
	_, _ = io.WriteString(w, "page")                                                    // nobody is left to tell
}

// note adds an entry to the log of s.
func (l *live) note(s socket.Socket, entry string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := s.ID()
	if l.logs[id] == nil {
		l.ids = append(l.ids, id)
	}
	l.logs[id] = append(l.logs[id], entry)
}

// log returns what was logged for the socket that came as number n.
func (l *live) log(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n >= len(l.ids) {
		return nil
	}
	return slices.Clone(l.logs[l.ids[n]])
}

// logOf returns what was logged for a socket.
func (l *live) logOf(id string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.logs[id])
}

// stop ends the server. All that is left of connections must end by itself or
// with this.
func (l *live) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.server.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	_ = l.web.Close() // ends what is left, whatever it says
	<-l.ended
	if n := l.server.Count(); n != 0 {
		t.Errorf("%d connections are counted after Shutdown", n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, entries := range l.logs {
		last := len(entries) - 1
		if entries[0] != "connect" || entries[last] != "disconnect" ||
			slices.Contains(entries[1:], "connect") || slices.Contains(entries[:last], "disconnect") {
			t.Errorf("the handlers of a socket were told %q, want connect once and first, disconnect once and last", entries)
		}
		if rooms := l.server.RoomsOf(id); len(rooms) > 0 {
			t.Errorf("a socket that is gone is in the rooms %q", rooms)
		}
		if _, ok := l.server.GetSocket(id); ok {
			t.Error("a socket that is gone is known")
		}
	}
}

// peer is a client that is no more than a connection and what came over it.
type peer struct {
	*end
	gone chan struct{} // closed when nothing more can come

	mu  sync.Mutex // guards the fields below
	got []byte
}

// dial connects to the server.
func (l *live) dial() *peer { return newPeer(l.listener.dial()) }

// newPeer takes over a connection, whose end ends the peer.
func newPeer(nc *end) *peer {
	p := &peer{end: nc, gone: make(chan struct{})}
	go func() {
		defer close(p.gone)
		buf := make([]byte, 4<<10)
		for {
			n, err := nc.Read(buf)
			p.mu.Lock()
			p.got = append(p.got, buf[:n]...)
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p
}

// received returns what has come.
func (p *peer) received() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.got)
}

// send writes b in pieces of the given size, 0: in one. The server may have had
// enough before the end.
func (p *peer) send(b []byte, piece int) {
	if piece <= 0 {
		piece = len(b)
	}
	for len(b) > 0 {
		n := min(piece, len(b))
		if _, err := p.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
		if len(b)/piece < 64 {
			synctest.Wait() // the end of a long input comes in reads of its own
		}
	}
}

// hangUp ends the connection and waits for the pump.
func (p *peer) hangUp() {
	_ = p.Close() // a second one fails
	<-p.gone
}

const (
	sampleKey     = "dGhlIHNhbXBsZSBub25jZQ=="     // of RFC 6455 section 1.3
	sampleAccept  = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" // and what answers it
	handshakeHead = "GET /socket HTTP/1.1\r\nHost: fuzz\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + sampleKey + "\r\nSocket-Version: 1\r\n"
	offerDeflate = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n"
)

func handshake(deflate bool) string {
	if deflate {
		return handshakeHead + offerDeflate + "\r\n"
	}
	return handshakeHead + "\r\n"
}

// accepted splits what a server sent into the answer to a good handshake and what
// came behind it.
func accepted(b []byte) (*http.Response, []byte, error) {
	head, rest, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return nil, nil, fmt.Errorf("no answer to the handshake but %.200q", b)
	}
	r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(head)+"\r\n\r\n")), nil)
	if err != nil {
		return nil, nil, err
	}
	if r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Sec-WebSocket-Accept") != sampleAccept {
		return nil, nil, fmt.Errorf("the answer to the handshake is %.500q", head)
	}
	return r, rest, nil
}
