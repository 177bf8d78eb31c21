package fuzz

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// The first bits of the mode of [FuzzClientBytes] are those of [FuzzServerBytes].
// Behind those of the end, this one asks for a Client in place of a Conn.
const asEvents = 1 << (endShift + 2)

var clientBytesSeeds = []struct {
	name string
	data string
	mode byte
}{
	{"text", "\x81\x05hello\x81\x1f" + `{"event":"echo","data":"hello"}`, afterHandshake | asFrames},
	{"events", "\x81\x05hello\x81\x1f" + `{"event":"echo","data":"hello"}` + "\x82\x01\x00", afterHandshake | asFrames | asEvents},
	{"typed data", "\x81\x1d" + `{"event":"profile","data":{}}` + "\x81\x18" + `{"event":"int","data":1}`, afterHandshake | asFrames | asEvents | inOneWrite},
	{"the handler closes", "\x81\x11" + `{"event":"close"}` + "\x81\x0f" + `{"event":"any"}`, afterHandshake | asFrames | asEvents | inOneWrite},
	{"requests and replies", "\x81\x21" + `{"req":7,"event":"echo","data":1}` + "\x81\x11" + `{"re":7,"data":1}` + "\x81\x1a" + `{"req":"7","event":"echo"}` + "\x81\x0f" + `{"re":1,"re":2}` + "\x81\x0a" + `{"re":"x"}`, afterHandshake | asFrames | asEvents},
	{"fragments and a ping", "\x01\x01a\x89\x02hi\x80\x01b\x8a\x00", afterHandshake | asFrames},
	{"close", "\x81\x01a\x88\x05\x03\xe9bye\x81\x01b", afterHandshake | asFrames | inOneWrite},
	{"masked", "\x81\x81\x00\x00\x00\x00a", afterHandshake},
	{"bad text", "\x01\x02\xe2\x82\x80\x02\xac\"\x81\x02\xc0\x80", afterHandshake | asFrames},
	{"compressed", compressed(0xC1, strings.Repeat("a", 500)), afterHandshake | asFrames | withDeflate},
	{"cut", "\x81\x01a", afterHandshake | asFrames | asEvents | endCut<<endShift},
	{"half closed", "\x81\x01a", afterHandshake | asFrames | asEvents | endWrite<<endShift},
	{"hung up", "\x81\x01a\x02\x01b", afterHandshake | asFrames | endClose<<endShift},
	{"no upgrade", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0},
	{"interim responses", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", 0},
	{"another key", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\n\r\n", 0},
	{"endless", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 5000), 0},
	{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", asEvents},
}

// FuzzClientBytes throws bytes at a live client: in place of the answer to its
// handshake, or behind a good one. It takes the messages that the bytes hold and
// nothing else, what it sends is valid, and everything ends.
func FuzzClientBytes(f *testing.F) {
	for i, s := range clientBytesSeeds {
		f.Add([]byte(s.data), s.mode, uint16(i%4))
	}
	f.Fuzz(func(t *testing.T, data []byte, mode byte, piece uint16) {
		if len(data) > 1<<16 {
			return
		}
		r := clientRun{input: data, mode: mode, piece: int(piece)}
		if mode&asFrames != 0 {
			r.input = frames(data, false)
		}
		bounded(t, ordinary, len(data), r.run)
		r.check(t)
	})
}

// clientRun is one connection of a client to a server that follows a script.
type clientRun struct {
	input []byte // that the script sends
	mode  byte
	piece int

	server   *peer
	dialErr  error
	log      []string // of the client's handlers
	messages []event  // of the client's Read
	readErr  error
	sent     []byte // by the client
}

func (r *clientRun) run(t *testing.T) {
	near, far := newWire()
	r.server = newPeer(far)
	defer r.server.hangUp()
	dial := func(context.Context, string, string) (net.Conn, error) { return near, nil }
	done := make(chan struct{})
	go func() {
		defer close(done)
		if r.mode&asEvents != 0 {
			r.runClient(dial)
		} else {
			r.runConn(dial)
		}
	}()
	synctest.Wait()
	r.script()
	synctest.Wait()
	switch r.mode >> endShift & 3 {
	case endWrite:
		_ = far.CloseWrite() // never fails
	case endCut:
		far.Cut()
	case endClose:
		r.server.hangUp()
	}
	// The client's read timeout has passed by then.
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	select {
	case <-done:
	default:
		t.Error("the client is not through")
		far.Cut()
		<-done
	}
	select {
	case <-r.server.gone:
	default:
		t.Error("the connection is left")
	}
	r.sent = r.server.received()
}

// script is what the server does.
func (r *clientRun) script() {
	if r.mode&afterHandshake == 0 {
		r.server.send(r.input, r.piece)
		return
	}
	_, rest, _ := bytes.Cut(r.server.received(), []byte("Sec-WebSocket-Key: "))
	key, _, _ := bytes.Cut(rest, []byte("\r\n"))
	sum := sha1.Sum([]byte(string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if r.deflate() {
		answer += "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
	}
	answer += "\r\n"
	if r.mode&inOneWrite != 0 {
		r.server.send(append([]byte(answer), r.input...), 0)
		return
	}
	r.server.send([]byte(answer), 0)
	synctest.Wait()
	r.server.send(r.input, r.piece)
}

func (r *clientRun) deflate() bool { return r.mode&withDeflate != 0 }

// runConn reads a Conn to its end and sends every message back.
func (r *clientRun) runConn(dial func(context.Context, string, string) (net.Conn, error)) {
	ctx := context.Background()
	opts := &transport.DialOptions{DialContext: dial}
	if r.deflate() {
		opts.Compression = new(transport.Compression)
	}
	opts.ReadTimeout = time.Minute
	var c *transport.Conn
	c, r.dialErr = transport.Dial(ctx, "ws://fuzz/socket", opts)
	if r.dialErr != nil {
		return
	}
	defer c.CloseNow()
	for {
		typ, p, err := c.Read(ctx)
		if err != nil {
			r.readErr = err
			return
		}
		r.messages = append(r.messages, event{op: byte(typ), payload: string(p)})
		_ = c.Write(ctx, typ, p) // fails once the connection has ended
	}
}

// runClient lets a Client with handlers run to its end.
func (r *clientRun) runClient(dial func(context.Context, string, string) (net.Conn, error)) {
	c := socket.NewClient(
		transport.NewWebSocketTransport("ws://fuzz/socket", transport.WithDialContext(dial), transport.WithReadTimeout(time.Minute)),
		socket.WithReconnectAttempts(-1), socket.WithClientCompression(r.deflate()),
	)
	// Handlers run one at a time.
	note := func(entry string) { r.log = append(r.log, entry) }
	ended := make(chan struct{})
	c.On(socket.EventConnect, func(any) { note("connect") })
	c.On(socket.EventDisconnect, func(any) {
		note("disconnect")
		close(ended)
	})
	c.On(socket.EventError, func(data any) {
		var m *socket.MessageError
		if err, ok := data.(error); ok && errors.As(err, &m) && errors.Is(err, socket.ErrInvalidMessage) {
			note("invalid " + m.Event)
			return
		}
		if _, ok := data.(error); ok {
			note(fmt.Sprintf("error %v", data))
		}
		// Otherwise it is what the server has sent under this name.
	})
	for _, e := range typedEvents {
		e.listen(c, note)
	}
	c.On(socket.EventMessage, func(v any) { note(entry(socket.EventMessage, v)) })
	c.On("echo", func(v any) {
		note(entry("echo", v))
		_ = c.Send("echo", v) // fails once the connection has ended
	})
	c.On("close", func(v any) {
		note(entry("close", v))
		_ = c.Close() // may find the connection lost
	})
	if r.dialErr = c.Connect(); r.dialErr != nil {
		return
	}
	<-ended
	_ = c.Close() // it is closed already
}

// check compares what the client did with what the input says.
func (r *clientRun) check(t *testing.T) {
	head, output, ok := bytes.Cut(r.sent, []byte("\r\n\r\n"))
	if !ok || !bytes.HasPrefix(head, []byte("GET /socket HTTP/1.1\r\n")) {
		t.Fatalf("the client sent no request but %.500q", r.sent)
	}
	if r.mode&afterHandshake == 0 {
		if r.dialErr == nil {
			t.Fatalf("the client took %.500q for an answer to its key", r.input)
		}
		var he *transport.HandshakeError
		if errors.As(r.dialErr, &he) && he.Status == http.StatusSwitchingProtocols && len(he.Reason) == 0 {
			t.Fatalf("no reason in %v", r.dialErr)
		}
		return
	}
	if r.dialErr != nil {
		t.Fatalf("the handshake failed: %v", r.dialErr)
	}
	asked := asClient(r.deflate()).read(r.input)
	got := reading{masked: true, deflate: r.deflate()}.read(output)
	if got.fault != 0 {
		t.Fatalf("the client sent %.500q: %s", output, got.why)
	}
	var echoes []string
	if r.mode&asEvents != 0 {
		echoes = r.checkEvents(t, asked)
	} else {
		echoes = r.checkMessages(t, asked)
	}
	var echoed []string
	for _, m := range got.messages() {
		echoed = append(echoed, m.payload)
	}
	if n := len(echoed); n > len(echoes) || !slices.Equal(echoed, echoes[:n]) {
		t.Fatalf("the client sent %.500q, want the beginning of %.500q", echoed, echoes)
	}
}

// checkMessages returns what the client may have sent back.
func (r *clientRun) checkMessages(t *testing.T, asked found) (echoes []string) {
	want := asked.messages()
	if !slices.Equal(r.messages, want) {
		t.Fatalf("Read gave %.500v, want %.500v", r.messages, want)
	}
	if !errors.Is(r.readErr, net.ErrClosed) {
		t.Fatalf("Read ended with %v, which is not net.ErrClosed", r.readErr)
	}
	var closed *transport.CloseError
	if e, ok := asked.closed(); ok && (!errors.As(r.readErr, &closed) || int(closed.Code) != e.code || closed.Reason != e.payload) {
		t.Fatalf("Read ended with %v, want %v", r.readErr, e)
	}
	var broken *transport.ProtocolError
	var limit *transport.LimitError
	if asked.fault != 0 && !errors.As(r.readErr, &broken) && !errors.As(r.readErr, &limit) {
		t.Fatalf("Read ended with %v after a fault: %s", r.readErr, asked.why)
	}
	for _, m := range want {
		echoes = append(echoes, m.payload)
	}
	return echoes
}

func (r *clientRun) checkEvents(t *testing.T, asked found) (echoes []string) {
	want := []string{"connect"}
	for _, m := range asked.messages() {
		v := judge(m, clientReserved, clientNames)
		want = append(want, v.log...)
		if v.echo != "" {
			echoes = append(echoes, v.echo)
		}
		if v.ends {
			break
		}
	}
	if want = append(want, "disconnect"); !slices.Equal(r.log, want) {
		t.Fatalf("the handlers were told %.500q, want %.500q", r.log, want)
	}
	return echoes
}
