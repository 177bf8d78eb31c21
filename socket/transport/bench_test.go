package transport_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// BenchmarkEcho is one message to a served connection and back over loopback,
// with a peer that costs next to nothing.
func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			round := echoRounds(b, loopback, 1, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
		})
	}
}

// BenchmarkEchoBurst is many messages that arrive together.
func BenchmarkEchoBurst(b *testing.B) {
	const messages, size = 64, 128
	a, peer := loopback(b)
	c := transport.NewTestConn(a, wsproto.RoleServer, transport.Limits{}, nil, nil)
	ended := make(chan struct{})
	c.Start(echoUntil{ended})
	defer func() { <-ended }()
	defer c.CloseNow()
	var out []byte
	for range messages {
		out = wsproto.AppendFrame(out, wsproto.Header{Fin: true, Opcode: wsproto.OpText, Masked: true}, make([]byte, size))
	}
	in := make([]byte, len(out)-messages*4) // the answers are not masked
	b.ReportAllocs()
	for b.Loop() {
		if _, err := peer.Write(out); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(peer, in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*messages)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkPull is Read and Write in turns, without a handler.
func BenchmarkPull(b *testing.B) {
	a, peer := loopback(b)
	server := transport.NewTestConn(a, wsproto.RoleServer, transport.Limits{}, nil, nil)
	client := transport.NewTestConn(peer, wsproto.RoleClient, transport.Limits{}, nil, nil)
	defer server.CloseNow()
	defer client.CloseNow()
	message := make([]byte, 1<<10)
	go func() {
		for {
			typ, p, err := server.Read(b.Context())
			if err != nil || server.Write(b.Context(), typ, p) != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		if err := client.Write(b.Context(), transport.MessageBinary, message); err != nil {
			b.Fatal(err)
		}
		if _, _, err := client.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBroadcast is one prepared message to 100 connections, until all of
// them have it.
func BenchmarkBroadcast(b *testing.B) {
	const conns, size = 100, 512
	frame := wsproto.AppendFrame(nil, wsproto.Header{Fin: true, Opcode: wsproto.OpText}, make([]byte, size))
	var all []*transport.Conn
	var got sync.WaitGroup
	for range conns {
		a, peer := loopback(b)
		c := transport.NewTestConn(a, wsproto.RoleServer, transport.Limits{}, nil, nil)
		all = append(all, c)
		go func(peer net.Conn) {
			in := make([]byte, len(frame))
			for {
				if _, err := io.ReadFull(peer, in); err != nil {
					return
				}
				got.Done()
			}
		}(peer)
	}
	m := transport.NewPreparedMessage(transport.MessageText, make([]byte, size))
	b.ReportAllocs()
	for b.Loop() {
		got.Add(conns)
		for _, c := range all {
			if err := c.QueuePrepared(m); err != nil {
				b.Fatal(err)
			}
		}
		got.Wait()
	}
	b.ReportMetric(float64(b.N*conns)/b.Elapsed().Seconds(), "messages/s")
	for _, c := range all {
		_ = c.CloseNow()
	}
}
