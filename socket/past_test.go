package socket_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// withPast has rooms keep a history, and everything that is compressed inflated.
var withPast = socket.WithCompressionOptions(transport.Compression{Takeover: transport.CommonTakeover, Verify: true})

// guests are the clients of these tests: each kind takes messages in another form.
var guests = []struct {
	name    string
	kind    kind
	z       *transport.Compression // nil: none
	session bool
}{
	{"largest window", websocket, &transport.Compression{}, false},
	{"largest window", websocket, &transport.Compression{}, false},
	{"2 KiB", websocket, &transport.Compression{PeerWindow: 11}, false},
	{"512 bytes", websocket, &transport.Compression{PeerWindow: 9}, false},
	{"each message on its own", websocket, &transport.Compression{PeerWindow: -1}, false},
	{"no compression", websocket, nil, false},
	{"long polling", polling, nil, false},
	{"largest window, session", websocket, &transport.Compression{}, true},
	{"no compression, session", websocket, nil, true},
	{"long polling, session", polling, nil, true},
}

// guest is a client, and what it should get.
type guest struct {
	client *socket.Client
	socket socket.Socket
	got    *trace
	want   []string
	rooms  map[string]bool
	read   atomic.Int64 // bytes that have come from the server
}

// guest connects the nth kind of client.
func (e *env) guest(n int) *guest {
	e.t.Helper()
	g := &guest{got: new(trace), rooms: map[string]bool{}}
	of := guests[n%len(guests)]
	e.kind, e.webSocket = of.kind, []transport.WebSocketOption{transport.WithDialContext(
		func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := e.dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &readMeter{c, &g.read}, nil
		})}
	if of.z != nil {
		e.webSocket = append(e.webSocket, transport.WithCompressionOptions(*of.z))
	}
	g.client = e.client(socket.WithSession(of.session))
	g.client.On("x", func(data interface{}) { g.got.add("%v", data) })
	e.connect(g.client)
	var ok bool
	if g.socket, ok = e.server.GetSocket(g.client.ID()); !ok {
		e.t.Fatalf("the server does not know %q", g.client.ID())
	}
	return g
}

// readMeter counts what is read from a connection.
type readMeter struct {
	net.Conn
	n *atomic.Int64
}

func (m *readMeter) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.n.Add(int64(n))
	return n, err
}

// quote is the nth message of about size bytes, which resembles the others.
func quote(n, size int) string {
	rng := rand.New(rand.NewPCG(uint64(n), 81))
	var b strings.Builder
	fmt.Fprintf(&b, "%d ", n)
	for b.Len() < size {
		fmt.Fprintf(&b, "%s at %.2f, ", []string{"BTC-USD", "ETH-USD", "SOL-USD"}[rng.IntN(3)], 1000*rng.Float64())
	}
	return b.String()
}

// A model says who gets what while clients of all kinds come, go, join and leave, and
// get messages alone, in rooms, to all, and in bursts that fill their queues.
func TestEverybodyGetsEverythingWithAPast(t *testing.T) {
	for seed := range 3 {
		run(t, func(t *testing.T, e *env) {
			server := e.serve(withPast, socket.WithSendQueue(1<<20, 16))
			rng := rand.New(rand.NewPCG(uint64(seed), 82))
			var all []*guest
			for i := range 2 * len(guests) {
				all = append(all, e.guest(i))
			}
			rooms := []string{"a", "b", "c"}
			n := 0
			send := func(to func(g *guest) bool, how func(data string) error) {
				n++
				data := quote(n, 30+rng.IntN(600))
				for _, g := range all {
					if to(g) {
						g.want = append(g.want, data)
					}
				}
				if err := how(data); err != nil {
					t.Errorf("message %d: %v", n, err)
				}
			}
			toRoom := func(room string) {
				send(func(g *guest) bool { return g.rooms[room] }, func(data string) error { return server.BroadcastToRoom(room, "x", data) })
			}
			for range 150 {
				i := rng.IntN(len(all))
				g, room := all[i], rooms[rng.IntN(len(rooms))]
				switch rng.IntN(20) {
				default:
					toRoom(room)
				case 0, 1, 2:
					g.rooms[room] = true
					if err := g.socket.Join(room); err != nil {
						t.Error(err)
					}
				case 3:
					delete(g.rooms, room)
					g.socket.Leave(room)
				case 4:
					send(func(*guest) bool { return true }, func(data string) error { return server.Broadcast("x", data) })
				case 5:
					send(func(g *guest) bool { return g.rooms["a"] || g.rooms["b"] }, func(data string) error {
						return server.BroadcastToRooms([]string{"a", "b"}, "x", data)
					})
				case 6, 7:
					send(func(h *guest) bool { return h == g }, func(data string) error { return g.socket.Send("x", data) })
				case 8: // more than a queue has room for
					e.settle()
					for range 28 {
						toRoom(room)
					}
					e.settle()
				case 9: // somebody else in place of g
					e.settle()
					g.check(t, i)
					g.client.Close()
					e.settle()
					all[i] = e.guest(i)
				case 10: // a room dies
					if rng.IntN(3) == 0 {
						for _, g := range all {
							delete(g.rooms, room)
							g.socket.Leave(room)
						}
					}
				case 11:
					e.settle()
				}
			}
			e.settle()
			for i, g := range all {
				g.check(t, i)
			}
		}, "mixed")
	}
}

func (g *guest) check(t *testing.T, i int) {
	t.Helper()
	got := g.got.all()
	for n := range max(len(got), len(g.want)) {
		if n >= len(got) || n >= len(g.want) || got[n] != g.want[n] {
			t.Fatalf("%s: %d messages, want %d, which differ from message %d on", guests[i%len(guests)].name, len(got), len(g.want), n)
		}
	}
}

func TestARoomsPastMakesItsMessagesSmall(t *testing.T) {
	for _, to := range []string{"room", "all"} {
		t.Run(to, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve(withPast, socket.WithPingInterval(-1)) // no pings among the bytes
				var all []*guest
				enter := func(kind int) *guest {
					g := e.guest(kind)
					if err := g.socket.Join("room"); err != nil {
						t.Fatal(err)
					}
					all = append(all, g)
					return g
				}
				n, plain := 0, int64(0)
				// broadcast sends messages and returns how many bytes each of all got.
				broadcast := func(messages int) []int64 {
					e.settle()
					plain = 0
					read := make([]int64, len(all))
					for i, g := range all {
						read[i] = -g.read.Load()
					}
					for range messages {
						n++
						data := quote(n, 200)
						plain += int64(len(`{"event":"x","data":""}`) + len(data))
						if to == "all" {
							server.Broadcast("x", data)
						} else {
							server.BroadcastToRoom("room", "x", data)
						}
					}
					e.settle()
					for i, g := range all {
						read[i] += g.read.Load()
					}
					return read
				}
				const large, small, alone, none = 0, 3, 4, 5
				for _, kind := range []int{large, small, alone, none} {
					enter(kind)
				}
				broadcast(50)
				read := broadcast(50)
				if 2*read[0] > plain || 2*read[1] > plain {
					t.Errorf("%d bytes come as %d, and as %d with a window of 512 bytes", plain, read[0], read[1])
				}
				if read[2] < plain || read[3] < plain {
					t.Errorf("%d bytes come as %d to those who want each message on its own, and as %d without compression", plain, read[2], read[3])
				}
				enter(large)
				broadcast(12)
				if read = broadcast(10); 3*read[0] < 2*read[4] {
					t.Errorf("after a dozen messages, ten take %d bytes for a newcomer, and %d for another", read[4], read[0])
				}
				broadcast(40)
				if read = broadcast(10); read[0] != read[4] {
					t.Errorf("at last, messages take %d bytes for a newcomer, and %d for another", read[4], read[0])
				}
				// What is sent to one alone in between costs the others nothing.
				all[4].socket.Send("x", quote(n, 2000))
				if read = broadcast(10); read[0] >= read[4] {
					t.Errorf("ten messages take %d bytes for one who got something else, and %d for another", read[4], read[0])
				}
			}, "mixed")
		})
	}
}

// Everything at once: messages of one publisher stay in order for everybody, whatever
// rooms come and go.
func TestPastOfRoomsThatComeAndGo(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(withPast)
		var all []*guest
		for i := range 2 * len(guests) {
			all = append(all, e.guest(i))
		}
		rooms := []string{"a", "b", "c"}
		var wg sync.WaitGroup
		for p := range 6 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(p), 83))
				for i := range 150 {
					g, room := all[rng.IntN(len(all))], rooms[rng.IntN(len(rooms))]
					data := fmt.Sprintf("%d:%d:%s", p, i, quote(i, 20+rng.IntN(400)))
					var err error
					switch rng.IntN(10) {
					default:
						err = server.BroadcastToRoom(room, "x", data)
					case 0:
						err = server.Broadcast("x", data)
					case 1:
						err = server.BroadcastToRooms(rooms[:2], "x", data)
					case 2:
						err = g.socket.Send("x", data)
					case 3, 4:
						err = g.socket.Join(room)
					case 5, 6:
						g.socket.Leave(room)
					case 7:
						server.LeaveAll(g.socket.ID())
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		server.Broadcast("x", "end")
		e.settle()
		for i, g := range all {
			last := map[string]int{}
			lines := g.got.all()
			if len(lines) == 0 || lines[len(lines)-1] != "end" {
				t.Fatalf("%s: the last message is missing", guests[i%len(guests)].name)
			}
			for _, line := range lines[:len(lines)-1] {
				p, rest, _ := strings.Cut(line, ":")
				var n int
				if _, err := fmt.Sscanf(rest, "%d:", &n); err != nil || n < last[p] {
					t.Fatalf("%s: publisher %s: %.20q comes after message %d", guests[i%len(guests)].name, p, line, last[p])
				}
				last[p] = n
			}
		}
		for _, g := range all {
			server.LeaveAll(g.socket.ID())
		}
		if n := socket.RoomCount(server); n != 0 {
			t.Errorf("%d rooms are left", n)
		}
	}, "mixed")
}

// A client that is behind gets what was kept for it in order, each message in a form
// that it can inflate, and with those that were published meanwhile.
func TestWhoWasBehindHasThePastOfTheOthers(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(withPast, socket.WithSendQueue(1<<20, 16))
		quick, slow := e.guest(0), e.guest(0)
		n := 0
		publish := func() {
			n++
			data := quote(n, 8000)
			for _, g := range []*guest{quick, slow} {
				g.want = append(g.want, data)
			}
			if err := server.BroadcastToRoom("room", "x", data); err != nil {
				t.Fatal(err)
			}
		}
		for _, g := range []*guest{quick, slow} {
			if err := g.socket.Join("room"); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			publish()
			e.settle()
		}
		line := e.latest
		line.Stall()
		for socket.Behind(server) == 0 {
			if n++; n > 500 {
				t.Fatal("nobody is behind")
			}
			publish()
			synctest.Wait()
		}
		kept := socket.Behind(server)
		for range 3 {
			publish()
			quick.want = append(quick.want, "alone")
			if err := quick.socket.Send("x", "alone"); err != nil { // settles the log
				t.Fatal(err)
			}
		}
		if now := socket.Behind(server); now != kept+3 {
			t.Errorf("%d messages are kept, want %d", now, kept+3)
		}
		line.Resume()
		e.settle()
		for range 5 {
			publish()
			e.settle()
		}
		quick.check(t, 0)
		slow.check(t, 0)
		if !slow.socket.IsConnected() {
			t.Error("who was behind is not connected any more")
		}
	}, "mixed")
}

// What is broadcast is framed, and compressed, once for those with a session and those
// without: they get the same bytes. The first message alone has a number of its own.
func TestSessionsAndOthersGetBroadcastsInTheSameFrames(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(withPast, socket.WithPingInterval(-1)) // no pings among the bytes
		var all []*guest
		for _, n := range []int{0, 7, 5, 8} {
			all = append(all, e.guest(n))
		}
		n := 0
		publish := func() {
			n++
			for _, g := range all {
				g.want = append(g.want, quote(n, 300))
			}
			if err := server.Broadcast("x", quote(n, 300)); err != nil {
				t.Fatal(err)
			}
			e.settle()
		}
		for range 150 { // all have the past in their windows
			publish()
		}
		before := make([]int64, len(all))
		for i, g := range all {
			before[i] = g.read.Load()
		}
		for range 100 {
			publish()
		}
		for i, g := range all {
			g.check(t, i)
			before[i] = g.read.Load() - before[i]
		}
		if before[0] != before[1] || before[2] != before[3] || before[0] > before[2]/2 {
			t.Errorf("100 messages of 300 bytes took %d compressed, and %d with a session; %d as they are, and %d with a session",
				before[0], before[1], before[2], before[3])
		}
	}, "mixed")
}
