package wsproto_test

import (
	"fmt"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// A server decodes what a client sent in one read: a fragmented message with a
// ping in the middle, and a close frame.
func ExampleDecoder() {
	key := [4]byte{1, 2, 3, 4} // of a client's random choice
	frame := func(dst []byte, fin bool, op wsproto.Opcode, payload string) []byte {
		return wsproto.AppendFrame(dst, wsproto.Header{Fin: fin, Opcode: op, Masked: true, Key: key}, []byte(payload))
	}
	read := frame(nil, false, wsproto.OpText, "Hello, ")
	read = frame(read, true, wsproto.OpPing, "beat")
	read = frame(read, true, wsproto.OpContinuation, "world")
	read = frame(read, true, wsproto.OpClose, "\x03\xe8bye")

	var d wsproto.Decoder
	d.Init(wsproto.DecoderConfig{Role: wsproto.RoleServer})
	for len(read) > 0 {
		e, n, err := d.Decode(read)
		read = read[n:]
		if err != nil {
			fmt.Println("fail the connection:", err)
			return
		}
		switch e.Kind {
		case wsproto.KindMessage:
			fmt.Printf("message %q\n", e.Payload)
		case wsproto.KindPing:
			fmt.Printf("answer %x\n", wsproto.AppendFrame(nil, wsproto.Header{Fin: true, Opcode: wsproto.OpPong}, e.Payload))
		case wsproto.KindClose:
			fmt.Println("closed:", e.Code, e.Reason)
		}
	}
	// Output:
	// answer 8a0462656174
	// message "Hello, world"
	// closed: 1000 bye
}
