package transport_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// TestAllowRefusesCompressionToClientsThatFailWithIt: the connection opens without.
func TestAllowRefusesCompressionToClientsThatFailWithIt(t *testing.T) {
	accepted := make(chan *transport.Conn, 1)
	h := liveServer(t, &transport.AcceptOptions{Compression: &transport.Compression{
		Allow: func(r *http.Request) bool {
			agent := r.UserAgent()
			return !strings.Contains(agent, "Version/15.") || !strings.Contains(agent, "Safari/")
		},
	}}, func(c *transport.Conn) { accepted <- c })
	const mac, ios = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) ",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 15_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	for _, tt := range []struct {
		agent string
		want  bool
	}{
		{mac + "Version/15.2 Safari/605.1.15", false},
		{ios + "Version/15.2 Mobile/15E148 Safari/604.1", false},
		{mac + "Version/17.4 Safari/605.1.15", true},
		{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36", true},
		{"", true},
	} {
		nc := tcp(t, h)
		_, err := nc.Write([]byte(asksToUpgrade + "User-Agent: " + tt.agent + "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"))
		must(t, err)
		head := readHead(t, nc)
		c := <-accepted
		if agreed := strings.Contains(head, "permessage-deflate"); agreed != tt.want || c.Compressed() != tt.want {
			t.Errorf("User-Agent %q: agreed on compression: %t, %t on the connection, want %t", tt.agent, agreed, c.Compressed(), tt.want)
		}
		w := newWire(t, nc, wsproto.RoleServer)
		must(t, c.Write(t.Context(), transport.MessageText, []byte(strings.Repeat("a", 1000))))
		g, err := w.next()
		must(t, err)
		if compressed := g.rsv == 4; compressed != tt.want {
			t.Errorf("User-Agent %q: %v, want it compressed: %t", tt.agent, g, tt.want)
		}
		must(t, c.CloseNow())
	}
}

func TestImpossibleCompressionIsRefusedWithAClearText(t *testing.T) {
	allow := func(*http.Request) bool { return true }
	for _, tt := range []struct {
		z              transport.Compression
		server, client string // the text; empty: nothing is wrong
	}{
		{z: transport.Compression{Takeover: 4}, server: "Compression: Takeover is 4", client: "Compression: Takeover is 4"},
		{z: transport.Compression{Window: 7}, server: "Compression: Window is 7, not 8 to 15", client: "Compression: Window is 7, not 8 to 15"},
		{z: transport.Compression{Window: 16}, server: "Compression: Window is 16, not 8 to 15", client: "Compression: Window is 16, not 8 to 15"},
		{z: transport.Compression{Window: -1}, server: "Compression: Window is -1, not 8 to 15", client: "Compression: Window is -1, not 8 to 15"},
		{z: transport.Compression{PeerWindow: 7}, server: "Compression: PeerWindow is 7, not 8 to 15", client: "Compression: PeerWindow is 7, not 8 to 15"},
		{z: transport.Compression{PeerWindow: 16}, server: "Compression: PeerWindow is 16, not 8 to 15", client: "Compression: PeerWindow is 16, not 8 to 15"},
		{z: transport.Compression{Threshold: -1}, server: "Compression: Threshold is -1", client: "Compression: Threshold is -1"},
		{z: transport.Compression{Takeover: transport.CommonTakeover}, client: "Compression: CommonTakeover is for servers"},
		{z: transport.Compression{Allow: allow}, client: "Compression: Allow is for servers"},
		{z: transport.Compression{Takeover: transport.WindowTakeover, Window: 8, PeerWindow: 8, Threshold: 1, Thorough: true, Verify: true}},
		{z: transport.Compression{Window: 15, PeerWindow: -5}},
	} {
		if got := newUpgraderPanics(&tt.z); !isRefusal(got, tt.server) {
			t.Errorf("NewUpgrader with %+v panics with %q, want %q", tt.z, got, tt.server)
		}
		if tt.client == "" {
			continue
		}
		// It costs no connection: nobody is there.
		_, err := transport.Dial(t.Context(), "ws://127.0.0.1:1/", &transport.DialOptions{Compression: &tt.z})
		if err == nil || !isRefusal(err.Error(), tt.client) {
			t.Errorf("Dial with %+v = %v, want %q", tt.z, err, tt.client)
		}
		err = transport.NewWebSocketTransport("ws://127.0.0.1:1/", transport.WithCompressionOptions(tt.z)).Connect(t.Context())
		if err == nil || !isRefusal(err.Error(), tt.client) {
			t.Errorf("Connect with %+v = %v, want %q", tt.z, err, tt.client)
		}
	}
}

// isRefusal reports whether a text says what is wrong, and nothing else.
func isRefusal(text, want string) bool {
	if want == "" {
		return text == ""
	}
	return strings.HasSuffix(text, ": "+want)
}

// newUpgraderPanics returns the text that NewUpgrader panics with.
func newUpgraderPanics(z *transport.Compression) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = r.(string)
		}
	}()
	transport.NewUpgrader(&transport.AcceptOptions{Compression: z})
	return ""
}

// TestThresholdIsTheSizeOfTheSmallestMessageThatIsCompressed, to the byte, in each way
// to send.
func TestThresholdIsTheSizeOfTheSmallestMessageThatIsCompressed(t *testing.T) {
	full := wsproto.DeflateParams{ServerBits: 15, ClientBits: 15}
	for _, tt := range []struct {
		name                  string
		z                     transport.Compression
		direct, shared, added int // the smallest that is compressed: alone, for many, of a history
	}{
		{"default", transport.Compression{}, 512, 512, 512},
		{"window", transport.Compression{Takeover: transport.WindowTakeover}, 64, 512, 512},
		{"common", transport.Compression{Takeover: transport.CommonTakeover}, 512, 512, 64},
		{"set", transport.Compression{Threshold: 100}, 100, 100, 100},
		{"set, window", transport.Compression{Takeover: transport.WindowTakeover, Threshold: 40}, 40, 40, 40},
		{"set, common", transport.Compression{Takeover: transport.CommonTakeover, Threshold: 700}, 700, 700, 700},
	} {
		for _, role := range []wsproto.Role{wsproto.RoleServer, wsproto.RoleClient} {
			if role == wsproto.RoleClient && tt.z.Takeover == transport.CommonTakeover {
				continue
			}
			z := tt.z
			z.Verify = true
			ours, theirs := memPipe()
			c := transport.NewCompressingConn(ours, role, transport.Limits{}, &z, full)
			t.Cleanup(func() { _ = c.CloseNow() })
			w := newWire(t, theirs, role)
			compressed := func(queue func() error) bool {
				must(t, queue())
				g, err := w.next()
				must(t, err)
				return g.rsv == 4
			}
			text := func(n int) []byte { return []byte(strings.Repeat("a", n)) }
			check := func(what string, smallest int, send func(p []byte) error) {
				for n := smallest - 1; n <= smallest; n++ {
					if got := compressed(func() error { return send(text(n)) }); got != (n >= smallest) {
						t.Errorf("%s: %v: %s, %d bytes are compressed: %t", tt.name, role, what, n, got)
					}
				}
			}
			check("to one", tt.direct, func(p []byte) error { return c.Queue(transport.MessageText, p) })
			if role == wsproto.RoleClient {
				continue // it shares nothing
			}
			check("to many", tt.shared, func(p []byte) error {
				return c.QueuePrepared(transport.NewPreparedMessage(transport.MessageText, p))
			})
			h := transport.NewUpgrader(&transport.AcceptOptions{Compression: &z}).NewHistory()
			check("in a history", tt.added, func(p []byte) error {
				m := transport.NewPreparedMessage(transport.MessageText, p)
				h.Add(m)
				return c.QueuePrepared(m)
			})
		}
	}
}
