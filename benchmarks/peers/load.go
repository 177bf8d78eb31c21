package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A workload is what the load process does with a server.
type workload struct {
	name     string
	mode     string // of the server
	conns    int
	inFlight int // messages under way, of each sender
	senders  int // connections that send
	size     int // of a message, bytes
}

// workloads are the rows of the table.
var workloads = []workload{
	{"echo, 100 connections, 1 in flight, 64 B", "echo", 100, 1, 100, 64},
	{"echo, 1000 connections, 1 in flight, 64 B", "echo", 1000, 1, 1000, 64},
	{"echo, 100 connections, 64 KiB", "echo", 100, 1, 100, 64 << 10},
	{"echo, 100 connections, 32 in flight, 64 B", "echo", 100, 32, 100, 64},
	{"broadcast to 1000, one at a time, 64 B", "broadcast", 1000, 1, 1, 64},
	{"broadcast to 5000, 16 in flight, 64 B", "broadcast", 5000, 16, 1, 64},
	{"chat, 1000 members, 64 senders at once, 64 B", "broadcast", 1000, 1, 64, 64},
}

// runLoad is the whole of a load process: it connects, and then for each line
// "run SECONDS" keeps the server busy for that time and prints how many messages
// it received.
func runLoad(addr string, w workload) error {
	l := &load{w: w, message: clientFrame(w.size)}
	for range w.conns {
		c, err := handshake(addr)
		if err != nil {
			return err
		}
		l.conns = append(l.conns, c)
	}
	if w.mode == "broadcast" {
		// Everybody is a member once a message has reached all.
		l.prime()
	}
	for _, c := range l.conns {
		go l.read(c)
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fields := strings.Fields(in.Text())
		if len(fields) != 2 {
			return fmt.Errorf("cannot read %q", in.Text())
		}
		seconds, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return err
		}
		fmt.Println(l.run(time.Duration(seconds * float64(time.Second))))
	}
	return nil
}

// load is the state of a load process.
type load struct {
	w        workload
	message  []byte
	conns    []*client
	received atomic.Int64
	stopping atomic.Bool
	idle     sync.WaitGroup // the messages under way
}

// client is one connection.
type client struct {
	net.Conn
	sender  bool
	pending int // bytes of a frame that is not whole yet
	due     int // broadcasts: copies of own messages that have yet to come
}

// run keeps the server busy and returns the messages that came back.
func (l *load) run(d time.Duration) int64 {
	l.stopping.Store(false)
	before := l.received.Load()
	for _, c := range l.conns[:l.w.senders] {
		c.sender = true
		for range l.w.inFlight {
			l.idle.Add(l.copies())
			c.Write(l.message)
		}
	}
	time.Sleep(d)
	l.stopping.Store(true)
	// A server that loses a message must not hold up the table for ever.
	stuck := time.AfterFunc(10*time.Second, func() {
		fmt.Fprintln(os.Stderr, "peers: messages are missing after 10 s")
		os.Exit(1)
	})
	l.idle.Wait()
	stuck.Stop()
	return l.received.Load() - before
}

// copies is how many connections receive a message.
func (l *load) copies() int {
	if l.w.mode == "echo" {
		return 1
	}
	return len(l.conns)
}

// read counts the frames of one connection, and sends the next message for each
// of its own that came back.
func (l *load) read(c *client) {
	frame := serverFrameSize(l.w.size)
	buf := make([]byte, 256<<10)
	var answers bytes.Buffer
	seen := 0
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		c.pending += n
		whole := c.pending / frame
		c.pending %= frame
		if whole == 0 {
			continue
		}
		l.received.Add(int64(whole))
		answers.Reset()
		again := 0
		if !l.stopping.Load() && c.sender {
			again = whole
			if l.w.mode == "broadcast" {
				// Of the messages that come, one in senders is its own.
				seen += whole
				again = seen / l.w.senders
				seen %= l.w.senders
			}
			for range again {
				answers.Write(l.message)
			}
		}
		l.idle.Add(again * l.copies())
		if again > 0 {
			c.Write(answers.Bytes())
		}
		l.idle.Add(-whole)
	}
}

// prime waits until a broadcast reaches every connection.
func (l *load) prime() {
	frame := serverFrameSize(l.w.size)
	for {
		l.conns[0].Write(l.message)
		missing := 0
		for _, c := range l.conns {
			c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			if _, err := io.ReadFull(c, make([]byte, frame)); err != nil {
				missing++
			}
			c.SetReadDeadline(time.Time{})
		}
		if missing == 0 {
			return
		}
	}
}

// handshake opens a WebSocket connection.
func handshake(addr string) (*client, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", addr)
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		var b [1]byte
		if _, err := io.ReadFull(nc, b[:]); err != nil {
			return nil, err
		}
		head = append(head, b[0])
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		return nil, fmt.Errorf("the handshake was answered with %.40q", head)
	}
	return &client{Conn: nc}, nil
}

// payload is the text of every message: an event, so that the event layer can be
// measured with the same load.
func payload(size int) []byte {
	const head, tail = `{"event":"m","data":"`, `"}`
	return []byte(head + strings.Repeat("x", size-len(head)-len(tail)) + tail)
}

// clientFrame is a masked text frame. The key is fixed: masking costs the server
// the same with any.
func clientFrame(size int) []byte {
	key := [4]byte{1, 2, 3, 4}
	b := append(frameHeader(size, 0x80), key[:]...)
	for i, x := range payload(size) {
		b = append(b, x^key[i%4])
	}
	return b
}

func serverFrameSize(size int) int { return len(frameHeader(size, 0)) + size }

func frameHeader(size int, mask byte) []byte {
	switch {
	case size < 126:
		return []byte{0x81, mask | byte(size)}
	case size < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{0x81, mask | 126}, uint16(size))
	}
	return binary.BigEndian.AppendUint64([]byte{0x81, mask | 127}, uint64(size))
}
