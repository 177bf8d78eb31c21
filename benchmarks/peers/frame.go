package main

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// payload is the text of every message: an event, so that the event layer can be
// measured with the same load.
func payload(size int) []byte {
	const head, tail = `{"event":"m","data":"`, `"}`
	return []byte(head + strings.Repeat("x", size-len(head)-len(tail)) + tail)
}

// clientFrame is a masked text frame. The key is fixed: masking costs the server
// the same with any.
func clientFrame(size int) []byte {
	key := [4]byte{0xa1, 0x5c, 0x3e, 0x97}
	b := append(frameHeader(size, 0x80), key[:]...)
	for i, x := range payload(size) {
		b = append(b, x^key[i%4])
	}
	return b
}

// serverFrame is the same message as every server sends it: one frame, and the
// shortest form of its length.
func serverFrame(size int) []byte { return append(frameHeader(size, 0), payload(size)...) }

// stream is a server's output: frames one after the other, at least n bytes.
func stream(frame []byte, n int) []byte { return bytes.Repeat(frame, n/len(frame)+1) }

func frameHeader(size int, mask byte) []byte {
	switch {
	case size < 126:
		return []byte{0x81, mask | byte(size)}
	case size < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{0x81, mask | 126}, uint16(size))
	}
	return binary.BigEndian.AppendUint64([]byte{0x81, mask | 127}, uint64(size))
}
