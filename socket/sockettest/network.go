package sockettest

import (
	"context"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// Kind is a transport.
type Kind string

// The kinds, which are also the names of the subtests of [Run].
const (
	WebSocket   Kind = "websocket"
	LongPolling Kind = "polling"
)

// Network is a network in memory with one server in it. Make one with [New] or
// [Run]. Its methods may be called from any goroutine of the test, as far as they
// do not say that they fail it: those belong on the test's own.
type Network struct {
	t        testing.TB
	opts     options
	server   *socket.Server // nil: what is served has none that is known
	listener *memnet.Listener
	web      *http.Server
	served   chan struct{} // closed when web has ended
	bubble   bool          // t runs in a bubble of testing/synctest
	settling chan struct{} // has room for the one that is in synctest.Wait
	closing  sync.Once

	mu    sync.Mutex // guards the fields below
	all   line       // what holds for everybody
	users map[string]*user
}

// user is a connection and whose it is.
type user struct {
	conn *memnet.Conn
	line *line
}

// Option configures [New].
type Option func(*options)

type options struct {
	kind   Kind
	path   string
	server *socket.Server
	log    *log.Logger // nil: that of the test
}

// WithServer names the server that the handler of [New] has in it and the path
// where that is mounted, such as "/socket". Clients connect there, and the server
// is shut down with the test. Default: the handler itself, if it is a
// *[socket.Server], at "/".
func WithServer(server *socket.Server, path string) Option {
	return func(o *options) { o.server, o.path = server, path }
}

// WithKind sets what [Network.Connect] connects over. Default: [WebSocket].
func WithKind(k Kind) Option { return func(o *options) { o.kind = k } }

// WithErrorLog sets where the HTTP server logs to, which is where the panics of
// HTTP handlers go. Default and nil: the log of the test.
func WithErrorLog(l *log.Logger) Option { return func(o *options) { o.log = l } }

// New serves a handler on a network in memory: a *[socket.Server], or what has one
// in it (see [WithServer]).
//
// Call it inside the bubble of [synctest.Test], with the t of the bubble: then
// waiting costs no time. Outside of one it works the same, in real time. When the
// test ends, clients of the network are closed, the server is shut down, which must
// succeed within a minute, and all that New has started has ended.
func New(t testing.TB, h http.Handler, opts ...Option) *Network {
	t.Helper()
	n := &Network{
		t:        t,
		opts:     options{kind: WebSocket, path: "/"},
		listener: memnet.Listen("localhost:80"),
		served:   make(chan struct{}),
		bubble:   inBubble(),
		settling: make(chan struct{}, 1),
		all:      newLine("everybody"),
		users:    map[string]*user{},
	}
	n.opts.server, _ = h.(*socket.Server)
	for _, opt := range opts {
		opt(&n.opts)
	}
	n.server = n.opts.server
	if n.opts.log == nil {
		out := &testLog{t: t}
		n.opts.log = log.New(out, "", 0)
		t.Cleanup(out.end) // behind Close, which is registered after it
	}
	n.web = &http.Server{Handler: repeater{n, h}, ErrorLog: n.opts.log}
	go func() { // owned by n: ends with Close
		defer close(n.served)
		n.web.Serve(n.listener) // returns when Close ends it, and never else
	}()
	t.Cleanup(n.Close)
	return n
}

// Run runs a test over both transports, as the subtests "websocket" and "polling",
// each in a bubble of its own with a server of its own.
func Run(t *testing.T, newServer func() *socket.Server, test func(t *testing.T, net *Network)) {
	t.Helper()
	for _, kind := range []Kind{WebSocket, LongPolling} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, New(t, newServer(), WithKind(kind)))
			})
		})
	}
}

// shutdownTime is how long a server may take to end.
const shutdownTime = time.Minute

// Close ends the network before the test does: it shuts the server down and cuts
// all connections that are left. It fails the test if the server does not end. A
// second Close does nothing.
func (n *Network) Close() {
	n.t.Helper()
	n.closing.Do(n.close)
}

func (n *Network) close() {
	n.t.Helper()
	if n.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		if err := n.server.Shutdown(ctx); err != nil {
			n.t.Errorf("sockettest: the server does not end within %v: %v", shutdownTime, err)
		}
	}
	n.web.Close() // its error is that of the listener, which has none
	n.Faults().Cut()
	<-n.served
	n.settle()
	if n.server != nil && n.server.Count() != 0 {
		n.t.Errorf("sockettest: %d connections are left on the server", n.server.Count())
	}
}

// Kind returns what [Network.Connect] connects over.
func (n *Network) Kind() Kind { return n.opts.kind }

// HTTPServer returns the server behind the network, for tests of what programs do with
// theirs, such as its Shutdown. It is closed with the test.
func (n *Network) HTTPServer() *http.Server { return n.web }

// URL returns the address of the server on the network, as it is given to the
// transport of this kind. Any host and port lead to the server.
func (n *Network) URL(k Kind) string {
	scheme := "ws"
	if k == LongPolling {
		scheme = "http"
	}
	return scheme + "://localhost" + n.opts.path
}

// DialContext opens a connection to the server, whatever the address says. It is
// for what is no client of the kit: give it to transport.WithDialContext, or to an
// [http.Transport]. What is opened there is for the test to close.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return n.dial(ctx, nil)
}

// dial opens a connection of a line, or of nobody in particular.
func (n *Network) dial(ctx context.Context, l *line) (net.Conn, error) {
	if err := n.refusal(l); err != nil {
		return nil, err
	}
	c, err := n.listener.Dial(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.refusalLocked(l); err != nil {
		c.Cut()
		return nil, err
	}
	n.users[c.LocalAddr().String()] = &user{c, l}
	n.all.greet(c)
	if l != nil {
		l.greet(c)
	}
	return c, nil
}

func (n *Network) refusal(l *line) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refusalLocked(l)
}

// refusalLocked returns what dialling fails with. It is called with mu held.
func (n *Network) refusalLocked(l *line) error {
	err := n.all.down
	if err == nil && l != nil {
		err = l.down
	}
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "dial", Net: n.listener.Addr().Network(), Addr: n.listener.Addr(), Err: err}
}

// Down cuts all connections and makes every attempt to connect fail with err until
// [Network.Up]. nil means that the network cannot be reached (ENETDOWN). It is
// [Faults.Down] for everybody.
func (n *Network) Down(err error) { n.Faults().Down(err) }

// Up ends [Network.Down].
func (n *Network) Up() { n.Faults().Up() }

// errDown is what a network that is down says.
const errDown = syscall.ENETDOWN

// settle lets everything happen that needs no time, where time is virtual.
func (n *Network) settle() {
	if n.bubble {
		n.settling <- struct{}{}
		synctest.Wait()
		<-n.settling
	}
}

// inBubble reports whether it is called inside a bubble. Nothing else tells.
func inBubble() (in bool) {
	defer func() { in = recover() == nil }()
	synctest.Wait()
	return
}

// testLog is the log of a test for those who may still log when it has ended.
type testLog struct {
	t     testing.TB
	mu    sync.Mutex // guards ended
	ended bool
}

func (l *testLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.t.Log(strings.TrimSuffix(string(line), "\n"))
	}
	return len(line), nil
}

func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}
