package transport_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// TestWhatIsCompressedInflatesToTheMessage sends messages of all kinds both ways over
// connections with each window and each kind of takeover, at once and with shared
// encoders. Whatever is compressed is inflated by compress/flate on the spot, with what
// the peer has by then, and by the peer, which does not go farther back than the window.
func TestWhatIsCompressedInflatesToTheMessage(t *testing.T) {
	for _, takeover := range []transport.Takeover{transport.NoTakeover, transport.WindowTakeover, transport.TableTakeover, transport.CommonTakeover} {
		t.Run(fmt.Sprint(takeover), func(t *testing.T) {
			t.Parallel()
			var wg sync.WaitGroup
			for bits := 8; bits <= 15; bits++ {
				server, client := compressingPair(t, takeover, bits)
				messages := messagesOfAllKinds(uint64(bits))
				for _, way := range []struct{ from, to *transport.Conn }{{server, client}, {client, server}} {
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
			}
			wg.Wait()
		})
	}
}

// compressingPair returns both ends of a connection that verify what they compress. The
// client has a window of its own where the server has any.
func compressingPair(t *testing.T, takeover transport.Takeover, bits int) (server, client *transport.Conn) {
	a, b := memnet.Pipe()
	limits := transport.Limits{MaxQueueBytes: -1, MaxQueueMessages: -1, MaxInflateRatio: -1}
	agreed := wsproto.DeflateParams{ServerBits: bits, ClientBits: bits}
	theirs := transport.WindowTakeover
	if takeover == transport.NoTakeover {
		agreed.ServerNoTakeover, agreed.ClientNoTakeover = true, true
		theirs = takeover
	}
	server = transport.NewCompressingConn(a, wsproto.RoleServer, limits,
		&transport.Compression{Takeover: takeover, Window: bits, Verify: true}, agreed)
	client = transport.NewCompressingConn(b, wsproto.RoleClient, limits,
		&transport.Compression{Takeover: theirs, Window: bits, Thorough: true, Verify: true}, agreed)
	t.Cleanup(func() { _, _ = server.CloseNow(), client.CloseNow() })
	return server, client
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
