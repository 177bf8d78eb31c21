package socket_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// asking returns a client that is connected over loopback, and its server's socket.
func asking(tb testing.TB) (*socket.Client, socket.Socket) {
	tb.Helper()
	server := socket.NewServer(socket.WithLogger(nil))
	web := httptest.NewServer(server)
	c := socket.NewClient(transport.NewWebSocketTransport(strings.Replace(web.URL, "http", "ws", 1)))
	answerBoth(server, c, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	if err := c.Connect(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close(); web.Close() })
	if _, err := c.Call(context.Background(), "double", 1); err != nil {
		tb.Fatal(err)
	}
	return c, socket.Sockets(server)[0]
}

func TestARequestCostsFewAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c, s := asking(t)
	for who, caller := range map[string]socket.Caller{"client": c, "socket": s} {
		got := testing.AllocsPerRun(500, func() {
			if n, err := socket.Call[int](context.Background(), caller, "double", 21); n != 42 || err != nil {
				t.Errorf("%s: %d, %v", who, n, err)
			}
		})
		t.Logf("%s: %v allocations of both ends for a request and its reply", who, got)
		if most := 40.0; got > most {
			t.Errorf("%s: %v allocations, want at most %v", who, got, most)
		}
	}
}

// A request and its reply over loopback, both ends in this process.
func BenchmarkCall(b *testing.B) {
	c, s := asking(b)
	for who, caller := range map[string]socket.Caller{"client": c, "socket": s} {
		b.Run("caller="+who, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := caller.Call(context.Background(), "double", 21); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
