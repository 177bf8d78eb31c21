package transport_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// takeoverPair returns both ends of a connection in memory whose server keeps a window
// of 4 KiB each way, without what checks it.
func takeoverPair(t *testing.T, budget *transport.Budget) (server, client *transport.Conn) {
	return pairOf(t, budget, wsproto.DeflateParams{ServerBits: 15, ClientBits: 12})
}

func pairOf(t *testing.T, budget *transport.Budget, agreed wsproto.DeflateParams) (server, client *transport.Conn) {
	a, b := memnet.Pipe()
	z := &transport.Compression{Takeover: transport.WindowTakeover, PeerWindow: 12}
	server = transport.NewCompressingConn(a, wsproto.RoleServer, transport.Limits{MemoryBudget: budget}, z, agreed)
	client = transport.NewCompressingConn(b, wsproto.RoleClient, transport.Limits{},
		&transport.Compression{Takeover: transport.WindowTakeover}, agreed)
	t.Cleanup(func() { _, _ = server.CloseNow(), client.CloseNow() })
	return server, client
}

// exchangeMany sends messages until a window of 4 KiB is full several times, and reads them.
func exchangeMany(t *testing.T, from, to *transport.Conn) {
	t.Helper()
	for i := range 10 {
		m := fmt.Appendf(nil, `{"n":%d,%q}`, i, bytes.Repeat([]byte{'a' + byte(i)}, 700))
		must(t, from.Write(t.Context(), transport.MessageText, m))
		if _, got, err := to.Read(t.Context()); err != nil || !bytes.Equal(got, m) {
			t.Fatalf("message %d comes as %.80q, %v", i, got, err)
		}
	}
}

// exchangeAll is exchangeMany in a bubble.
func exchangeAll(t *testing.T, from, to *transport.Conn) {
	t.Helper()
	exchangeMany(t, from, to)
	synctest.Wait() // until the last write has returned, which is counted too
}

// TestTakeoverCostsAWindowAndNothingBeforeItIsUsed counts the heap of the server's
// ends, which alone have windows: those of clients are forgotten before it is counted.
func TestTakeoverCostsAWindowAndNothingBeforeItIsUsed(t *testing.T) {
	connections := int64(200)
	if raceEnabled {
		connections = 50
	}
	measure := func(agreed wsproto.DeflateParams, use func(server, client *transport.Conn)) int64 {
		servers, clients := make([]*transport.Conn, connections), make([]*transport.Conn, connections)
		for i := range servers {
			servers[i], clients[i] = pairOf(t, nil, agreed)
		}
		before := heap()
		for i := range servers {
			use(servers[i], clients[i])
		}
		each := (heap() - before) / connections
		runtime.KeepAlive(clients)
		for i := range servers {
			_, _ = servers[i].CloseNow(), clients[i].CloseNow()
		}
		return each
	}
	out := func(server, client *transport.Conn) { exchangeMany(t, server, client) }
	in := func(server, client *transport.Conn) { exchangeMany(t, client, server) }
	none := wsproto.DeflateParams{ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 12, ClientBits: 12}
	sends := wsproto.DeflateParams{ClientNoTakeover: true, ServerBits: 12, ClientBits: 12}
	receives := wsproto.DeflateParams{ServerNoTakeover: true, ServerBits: 12, ClientBits: 12}
	measure(none, out) // the first pays for what stays
	// Each window is there twice, at the sender's and at the receiver's.
	for _, tt := range []struct {
		name   string
		agreed wsproto.DeflateParams
		use    func(server, client *transport.Conn)
	}{
		{"sent", sends, out},
		{"received", receives, in},
	} {
		with, without := measure(tt.agreed, tt.use), measure(none, tt.use)
		window := (with - without) / 2
		t.Logf("%s: a window takes %d bytes", tt.name, window)
		if window < 4<<10-200 || window > 4300 {
			t.Errorf("%s: a window of 4 KiB takes %d bytes, want at most 4,300", tt.name, window)
		}
	}
	// What is agreed on takes nothing until it is used.
	both := wsproto.DeflateParams{ServerBits: 12, ClientBits: 12}
	short := func(server, client *transport.Conn) {
		must(t, server.Write(t.Context(), transport.MessageText, []byte("too short to be compressed")))
		_, _, err := client.Read(t.Context())
		must(t, err)
	}
	with, without := measure(both, short), measure(none, short)
	if more := with - without; more > 100 {
		t.Errorf("an unused window takes %d bytes, want none", more)
	}
}

// TestAgreementOnTakeoverTakesLittle compares connections that a server has accepted,
// the client's end included.
func TestAgreementOnTakeoverTakesLittle(t *testing.T) {
	const connections = 200
	measure := func(z *transport.Compression) int64 {
		served := make(chan *transport.Conn, connections)
		h := liveServer(t, &transport.AcceptOptions{Compression: z}, func(c *transport.Conn) { served <- c })
		wires := make([]*wire, connections)
		before := heap()
		for i := range wires {
			wires[i] = upgraded(t, h, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
		}
		each := (heap() - before) / connections
		for i := range wires {
			must(t, (<-served).CloseNow())
			must(t, wires[i].nc.Close())
		}
		return each
	}
	measure(nil) // the first pays for what stays
	without := measure(nil)
	for _, takeover := range []transport.Takeover{transport.WindowTakeover, transport.TableTakeover, transport.CommonTakeover} {
		more := measure(&transport.Compression{Takeover: takeover, PeerWindow: 12}) - without
		t.Logf("takeover %d: an agreement takes %d bytes", takeover, more)
		if more > 600 {
			t.Errorf("takeover %d: an agreement takes %d bytes of a connection, want at most 600", takeover, more)
		}
	}
}

// TestWindowsAreGivenBackToTheBudget, however a connection ends.
func TestWindowsAreGivenBackToTheBudget(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, server, client *transport.Conn)
	}{
		{"closed by the server", func(t *testing.T, server, client *transport.Conn) {
			go client.Read(t.Context()) // ends with the connection
			must(t, server.Close(transport.StatusNormalClosure, ""))
		}},
		{"closed by the client", func(t *testing.T, server, client *transport.Conn) {
			must(t, client.QueueClose(transport.StatusNormalClosure, ""))
			go client.Read(t.Context()) // ends with the connection
			if _, _, err := server.Read(t.Context()); err == nil {
				t.Error("there is no end")
			}
		}},
		{"cut by the server", func(t *testing.T, server, client *transport.Conn) { must(t, server.CloseNow()) }},
		{"cut by the client", func(t *testing.T, server, client *transport.Conn) {
			must(t, client.CloseNow())
			if _, _, err := server.Read(t.Context()); err == nil {
				t.Error("there is no end")
			}
		}},
		{"refused for what the client sent", func(t *testing.T, server, client *transport.Conn) {
			must(t, client.Write(t.Context(), transport.MessageBinary, make([]byte, 2<<20)))
			if _, _, err := server.Read(t.Context()); err == nil {
				t.Error("a message of 2 MiB comes")
			}
			must(t, server.CloseNow())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := transport.NewBudget(1 << 20)
				server, client := takeoverPair(t, budget)
				if used := budget.Used(); used != 0 {
					t.Errorf("%d bytes are used before the first message", used)
				}
				exchangeAll(t, server, client)
				if used := budget.Used(); used != 4<<10 {
					t.Errorf("%d bytes are used after messages to the client, want a window of 4 KiB", used)
				}
				exchangeAll(t, client, server)
				if used := budget.Used(); used != 8<<10 {
					t.Errorf("%d bytes are used after messages both ways, want two windows of 4 KiB", used)
				}
				tt.end(t, server, client)
				<-server.Done()
				if used := budget.Used(); used != 0 {
					t.Errorf("%d bytes are used after the end, want 0", used)
				}
				if err := server.Write(t.Context(), transport.MessageText, make([]byte, 1000)); err == nil {
					t.Error("a message is sent after the end")
				}
				if used := budget.Used(); used != 0 {
					t.Errorf("%d bytes are used by a message after the end, want 0", used)
				}
			})
		})
	}
}

// TestFullBudgetMakesASenderForgetItsWindow instead of failing: messages go on to be
// compressed, each on its own.
func TestFullBudgetMakesASenderForgetItsWindow(t *testing.T) {
	synctest.Test(t, fullBudget)
}

func fullBudget(t *testing.T) {
	budget := transport.NewBudget(1 << 20)
	server, client := takeoverPair(t, budget)
	exchangeAll(t, server, client)
	many := func() {
		t.Helper()
		m := transport.NewPreparedMessage(transport.MessageText, bytes.Repeat([]byte("to many "), 200))
		must(t, server.WritePrepared(t.Context(), m))
		if _, got, err := client.Read(t.Context()); err != nil || !bytes.Equal(got, m.Payload()) {
			t.Fatalf("a message for many comes as %.80q, %v", got, err)
		}
		synctest.Wait()
	}
	rest := budget.Max() - budget.Used()
	budget.Add(rest)
	exchangeAll(t, server, client) // the window does not grow, so it stays
	many()
	if used := budget.Used() - rest; used != 4<<10 {
		t.Errorf("%d bytes are used for a window that was there before, want 4 KiB", used)
	}
	late, peer := takeoverPair(t, budget)
	exchangeAll(t, late, peer)
	if used := budget.Used(); used != budget.Max() {
		t.Errorf("%d bytes are used while the budget is full, want %d", used, budget.Max())
	}
	// What the client has to say needs a window, which nobody can forget for it.
	must(t, peer.Write(t.Context(), transport.MessageText, bytes.Repeat([]byte("a"), 1000)))
	if _, _, err := late.Read(t.Context()); err == nil {
		t.Error("a window for what is received is held beyond the budget")
	}
	if _, _, err := peer.Read(t.Context()); transport.CloseStatus(err) != transport.StatusTryAgainLater {
		t.Errorf("the client whose window is too much is told %v, want code 1013", err)
	}
	must(t, late.CloseNow())
	budget.Add(-rest)
	later, peer := takeoverPair(t, budget)
	exchangeAll(t, later, peer)
	if used := budget.Used(); used != 8<<10 {
		t.Errorf("%d bytes are used once there is room, want two windows", used)
	}
	_, _ = server.CloseNow(), later.CloseNow()
	<-server.Done()
	<-later.Done()
	if used := budget.Used(); used != 0 {
		t.Errorf("%d bytes are used after the end, want 0", used)
	}
}

// TestWindowThatIsForgottenIsNotReferredTo compares the sizes of a message that is sent
// twice: it says all of itself again while there is no memory to remember it.
func TestWindowThatIsForgottenIsNotReferredTo(t *testing.T) {
	synctest.Test(t, forgetting)
}

func forgetting(t *testing.T) {
	budget := transport.NewBudget(1 << 20)
	ours, theirs := memPipe()
	c := transport.NewCompressingConn(ours, wsproto.RoleServer, transport.Limits{MemoryBudget: budget},
		&transport.Compression{Takeover: transport.WindowTakeover}, wsproto.DeflateParams{ServerBits: 15, ClientBits: 15, ClientNoTakeover: true})
	t.Cleanup(func() { _ = c.CloseNow() })
	w := newWire(t, theirs, wsproto.RoleServer)
	size := func(queue func() error) int {
		t.Helper()
		must(t, queue())
		g, err := w.next()
		must(t, err)
		if g.rsv != 4 {
			t.Fatalf("%v is not compressed", g)
		}
		synctest.Wait() // until the write has returned: one that lasts needs memory too
		return len(g.payload)
	}
	message := compressible(700)
	alone := func() int { return size(func() error { return c.Queue(transport.MessageText, message) }) }
	many := transport.NewPreparedMessage(transport.MessageText, message)
	budget.Add(budget.Max())
	for range 3 {
		first := alone()
		size(func() error { return c.QueuePrepared(many) })
		if again := alone(); again != first {
			t.Errorf("without memory a message has %d bytes, and then %d", first, again)
		}
	}
	budget.Add(-budget.Max())
	size(func() error { return c.QueuePrepared(many) })
	first := alone()
	budget.Add(budget.Max())
	if kept := alone(); first > 100 || kept > 100 {
		t.Errorf("a message that the peer has already takes %d bytes, and %d in a window that is kept", first, kept)
	}
	budget.Add(-budget.Max())
}
