package transport_test

import (
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// An idle connection costs one goroutine while it is served and none otherwise,
// no buffer, and little memory: also one that has been busy.
func TestIdleConnectionCostsOneSmallGoroutine(t *testing.T) {
	if raceEnabled || !canTry {
		t.Skip("the race detector takes memory of its own")
	}
	const n = 200
	var servers, clients []net.Conn
	for range n {
		a, b := loopback(t)
		servers, clients = append(servers, a), append(clients, b)
	}
	goroutines, bytes := runtime.NumGoroutine(), memoryInUse()
	per := func() int64 { return (memoryInUse() - bytes) / n }
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
		c.Start(echoAll{})
	}
	most := int64(2560) // half of it is the test's own, and what all share
	if runtime.GOOS != "linux" {
		most = 7 << 10 // with a goroutine's stack
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
		// Fewer, if some of an earlier test have ended meanwhile.
		if got := runtime.NumGoroutine() - goroutines; got > n {
			t.Errorf("%d served connections have %d goroutines, want one each", n, got)
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
