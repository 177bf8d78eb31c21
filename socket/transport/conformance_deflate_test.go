package transport_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/kleeedolinux/socket.go/socket/internal/wstest"
)

// These cases need a peer that compresses: one that is built on compress/flate
// and keeps to what the handshake has agreed on, and that finds out when the
// endpoint does not.

// deflateCases are the families 12 and 13.
func deflateCases() []wstest.Case {
	var all []wstest.Case
	all = append(all, payloadCases()...)
	all = append(all, parameterCases()...)
	return all
}

// compressible returns n bytes of text in JSON in which everything occurs again
// and again, at all distances.
func compressible(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":%d,"name":"user %x","tags":["a","b%d"],"score":%d.%d,"text":"%s"},`,
			i, uint64(i*i)*2654435761, i%7, i*31%1000, i%10, strings.Repeat("lorem ipsum ", i%5))
	}
	return b.Bytes()[:n]
}

// afar returns a text that repeats itself at a distance of more than 2^bits bytes
// and nowhere nearer: a sender that forgets its window refers back too far.
func afar(bits int) []byte {
	block := wstest.ASCII(min(1<<bits+100, 4000))
	var b bytes.Buffer
	for i := 0; b.Len() < 1<<bits+100; i++ {
		// Each block in another order, so that it is new to the window.
		b.Write(rotated(block, byte(i)))
	}
	first := b.Bytes()
	return append(first, first[:300]...)
}

func rotated(p []byte, by byte) []byte {
	r := make([]byte, len(p))
	for i, c := range p {
		r[i] = ' ' + (c-' '+by*17+byte(i/95)*by)%95
	}
	return r
}

// echoTwice has each message come back, whether or not it is worth compressing.
// Every one is sent twice: who takes the first for the context of the second is
// found out.
func echoTwice(p *wstest.Peer, op byte, split int, messages ...[]byte) {
	p.T().Helper()
	for _, m := range messages {
		for range 2 {
			echoOnce(p, op, split, m)
		}
	}
}

func echoOnce(p *wstest.Peer, op byte, split int, m []byte) {
	p.T().Helper()
	p.SendMessage(op, m, split)
	p.Want(wstest.Expect{Frame: wstest.Frame{Opcode: op, Payload: m}, Either: true})
}

// unlimited lifts the limits that a large message meets.
func unlimited() wstest.Setup {
	return wstest.Setup{Deflate: true, MaxMessage: -1, MaxFragments: -1, MaxInflateRatio: -1}
}

// usual opens with the bare permessage-deflate and its shortest answer.
func usual() wstest.Opening {
	return wstest.Opening{Offer: &wstest.Offer{}, Answer: "permessage-deflate; server_no_context_takeover"}
}

// payloadCases are family 12: what is compressed, how much of it, and in which
// fragments.
func payloadCases() []wstest.Case {
	payloads := []struct {
		name string
		op   byte
		make func(n int) []byte
		most int // bytes
	}{
		{"JSON", wstest.Text, compressible, 128 << 10},
		{"text with characters of all lengths", wstest.Text, wstest.UTF8, 32 << 10},
		{"text of random characters", wstest.Text, wstest.ASCII, 8 << 10},
		{"random bytes", wstest.Binary, wstest.Bytes, 32 << 10},
		{"zeros", wstest.Binary, func(n int) []byte { return make([]byte, n) }, 128 << 10},
	}
	sizes := []int{1, 16, 64, 256, 511, 512, 1024, 4096, 8192, 16384, 32768, 65536, 131072}
	splits := []int{1, 16, 64, 256, 1024}
	levels := []int{-2, 0, 1, 6, 9}
	var all []wstest.Case
	for i, payload := range payloads {
		for j, size := range sizes {
			if size > payload.most {
				break
			}
			all = append(all, wstest.Case{
				ID:    fmt.Sprintf("12.%d.%d", i+1, j+1),
				Title: fmt.Sprintf("%d bytes of %s come back", size, payload.name),
				Cuts:  []wstest.Cut{wstest.Whole}, Setup: unlimited(), Opening: usual(),
				Play: func(p *wstest.Peer) {
					echoOnce(p, payload.op, 0, payload.make(size))
					p.Bye()
				},
			})
		}
		for j, split := range splits {
			all = append(all, wstest.Case{
				ID:    fmt.Sprintf("12.%d.%d", i+1, 20+j),
				Title: fmt.Sprintf("2 KiB of %s in fragments of %d compressed bytes come back", payload.name, split),
				Cuts:  []wstest.Cut{wstest.Frames}, Setup: unlimited(), Opening: usual(),
				Play: func(p *wstest.Peer) {
					echoOnce(p, payload.op, split, payload.make(2048))
					p.Bye()
				},
			})
		}
		for j, level := range levels {
			all = append(all, wstest.Case{
				ID:    fmt.Sprintf("12.%d.%d", i+1, 30+j),
				Title: fmt.Sprintf("2 KiB of %s that was compressed with level %d come back", payload.name, level),
				Cuts:  []wstest.Cut{97}, Setup: unlimited(), Opening: usual(),
				Play: func(p *wstest.Peer) {
					p.SetLevel(level)
					echoOnce(p, payload.op, 0, payload.make(2048))
					p.Bye()
				},
			})
		}
		all = append(all, wstest.Case{
			ID:    fmt.Sprintf("12.%d.40", i+1),
			Title: fmt.Sprintf("50 messages of %s of all sizes up to 1 KiB that were sent in one write come back", payload.name),
			Cuts:  []wstest.Cut{wstest.Whole}, Setup: unlimited(), Opening: usual(),
			Play: func(p *wstest.Peer) {
				var want []wstest.Expect
				for i := range 50 {
					m := payload.make(20 * i)
					p.SendMessage(payload.op, m, 0)
					want = append(want, wstest.Expect{Frame: wstest.Frame{Opcode: payload.op, Payload: m}, Either: true})
				}
				p.Want(want...)
				p.Bye()
			},
		})
	}
	return all
}

// parameterCases are family 13: all that can be offered and answered.
func parameterCases() []wstest.Case {
	offers, answers := allOffers(), allAnswers()
	var all []wstest.Case
	small := func(p *wstest.Peer) {
		echoTwice(p, wstest.Text, 0, nil, compressible(60))
		echoTwice(p, wstest.Binary, 100, compressible(700))
		p.Bye()
	}
	for i, offer := range offers {
		all = append(all, wstest.Case{
			ID:    fmt.Sprintf("13.1.%d", i+1),
			Title: fmt.Sprintf("a server takes %q, or nothing of it, and keeps to it", offer.String()),
			Roles: []wstest.Role{wstest.Server}, Cuts: []wstest.Cut{wstest.Whole},
			Setup: wstest.Setup{Deflate: true}, Opening: wstest.Opening{Offer: &offer}, Play: small,
		})
	}
	for i, answer := range answers {
		all = append(all, wstest.Case{
			ID:    fmt.Sprintf("13.2.%d", i+1),
			Title: fmt.Sprintf("a client takes %q and keeps to it", answer),
			Roles: []wstest.Role{wstest.Client}, Cuts: []wstest.Cut{wstest.Whole},
			Setup: wstest.Setup{Deflate: true}, Opening: wstest.Opening{Answer: answer}, Play: small,
		})
	}
	for bits := 8; bits <= 15; bits++ {
		// The window of the endpoint, and then that of the peer.
		for i, o := range []wstest.Opening{
			{
				Offer:  &wstest.Offer{ServerBits: bits, ClientBits: wstest.NoValue},
				Answer: fmt.Sprintf("permessage-deflate; server_no_context_takeover; client_max_window_bits=%d", bits),
			},
			{
				Offer:  &wstest.Offer{ClientBits: bits},
				Answer: fmt.Sprintf("permessage-deflate; server_no_context_takeover; server_max_window_bits=%d", bits),
			},
		} {
			whose := []string{"endpoint", "peer"}[i]
			all = append(all, wstest.Case{
				ID:    fmt.Sprintf("13.%d.%d", 3+i, bits),
				Title: fmt.Sprintf("the %s refers back no farther than 2^%d bytes", whose, bits),
				Cuts:  []wstest.Cut{wstest.Whole}, Setup: unlimited(), Opening: o,
				Play: func(p *wstest.Peer) {
					echoTwice(p, wstest.Text, 0, afar(bits), compressible(1<<bits+1000))
					p.Bye()
				},
			})
		}
	}
	return all
}

// allOffers are all combinations of the parameters that a client may offer.
func allOffers() (all []wstest.Offer) {
	for _, serverNoTakeover := range []bool{false, true} {
		for _, clientNoTakeover := range []bool{false, true} {
			for serverBits := 7; serverBits <= 15; serverBits++ {
				for clientBits := 6; clientBits <= 15; clientBits++ {
					o := wstest.Offer{ServerNoTakeover: serverNoTakeover, ClientNoTakeover: clientNoTakeover}
					if serverBits >= 8 {
						o.ServerBits = serverBits
					}
					switch {
					case clientBits >= 8:
						o.ClientBits = clientBits
					case clientBits == 7:
						o.ClientBits = wstest.NoValue
					}
					all = append(all, o)
				}
			}
		}
	}
	return all
}

// allAnswers are all combinations of the parameters that a server may answer to
// what the endpoint offers.
func allAnswers() (all []string) {
	for _, clientNoTakeover := range []bool{false, true} {
		for serverBits := 7; serverBits <= 15; serverBits++ {
			for clientBits := 7; clientBits <= 15; clientBits++ {
				o := wstest.Offer{ServerNoTakeover: true, ClientNoTakeover: clientNoTakeover}
				if serverBits >= 8 {
					o.ServerBits = serverBits
				}
				if clientBits >= 8 {
					o.ClientBits = clientBits
				}
				all = append(all, o.String())
			}
		}
	}
	return all
}

// earlyCases are family 16: frames that come in the same segment as the opening
// handshake, RFC 6455 section 4: nothing of them may be lost.
func earlyCases() []wstest.Case {
	text := func(op byte, s string) wstest.Frame { return wstest.Frame{Opcode: op, Payload: []byte(s)} }
	wantText := func(op byte, s string) wstest.Expect { return wstest.Expect{Frame: text(op, s)} }
	invalid := wstest.Frame{Opcode: 3}
	tests := []struct {
		title  string
		frames []wstest.Frame
		play   func(p *wstest.Peer)
	}{
		{"a message behind the handshake comes back", []wstest.Frame{text(wstest.Text, "early")}, func(p *wstest.Peer) {
			p.Want(wantText(wstest.Text, "early"))
			p.Bye()
		}},
		{"a ping behind the handshake is answered", []wstest.Frame{text(wstest.Ping, "early")}, func(p *wstest.Peer) {
			p.Want(wantText(wstest.Pong, "early"))
			p.Bye()
		}},
		{"messages behind the handshake come back in order, and those that follow", []wstest.Frame{
			text(wstest.Text, "1"), text(wstest.Binary, "22"), text(wstest.Text, "333"),
		}, func(p *wstest.Peer) {
			p.Send(text(wstest.Text, "later"))
			p.Want(wantText(wstest.Text, "1"), wantText(wstest.Binary, "22"), wantText(wstest.Text, "333"), wantText(wstest.Text, "later"))
			p.Bye()
		}},
		{"a message whose first fragment is behind the handshake comes back", []wstest.Frame{
			{Opcode: wstest.Text, More: true, Payload: []byte("ear")},
		}, func(p *wstest.Peer) {
			p.Silence()
			p.Send(text(wstest.Continuation, "ly"))
			p.Want(wantText(wstest.Text, "early"))
			p.Bye()
		}},
		{"a close frame behind the handshake is answered", []wstest.Frame{text(wstest.Close, "\x03\xe8bye")}, func(p *wstest.Peer) {
			p.Want(wantText(wstest.Close, "\x03\xe8"), wstest.Expect{Closed: true})
			p.Told(wstest.Verdict{Kind: "closed", Code: 1000, Reason: "bye"})
		}},
		{"a violation behind the handshake fails the connection", []wstest.Frame{invalid}, func(p *wstest.Peer) {
			p.Fails("protocol", 1002)
		}},
	}
	var all []wstest.Case
	for i, tt := range tests {
		all = append(all, wstest.Case{
			ID: fmt.Sprintf("16.1.%d", i+1), Title: tt.title + ", wherever the segments end",
			Cuts: []wstest.Cut{wstest.Whole}, EverySplit: i == 0 || i == 2,
			Early: tt.frames, Play: tt.play,
		})
	}
	return all
}
