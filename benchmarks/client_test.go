package benchmarks

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// BenchmarkClientSend is one event of a [socket.Client] until the server's handler
// has it, while up to 256 are under way. With batches they leave several to a
// write; "batch=1" is a client without WithBatchSend.
func BenchmarkClientSend(b *testing.B) {
	for _, size := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			const inFlight = 256
			server, url := newServer(b)
			window := make(chan struct{}, inFlight)
			socket.Handle(server, "note", func(socket.Socket, string) { <-window })
			options := []socket.ClientOption{socket.WithClientLogger(nil)}
			if size > 1 {
				options = append(options, socket.WithBatchSend(size, 2*time.Millisecond))
			}
			c := socket.NewClient(transport.NewWebSocketTransport(url), options...)
			if err := c.Connect(); err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			b.ReportAllocs()
			for b.Loop() {
				window <- struct{}{}
				if err := c.Send("note", "sixteen bytes ..."); err != nil {
					b.Fatal(err)
				}
			}
			for range inFlight {
				window <- struct{}{} // the last have arrived
			}
		})
	}
}

// BenchmarkRoomChurn is a socket that joins a room and leaves it again, beside
// members who stay. Each processor has sockets of its own.
func BenchmarkRoomChurn(b *testing.B) {
	for _, members := range []int{64, 1000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			server, url := newServer(b)
			for range members {
				send(b, dial(b, url), []byte(`{"event":"join","data":"room"}`))
			}
			waitFor(func() bool { return len(server.In("room")) == members })
			sockets := make(chan socket.Socket, members)
			for _, s := range server.In("room") {
				sockets <- s
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				var s socket.Socket
				select {
				case s = <-sockets:
				default:
					b.Error("there are more processors than sockets")
					return
				}
				for pb.Next() {
					s.Leave("room")
					if err := s.Join("room"); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkBroadcast is one message to all sockets of the server until each has
// it, with the writes on one goroutine and on as many as there are processors.
func BenchmarkBroadcast(b *testing.B) {
	ways := []struct {
		name string
		send func(*socket.Server, socket.Event, interface{}) error
	}{
		{"serial", (*socket.Server).Broadcast},
		{"parallel", (*socket.Server).BroadcastParallel},
	}
	const clients = 1000
	for _, way := range ways {
		b.Run(fmt.Sprintf("writes=%s", way.name), func(b *testing.B) {
			server, url := newServer(b)
			var arrived sync.WaitGroup
			for range clients {
				dial(b, url).Start(counter{&arrived}) // ends with the connection
			}
			waitFor(func() bool { return server.Count() == clients })
			b.ReportAllocs()
			for b.Loop() {
				arrived.Add(clients)
				if err := way.send(server, "news", "something has happened"); err != nil {
					b.Fatal(err)
				}
				arrived.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*clients), "ns/member")
		})
	}
}

// BenchmarkClientEcho is one round trip of an event through a [socket.Client].
func BenchmarkClientEcho(b *testing.B) {
	_, url := newServer(b)
	c := socket.NewClient(transport.NewWebSocketTransport(url), socket.WithClientLogger(nil))
	answers := make(chan struct{}, 1)
	socket.On(c, "typed", func(string) { answers <- struct{}{} })
	if err := c.ConnectContext(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Send("typed", "sixteen bytes ..."); err != nil {
			b.Fatal(err)
		}
		<-answers
	}
}
