package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// stranger is a client of another library: it sends and receives whole messages.
type stranger interface {
	send(text bool, p []byte) error
	receive() (text bool, p []byte, err error)
	close()
}

type said struct {
	text bool
	data []byte
}

// mixed returns messages of all kinds and sizes, many of them like earlier ones.
func mixed(n int) []said {
	rng := rand.New(rand.NewPCG(2, 3))
	list := make([]said, n)
	for i := range list {
		m := &list[i]
		m.text = true
		switch i % 8 {
		case 0:
			m.data = []byte("grüße 🐙")
		case 1:
			m.text, m.data = false, make([]byte, rng.IntN(3000))
			for j := range m.data {
				m.data[j] = byte(rng.Uint32())
			}
		case 2:
			m.data = []byte(strings.Repeat(fmt.Sprintf("%d grüße ", i), 1+rng.IntN(2000)))
		case 3:
			m.text, m.data = false, make([]byte, rng.IntN(50000))
		case 4:
			*m = list[i-2]
		case 5:
			*m = list[max(0, i-40)]
		default:
			m.data = fmt.Appendf(nil, `{"symbol":"AB%d","bid":%d.%02d,"at":%d,"venues":["XETRA","NYSE","LSE"]}`,
				rng.IntN(20), rng.IntN(100), rng.IntN(100), 1700000000+i)
		}
	}
	return list
}

// strangers open connections with takeover, as far as the library has it, from a
// window of the given bits.
var strangers = map[string]func(url string, bits int) (stranger, error){
	"gorilla": dialGorilla,
	"coder":   dialCoder,
	"gws":     dialGws,
}

type gorillaStranger struct{ *gorilla.Conn }

func dialGorilla(url string, _ int) (stranger, error) {
	d := gorilla.Dialer{EnableCompression: true} // never with takeover
	c, _, err := d.Dial(url, nil)
	return gorillaStranger{c}, err
}

func (s gorillaStranger) send(text bool, p []byte) error {
	typ := gorilla.BinaryMessage
	if text {
		typ = gorilla.TextMessage
	}
	return s.WriteMessage(typ, p)
}

func (s gorillaStranger) receive() (bool, []byte, error) {
	s.SetReadDeadline(time.Now().Add(10 * time.Second))
	typ, p, err := s.ReadMessage()
	return typ == gorilla.TextMessage, p, err
}

func (s gorillaStranger) close() { s.Conn.Close() }

type coderStranger struct{ *coder.Conn }

func dialCoder(url string, _ int) (stranger, error) {
	c, _, err := coder.Dial(context.Background(), url, &coder.DialOptions{CompressionMode: coder.CompressionContextTakeover, CompressionThreshold: 1})
	if err == nil {
		c.SetReadLimit(-1)
	}
	return coderStranger{c}, err
}

func (s coderStranger) send(text bool, p []byte) error {
	typ := coder.MessageBinary
	if text {
		typ = coder.MessageText
	}
	return s.Write(context.Background(), typ, p)
}

func (s coderStranger) receive() (bool, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	typ, p, err := s.Read(ctx)
	return typ == coder.MessageText, p, err
}

func (s coderStranger) close() { s.CloseNow() }

type gwsStranger struct {
	gws.BuiltinEventHandler
	conn *gws.Conn
	in   chan said
	err  error // set before in is closed
}

func dialGws(url string, bits int) (stranger, error) {
	s := &gwsStranger{in: make(chan said, 1000)}
	c, _, err := gws.NewClient(s, &gws.ClientOption{Addr: url, PermessageDeflate: gws.PermessageDeflate{
		Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true,
		ServerMaxWindowBits: bits, ClientMaxWindowBits: bits, Threshold: 1,
	}})
	if err != nil {
		return nil, err
	}
	s.conn = c
	go c.ReadLoop() // ends with the connection
	return s, nil
}

func (s *gwsStranger) OnMessage(_ *gws.Conn, m *gws.Message) {
	s.in <- said{m.Opcode == gws.OpcodeText, bytes.Clone(m.Bytes())}
	m.Close()
}

func (s *gwsStranger) OnClose(_ *gws.Conn, err error) {
	s.err = err
	close(s.in)
}

func (s *gwsStranger) send(text bool, p []byte) error {
	op := gws.OpcodeBinary
	if text {
		op = gws.OpcodeText
	}
	return s.conn.WriteMessage(op, p)
}

func (s *gwsStranger) receive() (bool, []byte, error) {
	select {
	case m, ok := <-s.in:
		if !ok {
			return false, nil, s.err
		}
		return m.text, m.data, nil
	case <-time.After(10 * time.Second):
		return false, nil, fmt.Errorf("nothing comes")
	}
}

func (s *gwsStranger) close() { s.conn.NetConn().Close() }

// TestInteropClients has clients of other libraries talk to our server, with each kind
// of takeover: everything comes back, and a room hears all in one order.
func TestInteropClients(t *testing.T) {
	for name, z := range map[string]transport.Compression{
		"none":             {},
		"window":           {Takeover: transport.WindowTakeover, PeerWindow: 15},
		"small":            {Takeover: transport.WindowTakeover, Window: 9, PeerWindow: 9},
		"common":           {Takeover: transport.CommonTakeover, PeerWindow: 15},
		"common, thorough": {Takeover: transport.CommonTakeover, Thorough: true},
	} {
		z.Verify = true
		u := transport.NewUpgrader(&transport.AcceptOptions{Compression: &z, Limits: transport.Limits{MaxMessageSize: 1 << 20}})
		s := socket.NewServer(socket.WithCompressionOptions(z), socket.WithMaxMessageSize(1<<20), socket.WithLogger(nil), socket.WithPingInterval(-1))
		s.HandleFunc(socket.EventConnect, func(c socket.Socket, _ interface{}) { c.Join("room") })
		s.HandleFunc("here", func(c socket.Socket, _ interface{}) { c.Send("here", nil) })
		socket.Handle(s, "m", func(_ socket.Socket, text string) { s.BroadcastToRoom("room", "m", text) })
		mux := http.NewServeMux()
		mux.Handle("/room", s)
		mux.HandleFunc("/raw", func(w http.ResponseWriter, r *http.Request) {
			if c, err := u.Accept(w, r, nil); err == nil {
				c.Start(&messageHandler{})
			}
		})
		h := httptest.NewServer(mux)
		t.Cleanup(h.Close)
		url := strings.Replace(h.URL, "http", "ws", 1)
		for _, library := range []string{"gorilla", "coder", "gws"} {
			for _, bits := range []int{9, 12, 15} {
				if bits != 12 && library != "gws" {
					continue // they have no window to set
				}
				t.Run(fmt.Sprintf("%s/%s/%d", name, library, bits), func(t *testing.T) {
					c, err := strangers[library](url+"/raw", bits)
					if err != nil {
						t.Fatal(err)
					}
					defer c.close()
					exchange(t, c)
				})
			}
		}
		t.Run(name+"/room", func(t *testing.T) { inRoom(t, url+"/room") })
	}
}

// exchange sends messages and wants them back.
func exchange(t *testing.T, c stranger) {
	t.Helper()
	messages := mixed(300)
	sent := make(chan error, 1)
	go func() {
		for _, m := range messages {
			if err := c.send(m.text, m.data); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i, m := range messages {
		text, got, err := c.receive()
		if err != nil || text != m.text || !bytes.Equal(got, m.data) {
			t.Fatalf("message %d of %d bytes comes back as %d: %v", i, len(m.data), len(got), err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// inRoom has clients of all libraries hear what each of them says, and newcomers what
// is said from then on.
func inRoom(t *testing.T, url string) {
	var members []stranger
	enter := func() {
		for _, dial := range strangers {
			c, err := dial(url, 12)
			if err != nil {
				t.Fatal(err)
			}
			members = append(members, c)
			// Handlers run one after the other: when this is answered it is in the room.
			const here = `{"event":"here","data":null}`
			if err := c.send(true, []byte(here)); err != nil {
				t.Fatal(err)
			}
			if _, got, err := c.receive(); err != nil || string(got) != here {
				t.Fatalf("%.80q, %v comes in answer", got, err)
			}
		}
	}
	defer func() {
		for _, c := range members {
			c.close()
		}
	}()
	enter()
	for i := range 200 {
		if i == 100 {
			enter()
		}
		event := fmt.Sprintf(`{"event":"m","data":"%d: %s"}`, i, strings.Repeat(fmt.Sprintf("said by member %d, ", i%5), i*i%70))
		if err := members[i%len(members)].send(true, []byte(event)); err != nil {
			t.Fatal(err)
		}
		for j, c := range members {
			if _, got, err := c.receive(); err != nil || string(got) != event {
				t.Fatalf("message %d comes to member %d as %.80q, %v, want %.80q", i, j, got, err, event)
			}
		}
	}
}

// TestInteropServers has our client talk to servers of other libraries.
func TestInteropServers(t *testing.T) {
	gorillaEcho := func(w http.ResponseWriter, r *http.Request) {
		u := gorilla.Upgrader{EnableCompression: true}
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			typ, p, err := c.ReadMessage()
			if err != nil {
				return
			}
			c.WriteMessage(typ, p)
		}
	}
	coderEcho := func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: coder.CompressionContextTakeover, CompressionThreshold: 1})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for {
			typ, p, err := c.Read(r.Context())
			if err != nil {
				return
			}
			c.Write(r.Context(), typ, p)
		}
	}
	gwsEcho := func(bits int) http.HandlerFunc {
		u := gws.NewUpgrader(&gwsHandler{mode: "echo"}, &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{
			Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true,
			ServerMaxWindowBits: bits, ClientMaxWindowBits: bits, Threshold: 1,
		}})
		return func(w http.ResponseWriter, r *http.Request) {
			if c, err := u.Upgrade(w, r); err == nil {
				c.ReadLoop()
			}
		}
	}
	for _, server := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"gorilla", gorillaEcho}, {"coder", coderEcho}, {"gws 9", gwsEcho(9)}, {"gws 12", gwsEcho(12)}, {"gws 15", gwsEcho(15)},
	} {
		h := httptest.NewServer(server.handler)
		t.Cleanup(h.Close)
		for name, z := range map[string]transport.Compression{
			"none":         {},
			"window":       {Takeover: transport.WindowTakeover},
			"large window": {Takeover: transport.WindowTakeover, Window: 15, Thorough: true},
			"keeps little": {Takeover: transport.WindowTakeover, Window: 9, PeerWindow: 9},
			"keeps none":   {Takeover: transport.WindowTakeover, PeerWindow: -1},
		} {
			t.Run(server.name+"/"+name, func(t *testing.T) {
				z.Verify = true
				c, err := transport.Dial(t.Context(), strings.Replace(h.URL, "http", "ws", 1), &transport.DialOptions{Compression: &z})
				if name == "keeps little" && ignoresWindows[server.name] {
					if err == nil || !strings.Contains(err.Error(), "larger server_max_window_bits than was asked for") {
						t.Errorf("a server that ignores what was asked for is dialled with %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				s := ours{c}
				defer s.close()
				exchange(t, s)
			})
		}
	}
}

// ignoresWindows are servers that accept an offer of server_max_window_bits=9 without
// keeping to it, where RFC 7692 section 7.1.2.1 has them decline.
var ignoresWindows = map[string]bool{"gorilla": true, "gws 12": true, "gws 15": true}

// ours is our client, as a stranger to servers of other libraries.
type ours struct{ *transport.Conn }

func (s ours) send(text bool, p []byte) error {
	typ := transport.MessageBinary
	if text {
		typ = transport.MessageText
	}
	return s.Write(context.Background(), typ, p)
}

func (s ours) receive() (bool, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	typ, p, err := s.Read(ctx)
	return typ == transport.MessageText, p, err
}

func (s ours) close() { s.CloseNow() }
