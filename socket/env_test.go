package socket_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/sockettest"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// kind is a transport that a test runs over.
type kind string

const (
	websocket kind = "websocket"
	polling   kind = "polling"
)

// run runs the same test over each of the transports, in virtual time and on a
// network in memory.
func run(t *testing.T, test func(t *testing.T, e *env), kinds ...kind) {
	t.Helper()
	for _, k := range kinds {
		t.Run(string(k), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newEnv(t, k)) })
		})
	}
}

// env is a network in memory with one server in it, and clients of one kind.
type env struct {
	t      *testing.T
	kind   kind
	server *socket.Server
	net    *sockettest.Network

	// Options of the clients' transports.
	webSocket   []transport.WebSocketOption
	longPolling []transport.LongPollingOption

	mu              sync.Mutex   // guards the fields below
	latest          *memnet.Conn // the client's end
	dials           int
	hangs           bool                 // dialling waits for its context
	onNew, onAccept func(c *memnet.Conn) // see every new connection
	log             []string             // of the server
}

func newEnv(t *testing.T, k kind) *env { return &env{t: t, kind: k} }

// serve starts the server. It and all its connections end with the test.
func (e *env) serve(opts ...socket.ServerOption) *socket.Server {
	opts = append([]socket.ServerOption{socket.WithLogger(slog.New(slog.NewTextHandler(e, nil)))}, opts...)
	e.server = socket.NewServer(opts...)
	e.mount(e.server)
	return e.server
}

// end ends the server and all its connections before the test ends.
func (e *env) end() { e.net.Close() }

// mount serves h, in which e.server is, on the network. They end with the test.
func (e *env) mount(h http.Handler) {
	kit := sockettest.New(e.t, h,
		sockettest.WithServer(e.server, "/socket"),
		sockettest.WithErrorLog(slog.NewLogLogger(slog.NewTextHandler(e, nil), slog.LevelError)))
	e.mu.Lock()
	e.net = kit
	e.mu.Unlock()
}

// Write takes a line of the server's log.
func (e *env) Write(line []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log = append(e.log, string(line))
	return len(line), nil
}

// logged reports whether a line of the server's log has all of these parts.
func (e *env) logged(parts ...string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.log, func(line string) bool {
		return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) })
	})
}

// dial opens a connection to the server, unless the network is down.
func (e *env) dial(ctx context.Context, network, address string) (net.Conn, error) {
	e.mu.Lock()
	e.dials++
	hangs, onNew, onAccept, kit := e.hangs, e.onNew, e.onAccept, e.net
	e.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	nc, err := kit.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := nc.(*memnet.Conn) // a test of this module may know
	e.mu.Lock()
	e.latest = c
	e.mu.Unlock()
	if onNew != nil {
		onNew(c)
	}
	if onAccept != nil {
		onAccept(c.Peer())
	}
	return c, nil
}

// cut breaks all connections that there are.
func (e *env) cut() { e.net.Faults().Cut() }

// stall makes black holes of all connections that there are.
func (e *env) stall() { e.net.Faults().Stall() }

// silence keeps the clients from being heard, while the server believes them to
// be there.
func (e *env) silence() {
	if e.kind == polling {
		e.setDown(syscall.ENETDOWN)
		e.cut() // no poll is held
		synctest.Wait()
		return
	}
	e.stall()
}

// setDown makes dialling fail with err, and work again with nil.
func (e *env) setDown(err error) {
	if err == nil {
		e.net.Up()
		return
	}
	e.net.Faults().Refuse(err)
}

// setHangs makes dialling wait for its context.
func (e *env) setHangs(hangs bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hangs = hangs
}

// dialled returns how often a connection was asked for.
func (e *env) dialled() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dials
}

// each has functions look at the client's end, and at the server's, of every
// connection from now on.
func (e *env) each(client, server func(c *memnet.Conn)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onNew, e.onAccept = client, server
}

// transport returns a transport of the library, which is also a peer that can
// send anything.
func (e *env) transport() rawTransport {
	if e.kind == polling {
		opts := append([]transport.LongPollingOption{transport.WithDialContext(e.dial)}, e.longPolling...)
		return transport.NewLongPollingTransport("http://server/socket", opts...)
	}
	opts := append([]transport.WebSocketOption{transport.WithDialContext(e.dial)}, e.webSocket...)
	return transport.NewWebSocketTransport("ws://server/socket", opts...)
}

// rawTransport is what both transports of the library have.
type rawTransport interface {
	socket.BinaryTransport
	socket.BatchTransport
	socket.IdentifiedTransport
}

// client returns a client that is not connected. It is closed with the test.
func (e *env) client(opts ...socket.ClientOption) *socket.Client {
	c := socket.NewClient(e.transport(), opts...)
	e.t.Cleanup(func() { c.Close() })
	return c
}

// connected returns a client that is connected.
func (e *env) connected(opts ...socket.ClientOption) *socket.Client {
	e.t.Helper()
	c := e.client(opts...)
	e.connect(c)
	return c
}

func (e *env) connect(c *socket.Client) {
	e.t.Helper()
	if err := c.Connect(); err != nil {
		e.t.Fatalf("Connect() = %v", err)
	}
}

// raw returns a peer of the server that sends and gets texts as they are.
func (e *env) raw() *peer {
	e.t.Helper()
	p := &peer{t: e.t, rawTransport: e.transport()}
	if err := p.Connect(e.t.Context()); err != nil {
		e.t.Fatalf("Connect() = %v", err)
	}
	e.t.Cleanup(func() { p.Close() })
	return p
}

// settle lets everything happen that does not have to wait for more than a pause
// between two polls.
func (e *env) settle() {
	time.Sleep(1100 * time.Millisecond)
	synctest.Wait()
}

// peer is a client that is no Client.
type peer struct {
	t *testing.T
	rawTransport
}

// say sends texts.
func (p *peer) say(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if err := p.Send([]byte(text)); err != nil {
			p.t.Errorf("Send(%q) = %v", text, err)
		}
	}
}

// want receives texts.
func (p *peer) want(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		got, err := p.Receive()
		if err != nil || string(got) != text {
			p.t.Errorf("Receive() = %q, %v, want %q", got, err, text)
		}
	}
}

// trace is what happened, in order.
type trace struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (tr *trace) add(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines = append(tr.lines, fmt.Sprintf(format, args...))
}

// all returns what was added so far.
func (tr *trace) all() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.lines)
}

// want reports a trace that is not this one.
func (tr *trace) want(t *testing.T, lines ...string) {
	t.Helper()
	if got := tr.all(); !slices.Equal(got, lines) {
		t.Errorf("what happened:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}
