package transport_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// TestWhatIsCompressedInflatesToTheMessage sends messages of all kinds both ways over
// connections with each window, at once and with shared encoders. Whatever is
// compressed is inflated by compress/flate on the spot, and by the peer, which does
// not go farther back than the window.
func TestWhatIsCompressedInflatesToTheMessage(t *testing.T) {
	var compressed atomic.Int64
	check := func(plain, payload []byte) {
		compressed.Add(1)
		got, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff"))))
		// It ends where the next message would begin.
		if err != io.ErrUnexpectedEOF || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes were compressed to %d, which compress/flate inflates to %d, %v", len(plain), len(payload), len(got), err)
		}
	}
	var wg sync.WaitGroup
	for bits := 8; bits <= 15; bits++ {
		a, b := memnet.Pipe()
		limits := transport.Limits{MaxQueueBytes: -1, MaxQueueMessages: -1, MaxInflateRatio: -1}
		server := transport.NewCheckedConn(a, wsproto.RoleServer, limits, bits, check)
		client := transport.NewCheckedConn(b, wsproto.RoleClient, limits, bits, check)
		for _, way := range []struct{ from, to *transport.Conn }{{server, client}, {client, server}} {
			messages := messagesOfAllKinds(uint64(bits))
			wg.Go(func() {
				for i, m := range messages {
					err := way.from.Queue(transport.MessageBinary, m)
					if err == nil && i%2 == 0 {
						err = way.from.QueuePrepared(transport.NewPreparedMessage(transport.MessageBinary, m))
					}
					if err != nil {
						t.Errorf("bits %d: %v", bits, err)
					}
				}
			})
			wg.Go(func() {
				for i, m := range messages {
					for range 2 - i%2 {
						if _, got, err := way.to.Read(t.Context()); err != nil || !bytes.Equal(got, m) {
							t.Errorf("bits %d: message %d of %d bytes comes as %d, %v", bits, i, len(m), len(got), err)
							return
						}
					}
				}
			})
		}
		t.Cleanup(func() { _, _ = server.CloseNow(), client.CloseNow() })
	}
	wg.Wait()
	if n := compressed.Load(); n < 200 {
		t.Errorf("%d messages were compressed", n)
	}
}

// messagesOfAllKinds returns text, zeros, noise, and pieces of it again and again.
func messagesOfAllKinds(seed uint64) (list [][]byte) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 6 {
		n := 1 << (9 + rng.IntN(8))
		var text, pieces bytes.Buffer
		for i := 0; text.Len() < n; i++ {
			fmt.Fprintf(&text, `{"id":%d,"name":"user %x","score":%d},`, i, rng.Uint32(), rng.IntN(1000))
		}
		noise := make([]byte, n)
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		for pieces.Len() < n {
			at := rng.IntN(n / 2)
			pieces.Write(noise[at : at+rng.IntN(n/2)])
		}
		list = append(list, text.Bytes(), make([]byte, n), noise, pieces.Bytes(), text.Bytes()[:n/3])
	}
	return list
}
