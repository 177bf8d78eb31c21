package main

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// payload is the text of every message: an event, so that the event layer can be
// measured with the same load.
func payload(event string, size int) []byte {
	const begin, middle, end = `{"event":"`, `","data":"`, `"}`
	return []byte(begin + event + middle + strings.Repeat("x", size-len(begin+event+middle+end)) + end)
}

// maskKey is fixed: masking costs the server the same with any.
var maskKey = [4]byte{0xa1, 0x5c, 0x3e, 0x97}

// clientFrame is a masked text frame.
func clientFrame(size int) []byte {
	return clientFrameOf(payload("m", size))
}

// clientFrameOf is a masked text frame with that payload.
func clientFrameOf(payload []byte) []byte {
	return appendClientFrame(nil, payload)
}

// serverFrame is the same message as every server sends it: one frame, and the
// shortest form of its length.
func serverFrame(size int) []byte { return append(frameHeader(size, 0), payload("m", size)...) }

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

// parseClientHeader returns the length of a masked frame's header, whose last four
// bytes are the key, and that of its payload. Both are 0 while b is too short.
func parseClientHeader(b []byte) (header, size int) {
	if len(b) < 2 {
		return 0, 0
	}
	header, size = 6, int(b[1]&0x7F)
	switch size {
	case 126:
		header = 8
	case 127:
		header = 14
	}
	if len(b) < header {
		return 0, 0
	}
	switch header {
	case 8:
		size = int(binary.BigEndian.Uint16(b[2:]))
	case 14:
		size = int(binary.BigEndian.Uint64(b[2:]))
	}
	return header, size
}

// parseServerHeader is parseClientHeader for a frame without a key, of less than 64 KiB.
func parseServerHeader(b []byte) (header, size int) {
	if len(b) < 2 {
		return 0, 0
	}
	if size = int(b[1]); size < 126 {
		return 2, size
	}
	if len(b) < 4 {
		return 0, 0
	}
	return 4, int(binary.BigEndian.Uint16(b[2:]))
}

// unmask unmasks p in place.
func unmask(key, p []byte) {
	word := uint64(binary.LittleEndian.Uint32(key))
	word |= word << 32
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^word)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= key[i%4]
	}
}
