package benchmarks

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// BenchmarkCompression is one message to one connection, whose other end only counts
// bytes: how many there are for each message, the header of its frame included, and
// what that costs the sender. 1,024 messages of three kinds go round, of about the size
// that the name says.
func BenchmarkCompression(b *testing.B) {
	for _, size := range []int{100, 500, 2000} {
		for _, mode := range []struct {
			name string
			z    *transport.Compression
		}{
			{"off", nil},
			{"alone", &transport.Compression{Threshold: 64}},
			{"alone-thorough", &transport.Compression{Threshold: 64, Thorough: true}},
			{"window=10", &transport.Compression{Takeover: transport.WindowTakeover, Window: 10}},
			{"window=12", &transport.Compression{Takeover: transport.WindowTakeover}},
			{"table=12", &transport.Compression{Takeover: transport.TableTakeover}},
			{"window=12-thorough", &transport.Compression{Takeover: transport.WindowTakeover, Thorough: true}},
			{"window=15", &transport.Compression{Takeover: transport.WindowTakeover, Window: 15}},
		} {
			b.Run(fmt.Sprintf("size=%d/%s", size, mode.name), func(b *testing.B) {
				c, other := counted(b, mode.z)
				messages := likeEachOther(size)
				sent := 0
				write := func() {
					if err := c.Write(context.Background(), transport.MessageText, messages[sent%len(messages)]); err != nil {
						b.Fatal(err)
					}
					sent++
				}
				for range messages { // fills the window
					write()
				}
				before := other.settle(sent)
				b.ReportAllocs()
				for b.Loop() {
					write()
				}
				came := other.settle(sent) - before
				b.ReportMetric(float64(came)/float64(sent-len(messages)), "wire-B/op")
			})
		}
	}
}

// tally is the other end of a connection, which counts what comes.
type tally struct{ frames, bytes atomic.Int64 }

func (k *tally) run(r *bufio.Reader) {
	for {
		head, err := r.Peek(4)
		if err != nil {
			return
		}
		header, size := 2, int(head[1])
		if size == 126 {
			header, size = 4, int(head[2])<<8|int(head[3])
		}
		if _, err := r.Discard(header + size); err != nil {
			return
		}
		k.bytes.Add(int64(header + size))
		k.frames.Add(1)
	}
}

// settle waits until n frames have come in all, and returns how many bytes they were.
func (k *tally) settle(n int) int64 {
	for k.frames.Load() < int64(n) {
		runtime.Gosched()
	}
	return k.bytes.Load()
}

// counted returns the server's end of a connection, and the other.
func counted(b *testing.B, z *transport.Compression) (*transport.Conn, *tally) {
	conns := make(chan *transport.Conn, 1)
	u := transport.NewUpgrader(&transport.AcceptOptions{Compression: z})
	url := serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Accept(w, r, nil); err == nil {
			conns <- c
		}
	}))
	nc, err := net.Dial("tcp", strings.Trim(url, "ws:/"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	_, err = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n")
	r := bufio.NewReader(nc)
	if err == nil {
		_, err = http.ReadResponse(r, nil)
	}
	if err != nil {
		b.Fatal(err)
	}
	k := new(tally)
	go k.run(r) // ends with the connection
	c := <-conns
	b.Cleanup(func() { c.CloseNow() })
	if c.Compressed() != (z != nil) {
		b.Fatal("not what was to be agreed on")
	}
	return c, k
}

// likeEachOther returns 1,024 events of a chat, a ticker and a list of who is there, in
// turn: they have about as much in common as such messages have.
func likeEachOther(size int) [][]byte {
	seed := uint32(1)
	random := func(below uint32) uint32 {
		seed = seed*1664525 + 1013904223
		return seed >> 8 % below
	}
	words := strings.Fields("the quick server sends what everyone in this room has said about lunch and nobody knows when it will be ready again today")
	list := make([][]byte, 1024)
	for i := range list {
		var m bytes.Buffer
		switch i % 3 {
		case 0:
			fmt.Fprintf(&m, `{"event":"chat","data":{"room":"lobby","id":%d,"from":"user%d","text":"`, 10000+i, random(500))
			for m.Len() < size {
				m.WriteString(words[random(uint32(len(words)))] + " ")
			}
		case 1:
			m.WriteString(`{"event":"ticks","data":[`)
			for m.Len() < size {
				fmt.Fprintf(&m, `{"s":"SYM%d","bid":%d.%02d,"ask":%d.%02d,"v":%d},`, random(40), 100+random(20), random(100), 100+random(20), random(100), random(100000))
			}
		default:
			m.WriteString(`{"event":"presence","data":[`)
			for m.Len() < size {
				fmt.Fprintf(&m, `{"id":"%08x","name":"User %d","status":"%s"},`, random(1<<24), random(500), []string{"online", "away", "busy"}[random(3)])
			}
		}
		list[i] = m.Bytes()[:size]
	}
	return list
}
