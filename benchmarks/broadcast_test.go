package benchmarks

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// BenchmarkRoomBroadcast is one message to a room until every member has it. The
// time is that of a broadcast; "ns/member" is its part for each copy, the
// member's own read included.
func BenchmarkRoomBroadcast(b *testing.B) {
	for _, members := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			server, url := newServer(b)
			var arrived sync.WaitGroup
			for range members {
				c := dial(b, url)
				send(b, c, []byte(`{"event":"join","data":"room"}`))
				c.Start(counter{&arrived}) // ends with the connection
			}
			waitFor(func() bool { return len(server.In("room")) == members })
			b.ReportAllocs()
			for b.Loop() {
				arrived.Add(members)
				if err := server.BroadcastToRoom("room", "news", "something has happened"); err != nil {
					b.Fatal(err)
				}
				arrived.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/member")
		})
	}
}

// counter counts what arrives.
type counter struct{ arrived *sync.WaitGroup }

func (c counter) OnMessage(*transport.Conn, transport.MessageType, []byte) { c.arrived.Done() }

func (c counter) OnClose(*transport.Conn, error) {}

// BenchmarkLongPolling is one round trip of an event over long polling: a POST
// with the event, and the poll that its answer comes with.
func BenchmarkLongPolling(b *testing.B) {
	_, url := newServer(b)
	t := transport.NewLongPollingTransport("http" + url[len("ws"):])
	if err := t.Connect(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	message := text("typed", 16)
	b.ReportAllocs()
	for b.Loop() {
		if err := t.Send(message); err != nil {
			b.Fatal(err)
		}
		if _, err := t.Receive(); err != nil {
			b.Fatal(err)
		}
	}
}
