package fuzz

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// FuzzServerSockets is FuzzServerBytes over sockets of the operating system, which
// a server reads and writes in other ways than connections in memory: without
// waiting, several messages at once. Its time is real, so a peer does not wait for
// the end of its patience.
func FuzzServerSockets(f *testing.F) {
	for i, s := range serverBytesSeeds {
		f.Add([]byte(s.data), s.mode, uint16(i%4))
	}
	listen := func(deflate bool) *live {
		l, err := net.Listen("unix", filepath.Join(f.TempDir(), "socket"))
		if err != nil {
			f.Skip(err)
		}
		live := newLiveOn(l, socket.WithCompression(deflate))
		f.Cleanup(func() { _ = live.web.Close() }) // ends the listener, too
		live.address = l.Addr()
		return live
	}
	plain, deflating := listen(false), listen(true)
	f.Fuzz(func(t *testing.T, data []byte, mode byte, piece uint16) {
		if len(data) > 1<<16 {
			return
		}
		l, deflate := plain, mode&withDeflate != 0
		if deflate {
			l = deflating
		}
		input := data
		if mode&asFrames != 0 {
			input = frames(data, true)
		}
		id, got := l.exchange(t, input, deflate, int(piece))
		if log := l.wait(id, "disconnect"); id != "" {
			checkServed(t, log, got, input, deflate, endWrite)
		}
	})
}

// exchange sends a handshake and input over a connection of its own and returns
// the id of the socket, and what came back.
func (l *live) exchange(t *testing.T, input []byte, deflate bool, piece int) (id string, got []byte) {
	t.Helper()
	c, err := net.Dial(l.address.Network(), l.address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the connection
		b := append([]byte(handshake(deflate)), input...)
		if piece < 64 {
			piece = len(b)
		}
		for part := range slices.Chunk(b, piece) {
			if _, err := c.Write(part); err != nil {
				return // the server has had enough
			}
		}
		_ = c.(*net.UnixConn).CloseWrite() // the connection may have ended
	}()
	got, err = io.ReadAll(c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Fatalf("the connection is open after 30s: %.300q", got)
	}
	if r, _, err := accepted(got); err == nil {
		id = r.Header.Get("Socket-Id")
	} else if !bytes.HasPrefix(got, []byte("HTTP/1.1 ")) && len(got) > 0 {
		t.Fatalf("the handshake was answered %.300q", got)
	}
	return id, got
}

// wait waits for an entry in the log of a socket, and returns and forgets the log.
func (l *live) wait(id, entry string) (log []string) {
	for range 20_000 {
		if log = l.logOf(id); id == "" || slices.Contains(log, entry) {
			break
		}
		time.Sleep(time.Millisecond / 2)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.logs, id)
	l.ids, l.requests = nil, nil
	return log
}
