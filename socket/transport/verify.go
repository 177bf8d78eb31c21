package transport

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// verifier is what a peer has in its window, see [Compression.Verify].
type verifier struct{ window deflate.Window }

func newVerifier(bits int) *verifier { return &verifier{deflate.NewWindow(bits)} }

// flushed is what RFC 7692 section 7.2.2 has a receiver append to a message, and an
// empty last block, for which compress/flate waits.
const flushed = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// verify panics if the peer would not make plain of payload, which it is sent next.
func (z *codec) verify(payload, plain []byte) {
	if !z.Verify {
		return
	}
	var history []byte
	v := z.sent.check
	if v != nil {
		history = v.window.Tail()
	}
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(payload), strings.NewReader(flushed)), history)
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, plain) {
		panic(fmt.Sprintf("BUG: transport: a message of %d bytes was compressed to %d that inflate to %d others: %v",
			len(plain), len(payload), len(got), err))
	}
	if v != nil {
		v.window.Append(plain)
	}
}
