package transport_test

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// An idle connection costs no goroutine, or one where nothing can watch it, no
// buffer, and little memory: also one that has been busy.
func TestIdleConnectionCostsNoBufferAndAtMostOneSmallGoroutine(t *testing.T) {
	if raceEnabled || !canTry {
		t.Skip("the race detector takes memory of its own")
	}
	t.Run("watched", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("nothing watches connections here")
		}
		testIdleCost(t, true, 2560) // half of it is the test's own, and what all share
	})
	t.Run("unwatched", func(t *testing.T) { testIdleCost(t, false, 7<<10) }) // a stack
}

// testIdleCost measures connections that may cost so many bytes each when they have
// been started.
func testIdleCost(t *testing.T, watched bool, most int64) {
	const n = 400 // the 32 KiB that the runtime may take for stacks are little beside them
	goroutinesEach, shared := 1, 0
	if watched {
		goroutinesEach, shared = 0, 1
	}
	var servers, clients []net.Conn
	for range n {
		a, b := loopback(t)
		servers, clients = append(servers, a), append(clients, b)
	}
	echoRounds(t, loopback, 1, 1)() // what is made once for all is there
	goroutines, bytes := runtime.NumGoroutine(), memoryInUse()
	per := func() int64 { // the least of a few: the runtime takes some now and then, and gives it back
		return (min(memoryInUse(), memoryInUse(), memoryInUse()) - bytes) / n
	}
	var conns []*transport.Conn
	for _, nc := range servers {
		conns = append(conns, testConn(t, nc, wsproto.RoleServer, transport.Limits{}))
	}
	if got := runtime.NumGoroutine() - goroutines; got > 0 {
		t.Errorf("%d connections that nobody reads have %d goroutines, want none", n, got)
	}
	t.Logf("a connection that nobody reads costs %d bytes", per())
	if got := per(); got > 1280 {
		t.Errorf("a connection that nobody reads costs %d bytes, want at most 1.25 KiB", got)
	}
	for _, c := range conns {
		if !watched {
			c.Unwatch()
		}
		c.Start(echoAll{})
	}
	for _, message := range []string{"small", strings.Repeat("large", 10_000)} {
		for i, nc := range clients {
			w := &wire{t: t, nc: nc, role: wsproto.RoleClient}
			w.send(w.text(message), w.text(message))
			w.want("echo", gotText(message), gotText(message))
			for !conns[i].Waiting() {
				runtime.Gosched()
			}
		}
		// Fewer, if some of an earlier test have ended meanwhile. One that has just
		// answered may be on its way to wait.
		bound := goroutinesEach*n + shared
		for range 1000 {
			if runtime.NumGoroutine()-goroutines <= bound {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if got := runtime.NumGoroutine() - goroutines; got > bound {
			t.Errorf("%d started connections have %d goroutines, want at most %d", n, got, bound)
		}
		t.Logf("an idle connection costs %d bytes after messages of %d bytes", per(), len(message))
		if got := per(); got > most {
			t.Errorf("an idle connection costs %d bytes after messages of %d bytes, want at most %d", got, len(message), most)
		}
	}
	for _, c := range conns {
		_ = c.CloseNow()
	}
}

// memoryInUse returns the bytes of the heap and of all stacks, without what pools and
// garbage hold.
func memoryInUse() int64 {
	for range 3 { // a pool is empty after two collections
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
