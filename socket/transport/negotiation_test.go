package transport_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wstest"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// configurations are what a server can be told of compression. In the tables of this
// file, s and c stand for server_no_context_takeover and client_no_context_takeover,
// S and C with a number for server_max_window_bits and client_max_window_bits.
var configurations = []struct {
	name string
	z    transport.Compression
}{
	{"default", transport.Compression{}},
	{"window", transport.Compression{Takeover: transport.WindowTakeover}},
	{"window of 9 bits", transport.Compression{Takeover: transport.WindowTakeover, Window: 9}},
	{"common", transport.Compression{Takeover: transport.CommonTakeover}},
	{"window, peer 15", transport.Compression{Takeover: transport.WindowTakeover, PeerWindow: 15}},
	{"window, peer 12", transport.Compression{Takeover: transport.WindowTakeover, Thorough: true, PeerWindow: 12}},
	{"peer 15", transport.Compression{PeerWindow: 15}},
}

// declined is the answer without the extension.
const declined = "-"

// negotiations are offers, and the answer of a server with each configuration, in
// order; one answer is that of all.
var negotiations = []struct {
	name, offer string
	accepted    wstest.Offer // which of the offers
	answers     []string
}{
	{
		name: "Chromium", offer: "permessage-deflate; client_max_window_bits",
		accepted: wstest.Offer{ClientBits: wstest.NoValue},
		answers:  []string{"s c", "c", "c", "c", "", "C12", "s"},
	},
	{
		// It cannot be told of 12 bits, so it must not take over at all.
		name: "Firefox", offer: "permessage-deflate",
		answers: []string{"s c", "c", "c", "c", "", "c", "s"},
	},
	{
		name: "a window of 10 bits", offer: "permessage-deflate; server_max_window_bits=10",
		accepted: wstest.Offer{ServerBits: 10},
		answers:  []string{"s c S10", "c S10", "c S10", "c S10", "S10", "c S10", "s S10"},
	},
	{
		name: "the full window, said", offer: "permessage-deflate; server_max_window_bits=15",
		accepted: wstest.Offer{ServerBits: 15},
		answers:  []string{"s c S15", "c S15", "c S15", "c S15", "S15", "c S15", "s S15"},
	},
	{
		name: "no takeover at all", offer: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		accepted: wstest.Offer{ServerNoTakeover: true, ClientNoTakeover: true},
		answers:  []string{"s c"},
	},
	{
		name: "no takeover by the server", offer: "permessage-deflate; server_no_context_takeover",
		accepted: wstest.Offer{ServerNoTakeover: true},
		answers:  []string{"s c", "s c", "s c", "s c", "s", "s c", "s"},
	},
	{
		name: "no takeover by the client, which can be told", offer: "permessage-deflate; client_no_context_takeover; client_max_window_bits",
		accepted: wstest.Offer{ClientNoTakeover: true, ClientBits: wstest.NoValue},
		answers:  []string{"s c", "c", "c", "c", "c", "c C12", "s c"},
	},
	{
		name: "a client's window of 10 bits", offer: "permessage-deflate; client_max_window_bits=10",
		accepted: wstest.Offer{ClientBits: 10},
		answers:  []string{"s c C10", "c C10", "c C10", "c C10", "C10", "C10", "s C10"},
	},
	{
		name: "the smallest windows", offer: "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
		accepted: wstest.Offer{ServerBits: 8, ClientBits: 8},
		answers:  []string{"s c S8 C8", "c S8 C8", "c S8 C8", "c S8 C8", "S8 C8", "S8 C8", "s S8 C8"},
	},
	{
		name: "a quoted value", offer: `permessage-deflate; server_max_window_bits="11"`,
		accepted: wstest.Offer{ServerBits: 11},
		answers:  []string{"s c S11", "c S11", "c S11", "c S11", "S11", "c S11", "s S11"},
	},
	{
		name: "a malformed one and another", offer: "permessage-deflate; foo=1, permessage-deflate; client_max_window_bits",
		accepted: wstest.Offer{ClientBits: wstest.NoValue},
		answers:  []string{"s c", "c", "c", "c", "", "C12", "s"},
	},
	{name: "an unknown parameter", offer: "permessage-deflate; foo", answers: []string{declined}},
	{name: "a window of 7 bits", offer: "permessage-deflate; server_max_window_bits=7", answers: []string{declined}},
	{name: "a window of 16 bits", offer: "permessage-deflate; client_max_window_bits=16", answers: []string{declined}},
	{name: "a leading zero", offer: "permessage-deflate; server_max_window_bits=08", answers: []string{declined}},
	{name: "a missing value", offer: "permessage-deflate; server_max_window_bits", answers: []string{declined}},
	{name: "a value too many", offer: "permessage-deflate; server_no_context_takeover=1", answers: []string{declined}},
	{name: "a parameter twice", offer: "permessage-deflate; client_max_window_bits; client_max_window_bits", answers: []string{declined}},
	{name: "another extension", offer: "x-permessage-deflate", answers: []string{declined}},
}

// spelled returns the value of the header field that an answer of the tables stands
// for.
func spelled(answer string) string {
	if answer == declined {
		return ""
	}
	names := map[byte]string{
		's': "server_no_context_takeover", 'c': "client_no_context_takeover",
		'S': "server_max_window_bits", 'C': "client_max_window_bits",
	}
	value := "permessage-deflate"
	for word := range strings.FieldsSeq(answer) {
		value += "; " + names[word[0]]
		if bits := word[1:]; bits != "" {
			value += "=" + bits
		}
	}
	return value
}

// TestServerAnswersEachOfferAndKeepsToIt checks the answer to each offer under each
// configuration, and then that the connection works both ways with a peer that takes
// the agreement at its word: it refers back to the edge of what it may, and forgets
// all that the server need not have remembered.
func TestServerAnswersEachOfferAndKeepsToIt(t *testing.T) {
	for i, config := range configurations {
		z := config.z
		z.Verify = true
		start := acceptEchoWith(served, &z)
		for _, tt := range negotiations {
			answer := tt.answers[i%len(tt.answers)]
			t.Run(config.name+"/"+tt.name, func(t *testing.T) {
				c := wstest.Case{
					ID: "18.1.1", Title: tt.name, Cuts: []wstest.Cut{wstest.Whole}, Setup: unlimited(),
					Opening: wstest.Opening{
						Add:    []string{"Sec-WebSocket-Extensions: " + tt.offer},
						Accept: &tt.accepted,
						Want:   []string{"Sec-WebSocket-Extensions:" + spelled(answer)},
					},
					Play: func(p *wstest.Peer) { bothWays(p, answer != declined, &z) },
				}
				c.Run(t, wstest.Server, start)
			})
		}
	}
}

// bothWays plays a connection of which z is the endpoint's end.
func bothWays(p *wstest.Peer, compressed bool, z *transport.Compression) {
	p.T().Helper()
	if (p.Agreed() != nil) != compressed {
		p.T().Fatalf("agreed on %+v", p.Agreed())
	}
	if !compressed {
		m := compressible(1000)
		p.Send(wstest.Frame{Opcode: wstest.Text, Payload: m})
		p.Want(wstest.Expect{Frame: wstest.Frame{Opcode: wstest.Text, Payload: m}})
		p.Bye()
		return
	}
	mine, theirs := p.Agreed().ClientBits, p.Agreed().ServerBits
	takes := !p.Agreed().ServerNoTakeover
	if p.Role() == wstest.Client {
		mine, theirs = theirs, mine
		takes = !p.Agreed().ClientNoTakeover
	}
	// A message again is smaller if it may refer to itself, and as small if not.
	m := compressible(700)[300:]
	m = append(m, m[:200]...)
	sizes := [2]int{}
	for i := range sizes {
		before := p.Deflated()
		p.SendMessage(wstest.Text, m, 0)
		p.Want(wstest.Expect{Frame: wstest.Frame{Opcode: wstest.Text, Payload: m, Deflated: true}})
		sizes[i] = p.Deflated() - before
	}
	window := z.Window
	if window == 0 {
		window = 12
	}
	switch refers := takes && z.Takeover == transport.WindowTakeover && min(window, theirs) > 9; {
	case refers && sizes[1] > sizes[0]/4:
		p.T().Errorf("a message was compressed to %d bytes, and then to %d: it does not refer back", sizes[0], sizes[1])
	case (!takes || z.Takeover != transport.WindowTakeover) && sizes[1] != sizes[0]:
		p.T().Errorf("a message was compressed to %d bytes, and then to %d", sizes[0], sizes[1])
	}
	messages := [][]byte{nil, compressible(60), compressible(700), compressible(5000), wstest.ASCII(3000), afar(mine), afar(theirs), make([]byte, 40000)}
	if raceEnabled {
		messages = messages[:5]
	}
	for _, m := range messages {
		echoTwice(p, wstest.Binary, 0, m)
		// What is not compressed enters no window.
		p.Send(wstest.Frame{Opcode: wstest.Text, Payload: []byte("plain")})
		p.Want(wstest.Expect{Frame: wstest.Frame{Opcode: wstest.Text, Payload: []byte("plain")}})
		echoTwice(p, wstest.Binary, 100, m[:len(m)/2])
	}
	p.Bye()
}

// TestClientOffersWhatItIsToldAndKeepsToTheAnswer is the same for clients.
func TestClientOffersWhatItIsToldAndKeepsToTheAnswer(t *testing.T) {
	type answers struct{ legal, illegal []string }
	always := answers{illegal: []string{
		"S7", "S16", "C7", "C16", "S08", "S", "C", "C10 C10", "s s", "S9 S10", "s1", "c1",
	}}
	for _, tt := range []struct {
		name  string
		z     transport.Compression
		offer wstest.Offer
		answers
	}{
		{
			"default", transport.Compression{},
			wstest.Offer{ClientNoTakeover: true, ClientBits: wstest.NoValue},
			answers{legal: []string{"", "s", "c", "s c", "S8", "S15", "C8", "C15", "s S9 C10"}},
		},
		{
			"nothing is kept", transport.Compression{PeerWindow: -1},
			wstest.Offer{ServerNoTakeover: true, ClientNoTakeover: true, ClientBits: wstest.NoValue},
			answers{legal: []string{"s", "s c", "s S8", "s C8"}, illegal: []string{"", "c", "S10", "C10"}},
		},
		{
			"window", transport.Compression{Takeover: transport.WindowTakeover},
			wstest.Offer{ClientBits: wstest.NoValue},
			answers{legal: []string{"", "s", "c", "s c", "S8", "C8", "S9 C9", "S15 C15", "c S12", "s C12"}},
		},
		{
			"window of 9 bits", transport.Compression{Takeover: transport.WindowTakeover, Window: 9, Thorough: true},
			wstest.Offer{ClientBits: wstest.NoValue},
			answers{legal: []string{"", "C8", "C15", "c"}},
		},
		{
			"window, 10 bits of the server", transport.Compression{Takeover: transport.WindowTakeover, PeerWindow: 10},
			wstest.Offer{ServerBits: 10, ClientBits: wstest.NoValue},
			answers{legal: []string{"S10", "S8", "s S9", "c S10 C9"}, illegal: []string{"", "S11", "S15", "s", "C10"}},
		},
		{
			"window, nothing of the server", transport.Compression{Takeover: transport.WindowTakeover, PeerWindow: -1},
			wstest.Offer{ServerNoTakeover: true, ClientBits: wstest.NoValue},
			answers{legal: []string{"s", "s c", "s C8"}, illegal: []string{"", "c", "C12"}},
		},
	} {
		z := tt.z
		z.Verify = true
		start := dialEchoWith(served, &z)
		run := func(answer string, status int) {
			t.Run(fmt.Sprintf("%s/%q", tt.name, answer), func(t *testing.T) {
				c := wstest.Case{
					ID: "18.2.1", Title: tt.name, Cuts: []wstest.Cut{wstest.Whole}, Setup: unlimited(),
					Opening: wstest.Opening{Answer: spelled(answer), Status: status},
					Play:    func(p *wstest.Peer) { bothWays(p, answer != declined, &z) },
				}
				c.Setup.Offers = &tt.offer
				c.Run(t, wstest.Client, start)
			})
		}
		for _, answer := range append(tt.legal, declined) {
			run(answer, 0)
		}
		for _, answer := range append(tt.illegal, always.illegal...) {
			run(answer, 101)
		}
	}
}

// TestServerRefusesReferencesBeyondThePeersWindow has a client that agreed on a window
// refer back farther to earlier messages.
func TestServerRefusesReferencesBeyondThePeersWindow(t *testing.T) {
	for bits := 8; bits < 15; bits++ {
		start := acceptEchoWith(served, &transport.Compression{PeerWindow: bits})
		c := wstest.Case{
			ID: "18.3.1", Cuts: []wstest.Cut{wstest.Whole}, Setup: unlimited(),
			Opening: wstest.Opening{
				Offer: &wstest.Offer{ClientBits: wstest.NoValue},
				Want:  []string{fmt.Sprintf("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=%d", bits)},
			},
			Play: func(p *wstest.Peer) {
				history := bytes.Clone(wstest.Bytes(1<<bits + 1))
				echoOnce(p, wstest.Binary, 0, history[:1<<bits-1])
				echoOnce(p, wstest.Binary, 0, history[1<<bits-1:])
				again := history[:300%(1<<bits)]
				p.Send(wstest.Frame{Opcode: wstest.Binary, RSV: 4, Payload: wstest.Refer(again, history, 1<<15)})
				p.Fails("protocol", 1007)
			},
		}
		t.Run(fmt.Sprint(bits), func(t *testing.T) { c.Run(t, wstest.Server, start) })
	}
}
