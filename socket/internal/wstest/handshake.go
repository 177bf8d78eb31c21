package wstest

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing/synctest"
	"unicode/utf8"
)

// Opening is the peer's half of the opening handshake, and what is wanted of the
// endpoint's. The zero value is a correct handshake that opens.
type Opening struct {
	Line   string   // the first line; empty: the usual one
	Set    []string // "Name: value" in place of the usual field
	Add    []string // "Name: value" in addition
	Drop   []string // names of usual fields that are left out
	Before string   // what precedes the head
	Body   string   // what follows the head at once
	Offer  *Offer   // of the peer in the client's role; nil: none
	Accept *Offer   // which of several offers in Add is to be accepted; nil: Offer
	Answer string   // to the endpoint's offer, of the peer in the server's role; empty: none

	// Status is that of the response which refuses, for an endpoint in the
	// server's role. For a client that gives up it is the status that the
	// application is told, -1 for none.
	Status int
	Want   []string // "Name: value" of the response; "Name:" must be absent

	split int // after so many bytes a second write begins; 0: there is one
}

// sampleKey is a Sec-WebSocket-Key.
const sampleKey = "d3N0ZXN0IHNhbXBsZSBrZQ=="

// acceptFor returns the Sec-WebSocket-Accept for a key, RFC 6455 section 1.3.
func acceptFor(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// head writes a message head with the changes that o makes to the usual one.
func (o Opening) head(line string, fields [][2]string) []byte {
	if o.Line != "" {
		line = o.Line
	}
	b := append([]byte(o.Before+line), "\r\n"...)
	for _, f := range fields {
		text := f[0] + ": " + f[1]
		for _, s := range o.Set {
			if name, _, _ := strings.Cut(s, ":"); strings.EqualFold(name, f[0]) {
				text = s
			}
		}
		if !slices.Contains(o.Drop, f[0]) {
			b = append(append(b, text...), "\r\n"...)
		}
	}
	for _, s := range o.Add {
		b = append(append(b, s...), "\r\n"...)
	}
	return append(append(b, "\r\n"...), o.Body...)
}

// request is the peer's opening handshake in the client's role.
func (o Opening) request() []byte {
	fields := [][2]string{
		{"Host", "server.example"},
		{"Upgrade", "websocket"},
		{"Connection", "Upgrade"},
		{"Sec-WebSocket-Key", sampleKey},
		{"Sec-WebSocket-Version", "13"},
	}
	if o.Offer != nil {
		fields = append(fields, [2]string{"Sec-WebSocket-Extensions", o.Offer.String()})
	}
	return o.head("GET /chat HTTP/1.1", fields)
}

// response is the peer's opening handshake in the server's role.
func (o Opening) response(key string) []byte {
	fields := [][2]string{
		{"Upgrade", "websocket"},
		{"Connection", "Upgrade"},
		{"Sec-WebSocket-Accept", acceptFor(key)},
	}
	if o.Answer != "" {
		fields = append(fields, [2]string{"Sec-WebSocket-Extensions", o.Answer})
	}
	return o.head("HTTP/1.1 101 Switching Protocols", fields)
}

// open goes through the opening handshake. Early frames leave in the same write
// as the peer's half. It reports whether the connection is open.
func (p *Peer) open(o Opening, early ...Frame) bool {
	p.t.Helper()
	p.Send(early...)
	frames := bytes.Clone(p.pending)
	p.pending, p.ends = p.pending[:0], nil
	if p.role == Server {
		p.writeOpening(append(o.request(), frames...), o.split)
		return p.checkResponse(o)
	}
	key := p.checkRequest()
	p.writeOpening(append(o.response(key), frames...), o.split)
	if o.Status != 0 {
		p.Want(Expect{End: true})
		return false
	}
	if o.Answer != "" {
		p.agree7692(p.setup.clientOffer(), o.Answer)
	}
	return true
}

func (p *Peer) writeOpening(b []byte, split int) {
	p.opening = len(b)
	if split > 0 {
		p.write(b[:split])
	}
	p.write(b[split:])
}

// takeHead waits for the head of an HTTP message and takes it.
func (p *Peer) takeHead() []byte {
	p.t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	end := bytes.Index(p.got, []byte("\r\n\r\n"))
	if end < 0 {
		p.t.Fatalf("the endpoint sent %q and not the head of its handshake", p.got)
	}
	head := p.got[:end+4]
	p.got = p.got[end+4:]
	return head
}

// checkResponse checks the response of an endpoint in the server's role, RFC
// 6455 section 4.2.2.
func (p *Peer) checkResponse(o Opening) bool {
	p.t.Helper()
	head := p.takeHead()
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		p.t.Fatalf("%q: %v", head, err)
	}
	_ = r.Body.Close() // there is none: only the head was read
	p.checkFields(r.Header, o.Want)
	want := 101
	if o.Status != 0 {
		want = o.Status
	}
	if r.StatusCode != want {
		p.t.Fatalf("the endpoint answered %s, want %d", r.Status, want)
	}
	if o.Status != 0 {
		// A proxy that has switched protocols must not be able to pass on what
		// follows as a request.
		if !r.Close {
			p.t.Error("the response that refuses has no Connection: close")
		}
		p.mu.Lock()
		body, ended := string(p.got), p.err != nil
		p.got = nil
		p.mu.Unlock()
		if strings.Contains(body, "\r\n\r\n") {
			p.t.Errorf("the endpoint sent %q behind the response that refuses", body)
		}
		if p.ended = true; !ended {
			p.t.Error("the endpoint has not closed the connection that it refused")
		}
		return false
	}
	p.checkFields(r.Header, []string{
		"Upgrade: websocket", "Connection: Upgrade", "Sec-Websocket-Accept: " + acceptFor(sampleKey),
	})
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 {
		p.t.Errorf("the endpoint answered in %s", r.Proto)
	}
	if answer := r.Header.Get("Sec-Websocket-Extensions"); answer != "" {
		offer := cmp.Or(o.Accept, o.Offer)
		if offer == nil {
			p.t.Fatalf("the endpoint agreed to %q, which it had to decline", answer)
		}
		p.agree7692(*offer, answer)
	}
	return true
}

// checkFields compares fields of the endpoint's message with "Name: value".
// Each must be there once, or not at all if no value is given.
func (p *Peer) checkFields(h http.Header, want []string) {
	p.t.Helper()
	for _, w := range want {
		name, value, _ := cutTrim(w, ":")
		got := h[textproto.CanonicalMIMEHeaderKey(name)]
		if value == "" && len(got) == 0 || len(got) == 1 && got[0] == value {
			continue
		}
		p.t.Errorf("%s of the endpoint's handshake = %q, want %q", name, got, value)
	}
}

// clientOffer is what the endpoint offers in the client's role when the case has
// permessage-deflate. It is checked, not assumed.
func (s Setup) clientOffer() Offer {
	if s.Offers != nil {
		return *s.Offers
	}
	return Offer{ServerNoTakeover: true, ClientNoTakeover: true, ClientBits: NoValue}
}

// checkRequest checks the request of an endpoint in the client's role, RFC 6455
// section 4.1, and returns its key.
func (p *Peer) checkRequest() string {
	p.t.Helper()
	head := p.takeHead()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		p.t.Fatalf("%q: %v", head, err)
	}
	if r.Method != "GET" || r.RequestURI != "/chat" || r.Proto != "HTTP/1.1" || r.Host != "server.example" {
		p.t.Errorf("the endpoint asked %s %s %s of %s", r.Method, r.RequestURI, r.Proto, r.Host)
	}
	want := []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Accept:"}
	p.checkFields(r.Header, want)
	keys := r.Header["Sec-Websocket-Key"]
	if len(keys) != 1 {
		p.t.Fatalf("the endpoint sent %d keys", len(keys))
	}
	if nonce, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(nonce) != 16 {
		p.t.Errorf("the endpoint's key %q is not 16 bytes in base64", keys[0])
	}
	offered := r.Header.Get("Sec-Websocket-Extensions")
	want7692 := ""
	if p.setup.Deflate {
		want7692 = p.setup.clientOffer().String()
	}
	if offered != want7692 {
		p.t.Errorf("the endpoint offered %q, want %q", offered, want7692)
	}
	p.Silence() // a client sends nothing before the answer
	return keys[0]
}

// agree7692 takes up what the handshake has settled for permessage-deflate.
func (p *Peer) agree7692(o Offer, answer string) {
	p.t.Helper()
	a, err := o.Check(answer)
	if err != nil {
		p.t.Fatalf("%q in answer to %q: %v", answer, o, err)
	}
	p.agreed = &a
	p.in = &Decompressor{Window: 1 << a.ServerBits, Takeover: !a.ServerNoTakeover}
	p.out = NewCompressor(1, a.ClientBits, !a.ClientNoTakeover)
	if p.role == Client {
		p.in = &Decompressor{Window: 1 << a.ClientBits, Takeover: !a.ClientNoTakeover}
		p.out = NewCompressor(1, a.ServerBits, !a.ServerNoTakeover)
	}
}

// SetLevel chooses how hard the peer compresses, a level of compress/flate.
func (p *Peer) SetLevel(level int) { p.out.level = level }

func validReason(b []byte) bool { return utf8.Valid(b) }

// splitTrim splits a list and drops the whitespace around its elements.
func splitTrim(s, sep string) []string {
	parts := strings.Split(s, sep)
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// cutTrim is strings.Cut without the whitespace around both parts.
func cutTrim(s, sep string) (before, after string, found bool) {
	before, after, found = strings.Cut(s, sep)
	return strings.TrimSpace(before), strings.TrimSpace(after), found
}
