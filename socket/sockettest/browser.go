package sockettest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Browser is a WebSocket client that knows nothing of this module but the two names
// "event" and "data", as the script of a page does. It does not connect again. Its
// methods fail the test: call them on the goroutine of the test. It is closed when the
// test ends.
type Browser struct {
	receiver
	conn *transport.Conn
	done chan struct{} // closed when read has ended
}

// Browser returns a browser that is connected, with a page of the server's own origin.
// In a bubble the server's connect handlers have run. It fails the test if it does not
// succeed. The name is for the messages of failing tests.
func (n *Network) Browser(name string) *Browser {
	n.t.Helper()
	b, err := n.DialBrowser(name, nil)
	if err != nil {
		n.t.Fatalf("%s cannot connect: %v", name, err)
	}
	return b
}

// DialBrowser is [Network.Browser] with header fields of its own, such as Origin or
// Cookie, and returns the error when it cannot connect, a [*transport.HandshakeError] if
// the server refuses it.
func (n *Network) DialBrowser(name string, header http.Header) (*Browser, error) {
	n.t.Helper()
	b := &Browser{receiver: newReceiver(n, name), done: make(chan struct{})}
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Origin") == "" {
		header.Set("Origin", "http://localhost")
	}
	var err error
	b.conn, err = transport.Dial(context.Background(), n.URL(WebSocket), &transport.DialOptions{
		Header:      header,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return n.dial(ctx, b.line) },
		Limits:      transport.Limits{MaxMessageSize: -1}, // a page has none
	})
	if err != nil {
		return nil, err
	}
	go b.read() // owned by b: ends with conn, which the test closes
	n.t.Cleanup(func() {
		b.Faults().leave()
		b.Close()
	})
	n.settle()
	return b, nil
}

// Send sends an event, and fails the test if that fails.
func (b *Browser) Send(event socket.Event, data any) {
	b.t.Helper()
	text, err := json.Marshal(message{&event, data})
	if err != nil {
		b.t.Fatalf("%s.Send(%q, …): %v", b.name, event, err)
	}
	b.SendText(string(text))
}

// message is all that a page knows of the wire format.
type message struct {
	Event *string `json:"event"`
	Data  any     `json:"data"`
}

// SendText sends a text message as it is, whatever it says, and fails the test if that
// fails.
func (b *Browser) SendText(text string) {
	b.t.Helper()
	b.send(transport.MessageText, []byte(text))
}

// SendBinary sends a binary message, and fails the test if that fails.
func (b *Browser) SendBinary(p []byte) {
	b.t.Helper()
	b.send(transport.MessageBinary, p)
}

func (b *Browser) send(typ transport.MessageType, p []byte) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), b.limit)
	defer cancel()
	if err := b.conn.Write(ctx, typ, p); err != nil {
		b.t.Fatalf("%s cannot send %s: %v", b.name, clip(p), err)
	}
}

// Close leaves the page: the browser says goodbye (code 1001) and waits for the server
// to answer. A second Close does nothing.
func (b *Browser) Close() {
	b.conn.Close(transport.StatusGoingAway, "") // how it went is what ExpectDisconnect tells
	<-b.done
}

// Within returns the same browser with another limit for what is expected of it, see
// [DefaultLimit].
func (b *Browser) Within(limit time.Duration) *Browser {
	same := *b
	same.limit = limit
	return &same
}

// read remembers what comes, until the end of the connection.
func (b *Browser) read() {
	defer close(b.done)
	for {
		typ, p, err := b.conn.Read(context.Background())
		if err != nil {
			b.in.put(item{kind: itemDisconnect, err: err})
			return
		}
		if typ == transport.MessageBinary {
			b.in.put(item{event: socket.EventMessage, binary: p})
			continue
		}
		var raw json.RawMessage
		m := message{Data: &raw}
		if err := decodeStrictly(p, &m); err != nil || m.Event == nil {
			b.t.Errorf("%s gets what no page would understand: %s", b.name, clip(p))
			continue
		}
		b.in.put(item{event: *m.Event, raw: raw})
	}
}

// decodeStrictly decodes one JSON value without unknown members.
func decodeStrictly(p []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(p))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
