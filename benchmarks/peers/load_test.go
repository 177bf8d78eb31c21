package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// testWorkloads are the kinds of messages that the rows have, small.
var testWorkloads = []workload{
	{name: "echo", kind: echoes, conns: 3, inFlight: 1, size: 64},
	{name: "echo in flight", kind: echoes, conns: 3, inFlight: 8, size: 64},
	{name: "large echo", kind: echoes, conns: 2, inFlight: 1, size: 64 << 10},
	{name: "one way", kind: arrivals, conns: 3, inFlight: 8, size: 64},
	{name: "broadcast", kind: broadcasts, conns: 5, inFlight: 4, size: 64},
	{name: "compressed", kind: echoes, conns: 3, inFlight: 8, size: 500, deflate: alone},
	{name: "takeover", kind: echoes, conns: 3, inFlight: 8, size: 500, deflate: takeover},
	{name: "chat", kind: chats, conns: 5, senders: 3, size: 64},
}

// TestEveryServerDoesEveryWorkload leaves it to the load to compare what comes.
func TestEveryServerDoesEveryWorkload(t *testing.T) {
	for _, name := range serverNames() {
		for _, w := range testWorkloads {
			t.Run(name+"/"+w.name, func(t *testing.T) {
				if !w.measures(name) {
					t.Skip("the server does not offer it")
				}
				addr := listen(t, func(l net.Listener) { servers[name].serve(l, w) })
				l, err := newLoad(addr, name, w)
				if err != nil {
					t.Fatal(err)
				}
				defer l.close()
				before := l.received
				if err := l.run(20 * time.Millisecond); err != nil {
					t.Fatal(err)
				}
				if n := l.received - before; n == 0 || n%int64(w.copies()) != 0 {
					t.Errorf("%d messages came, want a multiple of %d", n, w.copies())
				}
			})
		}
	}
}

// TestLoadNoticesServersThatAreWrong: what is measured is worth nothing unless it
// is right.
func TestLoadNoticesServersThatAreWrong(t *testing.T) {
	right := string(serverFrame(64))
	for _, tt := range []struct {
		name, answer, want string
	}{
		{"another text", strings.Replace(right, "xx", "xy", 1), "the server sent"},
		{"one too many", right + right, "more messages than were due"},
		{"closing", "", "closed a connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := listen(t, func(l net.Listener) {
				http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					conn, _, _, err := ws.UpgradeHTTP(r, w)
					if err != nil {
						return
					}
					defer conn.Close()
					io.ReadFull(conn, make([]byte, len(clientFrame(64))))
					fmt.Fprint(conn, tt.answer)
					if tt.answer != "" {
						io.Copy(io.Discard, conn)
					}
				}))
			})
			l, err := newLoad(addr, "", testWorkloads[0])
			if err == nil {
				l.close()
				t.Fatal("the load is content")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the load says %q, want %q in it", err, tt.want)
			}
		})
	}
}

func TestQuantiles(t *testing.T) {
	v := []float64{4, 1, 3, 2}
	if got := median(v); got != 2.5 {
		t.Errorf("median = %v, want 2.5", got)
	}
	if got := quantile(v, 1); got != 4 {
		t.Errorf("quantile 1 = %v, want 4", got)
	}
	if got := spread([]float64{9, 10, 11}); got != 5 {
		t.Errorf("spread = %v %%, want 5 %%", got)
	}
}

// listen has f serve an address of this host.
func listen(t *testing.T, f func(net.Listener)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go f(l) // ends with l, but for nbio's engine, which ends with the test
	return l.Addr().String()
}
