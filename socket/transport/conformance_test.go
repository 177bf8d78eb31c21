package transport_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wstest"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// loadConformance reads the cases of the pack: those of the files, and those that
// a program makes.
var loadConformance = sync.OnceValues(func() ([]wstest.Case, error) {
	cases, err := wstest.Load(os.DirFS("testdata/conformance"), "*.txt")
	cases = append(cases, deflateCases()...)
	cases = append(cases, earlyCases()...)
	wstest.Sort(cases)
	return cases, err
})

func conformanceCases(t *testing.T) []wstest.Case {
	t.Helper()
	cases, err := loadConformance()
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestConformance plays every case of the pack, against a connection that
// Accept has made and Serve drives, and against one that Dial has made and Read
// pulls from.
func TestConformance(t *testing.T) {
	for _, under := range []struct {
		role  wstest.Role
		start wstest.Start
	}{
		{wstest.Server, acceptEcho(served)},
		{wstest.Client, dialEcho(pulled)},
	} {
		t.Run(string(under.role), func(t *testing.T) {
			t.Parallel()
			played := 0
			for _, c := range conformanceCases(t) {
				if raceEnabled && isAboutDecoding(c) {
					c.Cuts = c.Cuts[:1] // ten times as slow, and all on one goroutine
				}
				if c.For(under.role) {
					t.Run(c.ID, func(t *testing.T) {
						played++
						c.Run(t, under.role, under.start)
					})
				}
			}
			if want := recordedCount(t, under.role); played != want && !isPartOf() {
				t.Errorf("%d cases were played, and %s has %d", played, countFile, want)
			}
		})
	}
}

// TestConformanceOtherReads plays cases of messages and closing against
// connections that are read in the other ways: pulled on a server, served on a
// client, and by Reader.
func TestConformanceOtherReads(t *testing.T) {
	for _, under := range []struct {
		name  string
		role  wstest.Role
		start wstest.Start
	}{
		{"server by Read", wstest.Server, acceptEcho(pulled)},
		{"server by Reader", wstest.Server, acceptEcho(streamed)},
		{"client by Start", wstest.Client, dialEcho(served)},
		{"client by Reader", wstest.Client, dialEcho(streamed)},
	} {
		t.Run(under.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range conformanceCases(t) {
				if c.For(under.role) && dependsOnReads(c) {
					c.Cuts, c.EverySplit = []wstest.Cut{wstest.Whole}, false
					t.Run(c.ID, func(t *testing.T) { c.Run(t, under.role, under.start) })
				}
			}
		})
	}
}

// isAboutDecoding reports whether a case is about bytes that are refused or not,
// whichever way they are read.
func isAboutDecoding(c wstest.Case) bool {
	return slices.Contains([]int{3, 4, 6, 8, 14, 15}, c.Family())
}

// dependsOnReads reports whether a case is worth another way to read.
func dependsOnReads(c wstest.Case) bool {
	switch c.Family() {
	case 1, 2, 5, 7, 16:
		return true
	case 6:
		// Found in a whole message, in the middle of a frame, with the next fragment.
		return slices.Contains([]string{"9", "14", "15"}, strings.Split(c.ID, ".")[1])
	case 15:
		return !strings.HasPrefix(c.ID, "15.3.")
	}
	return false
}

// countFile says how many cases of each family are played, by role. The security
// pack prints it.
const countFile = "testdata/conformance-count.txt"

// TestConformanceCount holds countFile to the cases that there are, and fails when
// two have the same ID.
func TestConformanceCount(t *testing.T) {
	cases := conformanceCases(t)
	var count strings.Builder
	for _, role := range []wstest.Role{wstest.Server, wstest.Client} {
		families, seen := map[int]int{}, map[string]bool{}
		for _, c := range cases {
			if !c.For(role) {
				continue
			}
			if seen[c.ID] || c.Family() == 0 {
				t.Errorf("case %s: the ID is taken, or no number", c.ID)
			}
			seen[c.ID] = true
			families[c.Family()]++
		}
		for _, f := range slices.Sorted(maps.Keys(families)) {
			fmt.Fprintf(&count, "%s %d %d\n", role, f, families[f])
		}
	}
	recorded, err := os.ReadFile(countFile)
	if err != nil {
		t.Fatal(err)
	}
	if got := count.String(); got != string(recorded) {
		t.Errorf("%s is not what is played: if no case was lost, it has to be\n%s", countFile, got)
	}
}

// recordedCount is how many cases countFile has for a role.
func recordedCount(t *testing.T, role wstest.Role) (total int) {
	t.Helper()
	text, err := os.ReadFile(countFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var r wstest.Role
		var family, n int
		if _, err := fmt.Sscan(line, &r, &family, &n); err != nil {
			t.Fatalf("%s: %q: %v", countFile, line, err)
		}
		if r == role {
			total += n
		}
	}
	return total
}

// isPartOf reports whether only some of the subtests were asked for.
func isPartOf() bool {
	return strings.Contains(flag.Lookup("test.run").Value.String(), "/") || flag.Lookup("test.skip").Value.String() != ""
}

// echoEndpoint is an application that sends every message back.
type echoEndpoint struct {
	mu     sync.Mutex // guards the fields below
	conn   *transport.Conn
	writer io.WriteCloser // a message that the application sends in pieces
	told   []wstest.Verdict
}

// drive is how an application reads its connection.
type drive func(e *echoEndpoint, c *transport.Conn)

// served lets the connection call the application.
func served(e *echoEndpoint, c *transport.Conn) {
	c.Start(e)
	<-c.Done()
}

// pulled calls Read.
func pulled(e *echoEndpoint, c *transport.Conn) {
	for {
		typ, p, err := c.Read(context.Background())
		if err != nil {
			e.OnClose(c, err)
			return
		}
		e.OnMessage(c, typ, p)
	}
}

// streamed calls Reader.
func streamed(e *echoEndpoint, c *transport.Conn) {
	for {
		typ, r, err := c.Reader(context.Background())
		var p []byte
		if err == nil {
			p, err = io.ReadAll(r)
		}
		if err != nil {
			e.OnClose(c, err)
			return
		}
		e.OnMessage(c, typ, p)
	}
}

func (e *echoEndpoint) OnMessage(c *transport.Conn, typ transport.MessageType, p []byte) {
	// What comes of a failure shows in what the peer gets.
	_ = c.Write(context.Background(), typ, p)
}

func (e *echoEndpoint) OnClose(_ *transport.Conn, err error) { e.tell(verdict(err)) }

func (e *echoEndpoint) tell(v wstest.Verdict) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = append(e.told, v)
}

func (e *echoEndpoint) run(c *transport.Conn, d drive) {
	e.mu.Lock()
	e.conn = c
	e.mu.Unlock()
	go d(e, c) // ends with the connection
}

// verdict translates the error that an application is given.
func verdict(err error) wstest.Verdict {
	var closed *transport.CloseError
	var protocol *transport.ProtocolError
	var limit *transport.LimitError
	var handshake *transport.HandshakeError
	switch {
	case errors.As(err, &closed):
		return wstest.Verdict{Kind: "closed", Code: int(closed.Code), Reason: closed.Reason}
	case errors.As(err, &protocol):
		return wstest.Verdict{Kind: "protocol", Code: int(protocol.Code), Reason: protocol.Reason}
	case errors.As(err, &limit):
		return wstest.Verdict{Kind: "limit", Code: int(limit.Code), Reason: limit.Limit}
	case errors.As(err, &handshake):
		return wstest.Verdict{Kind: "refused", Code: handshake.Status, Reason: handshake.Reason}
	case errors.Is(err, net.ErrClosed) && transport.CloseStatus(err) == transport.StatusAbnormalClosure && errors.Unwrap(err) != nil:
		return wstest.Verdict{Kind: "here"}
	}
	return wstest.Verdict{Kind: "lost"}
}

// Told implements [wstest.Endpoint].
func (e *echoEndpoint) Told() (wstest.Verdict, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch len(e.told) {
	case 0:
		return wstest.Verdict{}, false
	case 1:
		return e.told[0], true
	}
	return wstest.Verdict{Kind: fmt.Sprintf("%d ends: %v", len(e.told), e.told)}, true
}

// Gone implements [wstest.Endpoint].
func (e *echoEndpoint) Gone() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == nil {
		return true
	}
	select {
	case <-e.conn.Done():
		return true
	default:
		return false
	}
}

// Do implements [wstest.Endpoint].
func (e *echoEndpoint) Do(a wstest.Action) error {
	e.mu.Lock()
	c, w := e.conn, e.writer
	e.mu.Unlock()
	switch a.Verb {
	case "close":
		go c.Close(transport.StatusCode(a.Code), string(a.Payload)) // the peer sees what comes of it
	case "ping":
		return c.QueuePing()
	case "begin":
		typ := transport.MessageBinary
		if a.Text {
			typ = transport.MessageText
		}
		w, err := c.Writer(context.Background(), typ)
		e.mu.Lock()
		e.writer = w
		e.mu.Unlock()
		return err
	case "more":
		if _, err := w.Write(a.Payload); err != nil {
			return err
		}
		return w.(interface{ Flush() error }).Flush()
	case "end":
		return w.Close()
	default:
		return fmt.Errorf("the application cannot %s", a.Verb)
	}
	return nil
}

// limitsOf are the limits that a case asks for.
func limitsOf(s wstest.Setup) transport.Limits {
	return transport.Limits{
		MaxMessageSize: s.MaxMessage, MaxFragments: s.MaxFragments, MaxEmptyFragments: s.MaxEmptyFragments,
		MaxControlFrames: s.MaxControlFrames, MaxInflateRatio: s.MaxInflateRatio,
	}
}

// acceptEcho starts endpoints that accept.
func acceptEcho(d drive) wstest.Start { return acceptEchoWith(d, transport.Compressed(true)) }

// acceptEchoWith has them compress as z says, in cases with permessage-deflate.
func acceptEchoWith(d drive, z *transport.Compression) wstest.Start {
	return func(t *testing.T, s wstest.Setup) (wstest.Endpoint, *memnet.Conn) {
		e := new(echoEndpoint)
		handler := func(w http.ResponseWriter, r *http.Request) {
			c, err := transport.Accept(w, r, &transport.AcceptOptions{
				Subprotocols: s.Subprotocols, Compression: ifSet(s.Deflate, z), Limits: limitsOf(s),
			})
			if err != nil {
				e.tell(verdict(err))
				return
			}
			e.run(c, d)
		}
		l := memnet.Listen("server.example:80")
		server := &http.Server{Handler: http.HandlerFunc(handler), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go server.Serve(l) // ends with Close
		t.Cleanup(func() { _ = server.Close() })
		nc, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return e, nc
	}
}

// ifSet returns z, or nil.
func ifSet(set bool, z *transport.Compression) *transport.Compression {
	if !set {
		return nil
	}
	return z
}

// dialEcho starts endpoints that dial.
func dialEcho(d drive) wstest.Start {
	return dialEchoWith(d, &transport.Compression{PeerWindow: -1, Verify: true})
}

// dialEchoWith has them compress as z says, in cases with permessage-deflate.
func dialEchoWith(d drive, z *transport.Compression) wstest.Start {
	return func(t *testing.T, s wstest.Setup) (wstest.Endpoint, *memnet.Conn) {
		e := new(echoEndpoint)
		near, far := memnet.Pipe()
		go func() { // ends when the handshake does
			c, err := transport.Dial(t.Context(), "ws://server.example/chat", &transport.DialOptions{
				Subprotocols: s.Subprotocols, Compression: ifSet(s.Deflate, z), Limits: limitsOf(s),
				Proxy:       func(*http.Request) (*url.URL, error) { return nil, nil },
				DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil },
			})
			if err != nil {
				e.tell(verdict(err))
				return
			}
			e.run(c, d)
		}()
		return e, far
	}
}
