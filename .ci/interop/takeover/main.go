// Command takeover is this module's end of the interop step's tests of context takeover.
//
//	takeover serve ADDRESS   echoes and rooms, for clients that share no code with it
//	takeover dial URL…       a client of servers that echo whatever they get
//
// Everything that it compresses is inflated at once by compress/flate too.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// configurations are served each under a path of its own: events under /socket/NAME,
// echoes of whole messages under /raw/NAME.
var configurations = map[string]transport.Compression{
	"none":    {},
	"window":  {Takeover: transport.WindowTakeover, PeerWindow: 15},
	"small":   {Takeover: transport.WindowTakeover, Window: 9, PeerWindow: 9},
	"large":   {Takeover: transport.WindowTakeover, Window: 15, PeerWindow: 15, Thorough: true},
	"one-way": {Takeover: transport.WindowTakeover},
	"common":  {Takeover: transport.CommonTakeover, PeerWindow: 12},
}

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		log.Fatal(serve(os.Args[2]))
	case len(os.Args) > 2 && os.Args[1] == "dial":
		for _, u := range os.Args[2:] {
			if err := dialAll(u); err != nil {
				log.Fatal(err)
			}
		}
	default:
		log.Fatal("usage: takeover serve ADDRESS | takeover dial URL…")
	}
}

func serve(addr string) error {
	mux := http.NewServeMux()
	for name, z := range configurations {
		z.Verify = true
		s := socket.NewServer(socket.WithCompressionOptions(z), socket.WithMaxMessageSize(1<<20), socket.WithInsecureAnyOrigin(), socket.WithLogger(nil))
		socket.Handle(s, "echo", func(c socket.Socket, data json.RawMessage) { c.Send("echo", data) })
		socket.Handle(s, "join", func(c socket.Socket, room string) {
			c.Join(room)
			c.Send("joined", room)
		})
		socket.Handle(s, "say", func(c socket.Socket, m struct {
			Room string          `json:"room"`
			What json.RawMessage `json:"what"`
		}) {
			s.BroadcastToRoom(m.Room, "said", m.What)
		})
		mux.Handle("/socket/"+name, s)
		u := transport.NewUpgrader(&transport.AcceptOptions{Compression: &z, InsecureAllowAnyOrigin: true, Limits: transport.Limits{MaxMessageSize: 1 << 20}})
		mux.HandleFunc("/raw/"+name, func(w http.ResponseWriter, r *http.Request) {
			if c, err := u.Accept(w, r, nil); err == nil {
				c.Start(echo{})
			}
		})
	}
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>takeover</title>")
	})
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return http.Serve(l, mux)
}

type echo struct{}

func (echo) OnMessage(c *transport.Conn, typ transport.MessageType, p []byte) {
	_ = c.Write(context.Background(), typ, p) // what comes of a failure, the peer sees
}

func (echo) OnClose(*transport.Conn, error) {}

// dialAll is a client that offers each kind of compression in turn.
func dialAll(rawURL string) error {
	for _, z := range []transport.Compression{
		{},
		{Takeover: transport.WindowTakeover},
		{Takeover: transport.WindowTakeover, Window: 15, Thorough: true},
		{Takeover: transport.WindowTakeover, Window: 9},
		{Takeover: transport.WindowTakeover, PeerWindow: 9},
		{Takeover: transport.WindowTakeover, PeerWindow: 15},
		{PeerWindow: -1},
	} {
		z.Verify = true
		if strings.Contains(rawURL, "?max=1") && z.PeerWindow == 9 {
			continue // ws declines offers of less than it is told to use
		}
		if err := dial(rawURL, &z); err != nil {
			return fmt.Errorf("%s with %+v: %w", rawURL, z, err)
		}
	}
	return nil
}

// counted counts what it reads.
type counted struct {
	net.Conn
	in *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, err
}

func dial(rawURL string, z *transport.Compression) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var in atomic.Int64
	c, err := transport.Dial(ctx, rawURL, &transport.DialOptions{
		Compression: z,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			return counted{nc, &in}, err
		},
	})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	if !c.Compressed() {
		return fmt.Errorf("no compression was agreed on")
	}
	plain := 0
	messages := mixed(300)
	go func() { // ends when all are sent, or the connection is gone
		for _, m := range messages {
			_ = c.Write(ctx, m.typ, m.data) // what comes of a failure shows below
		}
	}()
	for i, m := range messages {
		typ, got, err := c.Read(ctx)
		if err != nil || typ != m.typ || !bytes.Equal(got, m.data) {
			return fmt.Errorf("message %d, %v of %d bytes, comes back as %v of %d: %v", i, m.typ, len(m.data), typ, len(got), err)
		}
		plain += len(m.data)
	}
	if err := c.Close(transport.StatusNormalClosure, ""); err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	fmt.Printf("  ok  %s: takeover %d, windows %d and %d: %d messages, %d bytes came as %d\n",
		rawURL, z.Takeover, z.Window, z.PeerWindow, len(messages), plain, in.Load())
	return nil
}

type message struct {
	typ  transport.MessageType
	data []byte
}

// mixed returns messages of all kinds and sizes, many of them like earlier ones.
func mixed(n int) []message {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	list := make([]message, n)
	for i := range list {
		m := &list[i]
		m.typ = transport.MessageText
		switch i % 10 {
		case 0:
			m.data = []byte("ü€🐙"[:2])
		case 1:
			m.data = nil
		case 2:
			m.typ, m.data = transport.MessageBinary, make([]byte, rng.IntN(3000))
			for j := range m.data {
				m.data[j] = byte(rng.Uint32())
			}
		case 3:
			m.data = []byte(strings.Repeat(fmt.Sprintf("%d grüße 🐙 ", i), 1+rng.IntN(2000)))
		case 4:
			m.typ, m.data = transport.MessageBinary, make([]byte, rng.IntN(50000))
		case 5:
			*m = list[i-2] // of up to 40 KB, again
		case 6:
			*m = list[max(0, i-40)]
		default:
			m.data = fmt.Appendf(nil, `{"symbol":"AB%d","bid":%d.%02d,"ask":%d.%02d,"at":%d,"venues":["XETRA","NYSE","LSE"]}`,
				rng.IntN(20), rng.IntN(100), rng.IntN(100), rng.IntN(100), rng.IntN(100), 1700000000+i)
		}
	}
	return list
}
