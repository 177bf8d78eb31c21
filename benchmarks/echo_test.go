package benchmarks

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// BenchmarkEcho is one round trip of an event: JSON decoded, handler called,
// answer encoded. "data" goes through interface{}, "typed" through a handler that
// takes a string.
func BenchmarkEcho(b *testing.B) {
	for _, event := range []string{"echo", "typed"} {
		for _, size := range []int{16, 1 << 10, 16 << 10} {
			b.Run(fmt.Sprintf("handler=%s/size=%d", event, size), func(b *testing.B) {
				_, url := newServer(b)
				c := dial(b, url)
				message := text(event, size)
				b.SetBytes(int64(len(message)))
				b.ReportAllocs()
				for b.Loop() {
					send(b, c, message)
					receive(b, c)
				}
			})
		}
	}
}

// BenchmarkPipelined is the same with 32 events in flight, which leave and come
// back several to a write.
func BenchmarkPipelined(b *testing.B) {
	const inFlight = 32
	_, url := newServer(b)
	c := dial(b, url)
	message := text("typed", 16)
	for range inFlight {
		send(b, c, message)
	}
	b.ReportAllocs()
	for b.Loop() {
		receive(b, c)
		send(b, c, message)
	}
}

// echo answers every message with itself, without the event layer.
type echo struct{}

func (echo) OnMessage(c *transport.Conn, typ transport.MessageType, p []byte) {
	c.Queue(typ, p) // one message is in flight: never full
}

func (echo) OnClose(*transport.Conn, error) {}

// BenchmarkMessageEcho is one round trip of a message below the event layer.
func BenchmarkMessageEcho(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			upgrader := transport.NewUpgrader(nil)
			url := serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c, err := upgrader.Accept(w, r, nil); err == nil {
					c.Start(echo{}) // ends with the connection
				}
			}))
			c := dial(b, url)
			message := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Write(context.Background(), transport.MessageBinary, message); err != nil {
					b.Fatal(err)
				}
				receive(b, c)
			}
		})
	}
}
