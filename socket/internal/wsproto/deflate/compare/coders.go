package main

import (
	"bytes"
	standard "compress/flate"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// windowBits is that of all windows that a coder can choose: what gws has if nothing
// else is configured.
const windowBits = 12

// coder makes the state of a connection. What connections share it has already.
type coder struct {
	name string
	open func() func(dst, src []byte) []byte
}

const flushEnd = "\x00\x00\xff\xff"

// alone is a coder whose connections have no state.
func alone(name string, code func(dst, src []byte) []byte) coder {
	return coder{name, func() func(dst, src []byte) []byte { return code }}
}

// Encoders. They return src itself if they do not make it shorter, and say so.

func oursAlone(name string, o deflate.Options) coder {
	var e deflate.Encoder
	return alone(name, func(dst, src []byte) []byte {
		out, ok := e.Deflate(dst, src, nil, o)
		if !ok {
			return src
		}
		return out
	})
}

func oursWindow(name string, o deflate.Options) coder {
	var e deflate.Encoder
	o.WindowBits = windowBits
	return coder{name, func() func(dst, src []byte) []byte {
		w := deflate.NewWindow(windowBits)
		return func(dst, src []byte) []byte {
			out, ok := e.Deflate(dst, src, w.Tail(), o)
			if !ok {
				return src
			}
			w.Append(src)
			return out
		}
	}}
}

func oursContext(name string, o deflate.Options) coder {
	var e deflate.Encoder
	return coder{name, func() func(dst, src []byte) []byte {
		c := deflate.NewContext(windowBits)
		return func(dst, src []byte) []byte {
			out, ok := e.DeflateContext(dst, src, &c, o)
			if !ok {
				return src
			}
			return out
		}
	}}
}

// writer is what both of the other encoders are.
type writer interface {
	io.Writer
	Flush() error
	Reset(io.Writer)
}

func newStandard(level int) writer {
	w, err := standard.NewWriter(io.Discard, level)
	if err != nil {
		panic(err)
	}
	return w
}

func newKlauspost(level int) writer {
	w, err := flate.NewWriter(io.Discard, level)
	if err != nil {
		panic(err)
	}
	return w
}

// writerAlone compresses each message on its own.
func writerAlone(name string, w writer) coder {
	b := new(bytes.Buffer)
	return alone(name, func(dst, src []byte) []byte {
		*b = *bytes.NewBuffer(dst)
		w.Reset(b)
		return flush(w, b, src)
	})
}

// writerKept has a writer for each connection, which takes its context over.
func writerKept(name string, make func() writer) coder {
	return coder{name, func() func(dst, src []byte) []byte {
		w, b := make(), new(bytes.Buffer)
		w.Reset(b)
		return func(dst, src []byte) []byte {
			*b = *bytes.NewBuffer(dst)
			return flush(w, b, src)
		}
	}}
}

func flush(w writer, b *bytes.Buffer, src []byte) []byte {
	w.Write(src)
	w.Flush()
	return b.Bytes()[:b.Len()-len(flushEnd)]
}

// gwsWay does what github.com/lxzan/gws does with its own defaults: a writer for
// windows of 4 KiB, which the connections share behind a mutex, and which is given the
// window of the connection anew for each message. A test compares it with gws.
func gwsWay(name string) coder {
	var mu sync.Mutex
	w, err := flate.NewWriterWindow(nil, 1<<windowBits)
	if err != nil {
		panic(err)
	}
	b := new(bytes.Buffer)
	return coder{name, func() func(dst, src []byte) []byte {
		window := make([]byte, 0, 1<<windowBits)
		return func(dst, src []byte) []byte {
			mu.Lock()
			*b = *bytes.NewBuffer(dst)
			w.ResetDict(b, window)
			out := flush(w, b, src)
			mu.Unlock()
			window = slide(window, src)
			return out
		}
	}}
}

// slide keeps the end of both in window.
func slide(window, src []byte) []byte {
	size := cap(window)
	src = src[max(0, len(src)-size):]
	if drop := len(window) + len(src) - size; drop > 0 {
		window = window[:copy(window, window[drop:])]
	}
	return append(window, src...)
}

// Decoders.

func oursDecoder(name string) coder {
	var d deflate.Decoder
	return alone(name, func(dst, src []byte) []byte {
		out, err := d.Inflate(dst, src, nil, maxMessage)
		if err != nil {
			panic(err)
		}
		return out
	})
}

func oursDecoderContext(name string) coder {
	var d deflate.Decoder
	return coder{name, func() func(dst, src []byte) []byte {
		c := deflate.NewContext(windowBits)
		return func(dst, src []byte) []byte {
			out, err := d.InflateContext(dst, src, &c, maxMessage)
			if err != nil {
				panic(err)
			}
			return out
		}
	}}
}

// reader is what both of the other decoders are.
type reader interface {
	io.Reader
	Reset(io.Reader, []byte) error
}

func newStandardReader() reader {
	return standard.NewReader(bytes.NewReader(nil)).(reader)
}

func newKlauspostReader() reader {
	return flate.NewReader(bytes.NewReader(nil)).(reader)
}

// ending is what a reader needs behind a payload to say that it is over: the end of
// the flush, and an empty block that is the last one.
const ending = flushEnd + "\x01\x00\x00\xff\xff"

func readerAlone(name string, r reader) coder {
	in := newInput(r)
	return alone(name, func(dst, src []byte) []byte { return in.inflate(dst, src, nil) })
}

func readerWindow(name string, r reader) coder {
	in := newInput(r)
	return coder{name, func() func(dst, src []byte) []byte {
		window := make([]byte, 0, 1<<windowBits)
		return func(dst, src []byte) []byte {
			out := in.inflate(dst, src, window)
			window = slide(window, out[len(dst):])
			return out
		}
	}}
}

// input feeds a reader in the way that costs it least: from one piece of memory that
// is an [io.ByteReader], into one that is large enough.
type input struct {
	r       reader
	payload []byte
	src     *bytes.Reader
}

func newInput(r reader) *input { return &input{r: r, src: bytes.NewReader(nil)} }

func (in *input) inflate(dst, src, history []byte) []byte {
	in.payload = append(append(in.payload[:0], src...), ending...)
	in.src.Reset(in.payload)
	if err := in.r.Reset(in.src, history); err != nil {
		panic(err)
	}
	for n := len(dst); ; {
		k, err := in.r.Read(dst[n:cap(dst)])
		if n += k; err == io.EOF {
			return dst[:n]
		} else if err != nil {
			panic(err)
		}
	}
}
