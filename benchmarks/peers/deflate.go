package main

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
)

// deflating says how the messages of a row are compressed.
type deflating int

const (
	notDeflated deflating = iota
	alone                 // each on its own
	takeover              // the server's refer back to what it sent before
)

// deflates are the servers that can do it.
var deflates = map[deflating][]string{
	alone:    {"gws", "gorilla", "coder", "nbio", "socket.go"},
	takeover: {"gws", "coder", "socket.go"},
}

// offer is what the load offers in the opening handshake.
func (d deflating) offer() string {
	switch d {
	case alone:
		return "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	case takeover:
		return "permessage-deflate; client_max_window_bits" // a browser's
	}
	return ""
}

// check returns what is wrong with a server's answer to the offer.
func (d deflating) check(head []byte) error {
	if d == notDeflated {
		return nil
	}
	if !bytes.Contains(head, []byte("permessage-deflate")) {
		return fmt.Errorf("the server does not compress: %q", head)
	}
	if has := bytes.Contains(head, []byte("server_no_context_takeover")); has != (d == alone) {
		return fmt.Errorf("the server answers with another kind of compression: %q", head)
	}
	return nil
}

// distinct is how many messages there are. A connection gets them in turn.
const distinct = 64

// texts are JSON of three kinds, all of the same size: what a chat, a ticker and a
// list of who is there have in common is about what they have in practice.
func texts(size int) [][]byte {
	seed := uint32(1)
	random := func(below uint32) uint32 {
		seed = seed*1664525 + 1013904223
		return seed >> 8 % below
	}
	words := strings.Fields("the quick server sends what everyone in this room has said about lunch and nobody knows when it will be ready again today")
	list := make([][]byte, distinct)
	for i := range list {
		var b bytes.Buffer
		switch i % 3 {
		case 0:
			fmt.Fprintf(&b, `{"event":"chat","data":{"room":"lobby","id":%d,"from":"user%d","at":%d,"text":"`, 10000+i, random(500), 1700000000000+i*977)
			for b.Len() < size {
				b.WriteString(words[random(uint32(len(words)))] + " ")
			}
		case 1:
			b.WriteString(`{"event":"ticks","data":[`)
			for b.Len() < size {
				fmt.Fprintf(&b, `{"s":"SYM%d","bid":%d.%02d,"ask":%d.%02d,"v":%d},`, random(40), 100+random(20), random(100), 100+random(20), random(100), random(100000))
			}
		default:
			b.WriteString(`{"event":"presence","data":[`)
			for b.Len() < size {
				fmt.Fprintf(&b, `{"id":"%08x","name":"User %d","status":"%s"},`, random(1<<24), random(500), []string{"online", "away", "busy"}[random(3)])
			}
		}
		list[i] = append(b.Bytes()[:size-3], `"}}`...)
	}
	return list
}

// deflated is the load's side of a row with compression.
type deflated struct {
	kind  deflating
	texts [][]byte
	ring  []byte // the frames of all texts, twice
	at    [2*distinct + 1]int
	r     io.ReadCloser // of package flate
	past  []byte
}

// newDeflated compresses all messages, each on its own, which is right with takeover
// too.
func newDeflated(kind deflating, size int) *deflated {
	d := &deflated{kind: kind, texts: texts(size), r: flate.NewReader(nil)}
	for i := range 2 * distinct {
		d.at[i] = len(d.ring)
		d.ring = append(d.ring, deflatedFrame(d.texts[i%distinct])...)
	}
	d.at[2*distinct] = len(d.ring)
	return d
}

// deflatedFrame is a masked and compressed text frame.
func deflatedFrame(text []byte) []byte {
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, 6)
	if err != nil {
		panic(err)
	}
	w.Write(text)
	w.Flush()
	payload := bytes.TrimSuffix(z.Bytes(), []byte("\x00\x00\xff\xff"))
	frame := clientFrameOf(payload)
	frame[0] |= 0x40
	return frame
}

// message is the number of a connection's nth message.
func (d *deflated) message(c *client, n int) int { return (7*int(c.index) + n) % distinct }

// frames are the next n of a connection.
func (d *deflated) frames(c *client, n int) []byte {
	first := d.message(c, c.next)
	c.next += n
	return d.ring[d.at[first]:d.at[first+n]]
}

// sampled is how many answers go by for each that is inflated and compared.
const sampled = 61

// take counts the whole answers in what has come on a connection. They are as long as
// the server has made them.
func (d *deflated) take(c *client, b []byte) (whole int, err error) {
	if len(c.rest) > 0 {
		c.rest = append(c.rest, b...)
		b = c.rest
	}
	for {
		header, size := parseServerHeader(b)
		if header == 0 || len(b) < header+size {
			break
		}
		if b[0] != 0xC1 {
			return whole, fmt.Errorf("the server sent %.20q, which is no compressed text", b)
		}
		if c.got%sampled == int(c.index)%sampled {
			if err := d.compare(c, b[header:header+size]); err != nil {
				return whole, err
			}
		}
		b = b[header+size:]
		c.got++
		whole++
	}
	c.rest = append(c.rest[:0], b...)
	return whole, nil
}

// compare inflates an answer with what the connection has got before.
func (d *deflated) compare(c *client, payload []byte) error {
	d.past = d.past[:0]
	if d.kind == takeover {
		for i := max(0, c.got-32<<10/len(d.texts[0])-1); i < c.got; i++ {
			d.past = append(d.past, d.texts[d.message(c, i)]...)
		}
		d.past = d.past[max(0, len(d.past)-32<<10):]
	}
	src := io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
	if err := d.r.(flate.Resetter).Reset(src, d.past); err != nil {
		return err
	}
	got, err := io.ReadAll(d.r)
	if want := d.texts[d.message(c, c.got)]; err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("the server sent %.80q, %v, want %.80q", got, err, want)
	}
	return nil
}
