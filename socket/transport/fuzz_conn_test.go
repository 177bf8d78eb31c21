package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// The parts of the options of [FuzzConn].
const (
	fuzzDeflate  = 1 << iota // compression is agreed on
	fuzzServed               // the server's end is driven by Serve
	fuzzNarrow               // the network holds 100 bytes
	fuzzSmall                // the read buffers are small
	fuzzByServer             // the server closes
)

// FuzzConn lets both ends of a connection send, each in its own order, whole
// messages, prepared ones, pieces, pings. What the one sends the other gets,
// everything once and in order, and both learn of the end.
func FuzzConn(f *testing.F) {
	f.Add([]byte{0, 5, 1, 200, 2, 9}, byte(0))
	f.Add([]byte{0x80, 5, 0x81, 200, 0x82, 9, 0x84, 1}, byte(fuzzDeflate|fuzzServed))
	f.Add([]byte{3, 100, 0x83, 255, 3, 0, 0, 1, 4, 0}, byte(fuzzNarrow|fuzzByServer))
	f.Add([]byte{5, 200, 0x85, 200, 6, 255, 0x86, 255, 4, 1, 0x84, 1}, byte(fuzzDeflate|fuzzSmall|fuzzServed|fuzzByServer))
	f.Fuzz(func(t *testing.T, script []byte, options byte) {
		if len(script) > 200 {
			return
		}
		synctest.Test(t, func(t *testing.T) { fuzzConn(t, script, options) })
	})
}

// sender is one end and what it has sent.
type sender struct {
	*transport.Conn
	t    *testing.T
	sent []string
	got  []string
	err  error // that reading ended with
	done chan struct{}
}

func fuzzConn(t *testing.T, script []byte, options byte) {
	size := 0
	if options&fuzzNarrow != 0 {
		size = 100
	}
	a, b := memnet.PipeBuffer(size)
	var params *wsproto.DeflateParams
	if options&fuzzDeflate != 0 {
		params = &wsproto.DeflateParams{ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 15, ClientBits: 15}
	}
	limits := transport.Limits{MaxMessageSize: 1 << 20}
	if options&fuzzSmall != 0 {
		limits.BufferSize = 1
	}
	client := &sender{Conn: transport.NewTestConn(a, wsproto.RoleClient, limits, params, nil), t: t, done: make(chan struct{})}
	server := &sender{Conn: transport.NewTestConn(b, wsproto.RoleServer, limits, params, nil), t: t, done: make(chan struct{})}
	defer client.CloseNow()
	defer server.CloseNow()
	go client.read()
	if options&fuzzServed != 0 {
		server.Start(server)
	} else {
		go server.read()
	}

	var group sync.WaitGroup
	for _, s := range []*sender{client, server} {
		group.Go(func() {
			for i := 0; i+1 < len(script); i += 2 {
				if ofServer := script[i]&0x80 != 0; ofServer == (s == server) {
					s.step(script[i]&0x7F, script[i+1])
				}
			}
		})
	}
	group.Wait()
	time.Sleep(time.Second) // what arrives after Close would be discarded
	closer, other := client, server
	if options&fuzzByServer != 0 {
		closer, other = server, client
	}
	if err := closer.Close(transport.StatusNormalClosure, "that was all"); err != nil {
		t.Errorf("Close = %v", err)
	}
	<-client.done
	<-server.done
	if !slices.Equal(client.got, server.sent) || !slices.Equal(server.got, client.sent) {
		t.Errorf("the client got %.300q of %.300q, the server %.300q of %.300q", client.got, server.sent, server.got, client.sent)
	}
	var closed *transport.CloseError
	if !errors.As(other.err, &closed) || *closed != (transport.CloseError{Code: transport.StatusNormalClosure, Reason: "that was all"}) {
		t.Errorf("reading ended with %v after Close", other.err)
	}
}

// step sends something.
func (s *sender) step(op, arg byte) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	payload := bytes.Repeat([]byte(fmt.Sprintf("%d,", len(s.sent))), int(arg)*int(op>>3+1)/2)
	typ := transport.MessageText
	if arg&1 != 0 {
		typ = transport.MessageBinary
	}
	var err error
	switch op & 7 {
	case 0, 1:
		err = s.Write(ctx, typ, payload)
	case 2:
		err = s.WritePrepared(ctx, transport.NewPreparedMessage(typ, payload))
	case 3: // in pieces
		err = s.pieces(ctx, typ, payload, nil)
	case 4:
		if err := s.Ping(ctx); err != nil {
			s.t.Errorf("Ping = %v", err)
		}
		return
	case 5: // in pieces with a ping in between
		err = s.pieces(ctx, typ, payload, func() {
			if err := s.Ping(ctx); err != nil {
				s.t.Errorf("Ping = %v", err)
			}
		})
	case 6: // a whole message while another is open waits behind it
		var group sync.WaitGroup
		var second error
		err = s.pieces(ctx, typ, payload, func() {
			group.Go(func() { second = s.Write(ctx, typ, []byte("behind")) })
		})
		group.Wait()
		if len(payload) > 0 {
			s.sent = append(s.sent, line(typ, payload), line(typ, []byte("behind")))
			err = errors.Join(err, second)
			if err != nil {
				s.t.Errorf("sending %d and 6 bytes: %v", len(payload), err)
			}
			return
		}
	case 7:
		err = s.Write(ctx, typ, nil)
		payload = nil
	}
	if err != nil {
		s.t.Errorf("sending %d bytes: %v", len(payload), err)
	}
	s.sent = append(s.sent, line(typ, payload))
}

// pieces sends a message in three pieces and calls between, where it is not nil,
// behind the first that is not empty.
func (s *sender) pieces(ctx context.Context, typ transport.MessageType, payload []byte, between func()) error {
	w, err := s.Writer(ctx, typ)
	if err != nil {
		return err
	}
	third := len(payload) / 3
	for _, p := range [][]byte{payload[:third], payload[third : 2*third], payload[2*third:]} {
		if _, err := w.Write(p); err != nil {
			return err
		}
		if between != nil && len(p) > 0 {
			between()
			between = nil
		}
	}
	return w.Close()
}

func line(typ transport.MessageType, p []byte) string { return fmt.Sprintf("%v %s", typ, p) }

// read reads until the end.
func (s *sender) read() {
	defer close(s.done)
	for {
		typ, p, err := s.Read(context.Background())
		if err != nil {
			s.err = err
			return
		}
		s.got = append(s.got, line(typ, p))
	}
}

func (s *sender) OnMessage(_ *transport.Conn, typ transport.MessageType, p []byte) {
	s.got = append(s.got, line(typ, p))
}

func (s *sender) OnClose(_ *transport.Conn, err error) {
	s.err = err
	close(s.done)
}
