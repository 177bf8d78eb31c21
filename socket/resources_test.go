package socket_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// rawWebSocket opens a WebSocket connection with nothing behind it on the
// client's side but the TCP connection.
func rawWebSocket(t *testing.T, address string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	const handshake = "GET / HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := io.WriteString(nc, handshake); err != nil {
		t.Fatal(err)
	}
	// One byte at a time, so that no frame behind the answer is swallowed.
	answer, err := http.ReadResponse(bufio.NewReader(iotest.OneByteReader(nc)), nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %v, %v", answer, err)
	}
	return nc
}

// awaitGoroutines waits until exactly n goroutines of this module run, and
// returns their stacks.
func awaitGoroutines(t *testing.T, n int) []string {
	t.Helper()
	var stacks []string
	for range 500 {
		if stacks = ourGoroutines(); len(stacks) == n {
			return stacks
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, want %d; the last one:\n%s", len(stacks), n, strings.Join(stacks[max(len(stacks)-1, 0):], ""))
	return stacks
}

func TestNewServerStartsNothing(t *testing.T) {
	server := socket.NewServer(socket.WithLogger(nil))
	server.HandleFunc("x", func(socket.Socket, interface{}) {})
	server.Broadcast("x", 1)
	server.BroadcastParallel("x", 1)
	awaitGoroutines(t, 0)
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	socket.NewClient(new(flaky))
	awaitGoroutines(t, 0)
}

// An idle connection is no goroutine where the system can watch over it, and one
// elsewhere. There are two more for all of them: the server's pulse and what watches.
// When the last is gone nothing is left, without Shutdown.
func TestIdleWebSocketConnectionsShareTheirGoroutines(t *testing.T) {
	const n = 200
	want := 2
	if runtime.GOOS != "linux" {
		want = n + 1
	}
	server := socket.NewServer(socket.WithLogger(nil), socket.WithMaxConcurrency(0))
	server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) { s.Send("hello", nil) })
	server.HandleFunc("echo", func(s socket.Socket, data interface{}) { s.Send("echo", data) })
	h := httptest.NewServer(server)
	defer h.Close()
	before := runtime.NumGoroutine()
	var conns []net.Conn
	for range n {
		nc := rawWebSocket(t, h.Listener.Addr().String())
		// Each has sent and received before it is idle.
		io.WriteString(nc, "\x81\x90\x00\x00\x00\x00"+`{"event":"echo"}`)
		conns = append(conns, nc)
	}
	for _, nc := range conns {
		io.ReadFull(nc, make([]byte, 2*2+len(`{"event":"hello","data":null}{"event":"echo","data":null}`)))
	}
	awaitGoroutines(t, want)
	// Fewer, if some of an earlier test have ended meanwhile.
	if more := runtime.NumGoroutine() - before; more > want {
		t.Errorf("%d goroutines more in the process for %d connections", more, n)
	}
	for _, nc := range conns {
		nc.Close()
	}
	awaitGoroutines(t, 0)
	if c := server.Count(); c != 0 {
		t.Errorf("Count() = %d after the end of all", c)
	}
}

// A session of long polling is no goroutine at all between two requests.
func TestIdlePollingSessionIsNoGoroutine(t *testing.T) {
	const n = 200
	server := socket.NewServer(socket.WithLogger(nil), socket.WithMaxConcurrency(0),
		socket.WithPingInterval(100*time.Millisecond), socket.WithCloseTimeout(10*time.Millisecond))
	server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) { s.Send("hello", nil) })
	for range n {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest("POST", "/?transport=polling", nil))
		if w.Code != 200 {
			t.Fatalf("opening was answered %d", w.Code)
		}
	}
	awaitGoroutines(t, 1)
	for _, s := range socket.Sockets(server) {
		s.Close()
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	awaitGoroutines(t, 0)
}

// The memory of an idle connection, everything included but what the kernel
// holds: the server's net.Conn and stack, and the test's own end.
func TestBytesOfAnIdleWebSocketConnection(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	const n = 400
	server := socket.NewServer(socket.WithLogger(nil), socket.WithMaxConcurrency(0))
	server.HandleFunc("echo", func(s socket.Socket, data interface{}) { s.Send("echo", data) })
	h := httptest.NewServer(server)
	defer h.Close()
	memory := func() (heap, stack uint64) {
		// What is pooled is no connection's; two rounds empty the pools.
		runtime.GC()
		runtime.GC()
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, m.StackInuse
	}
	open := func(n int) {
		var conns []net.Conn
		for range n {
			conns = append(conns, rawWebSocket(t, h.Listener.Addr().String()))
		}
		for _, nc := range conns {
			io.WriteString(nc, "\x81\x90\x00\x00\x00\x00"+`{"event":"echo"}`)
			io.ReadFull(nc, make([]byte, 2+len(`{"event":"echo","data":null}`)))
		}
	}
	open(10)
	heap, stack := memory()
	open(n)
	heap2, stack2 := memory()
	perHeap, perStack := int64(heap2-heap)/n, int64(stack2-stack)/n
	t.Logf("an idle connection: %d bytes of heap, %d of stack", perHeap, perStack)
	mostHeap, mostStack := int64(2560), int64(1<<10) // half of the heap is the test's own end
	if runtime.GOOS != "linux" {
		mostHeap, mostStack = 6<<10, 6<<10 // with net.Conn's part, and a goroutine
	}
	if perHeap > mostHeap || perStack > mostStack {
		t.Errorf("an idle connection takes %d bytes of heap and %d of stack", perHeap, perStack)
	}
}

// An event takes memory for what its handler is given and what it sends, and nothing
// for itself.
func TestEventsAllocateOnlyTheirData(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops what is pooled")
	}
	server := socket.NewServer(socket.WithLogger(nil), socket.WithMaxConcurrency(0))
	socket.Handle(server, "text", func(s socket.Socket, text string) { s.Send("text", text) })
	server.HandleFunc("any", func(s socket.Socket, data interface{}) { s.Send("any", data) })
	h := httptest.NewServer(server)
	defer h.Close()
	nc := rawWebSocket(t, h.Listener.Addr().String())
	for _, tt := range []struct {
		event string
		most  float64
	}{
		{"text", 2}, // the string, and the interface that Send takes
		{"any", 2},  // the string, and the interface that the handler takes
	} {
		message := `{"event":"` + tt.event + `","data":"hello, world"}`
		say := append([]byte{0x81, 0x80 | byte(len(message)), 0, 0, 0, 0}, message...)
		answer := make([]byte, 2+len(message))
		got := testing.AllocsPerRun(500, func() {
			if _, err := nc.Write(say); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(nc, answer); err != nil || string(answer[2:]) != message {
				t.Fatalf("answer %q, %v", answer, err)
			}
		})
		if got > tt.most {
			t.Errorf("%s: %v allocations for each event, want at most %v", tt.event, got, tt.most)
		}
	}
}
