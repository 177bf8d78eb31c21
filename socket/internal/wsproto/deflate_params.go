package wsproto

import "strconv"

// The names of RFC 7692 section 7 and 7.1. They are compared letter by letter.
const (
	deflateName      = "permessage-deflate"
	serverNoTakeover = "server_no_context_takeover"
	clientNoTakeover = "client_no_context_takeover"
	serverMaxBits    = "server_max_window_bits"
	clientMaxBits    = "client_max_window_bits"
)

// The range of the base-2 logarithm of a window size, RFC 7692 section 7.1.2.
const (
	minWindowBits = 8
	maxWindowBits = 15
)

// DeflateParams is what both ends agreed on for permessage-deflate. The bits are
// always in the range 8 to 15.
type DeflateParams struct {
	ServerNoTakeover bool // the server compresses each message on its own
	ClientNoTakeover bool // the client compresses each message on its own
	ServerBits       int  // the window that the server compresses with
	ClientBits       int  // the window that the client compresses with
}

// Window describes the compression of one direction: whether a message may refer
// to earlier messages, and the logarithm of how far back.
type Window struct {
	Takeover bool
	Bits     int
}

// Sent returns how r must compress what it sends.
func (p DeflateParams) Sent(r Role) Window {
	if r == RoleClient {
		return Window{Takeover: !p.ClientNoTakeover, Bits: p.ClientBits}
	}
	return Window{Takeover: !p.ServerNoTakeover, Bits: p.ServerBits}
}

// Received returns how r must expect what it receives to be compressed.
func (p DeflateParams) Received(r Role) Window {
	if r == RoleClient {
		return p.Sent(RoleServer)
	}
	return p.Sent(RoleClient)
}

// DeflatePolicy is what a server wants of permessage-deflate. The zero value
// accepts every well-formed offer as it is.
type DeflatePolicy struct {
	// ServerNoTakeover promises that the server compresses each message on its
	// own, whether or not the client asked for it.
	ServerNoTakeover bool
	// ClientNoTakeover demands that the client compress each message on its own,
	// so that the server keeps no window for what it receives.
	ClientNoTakeover bool
	// ServerBits is the largest window that the server compresses with, 8 to 15;
	// 0 means 15. A smaller one than 15 is announced even to a client that did
	// not offer server_max_window_bits, which RFC 7692 section 7.1.2.1 allows.
	ServerBits int
	// ClientBits is the largest window that the client may compress with, 8 to
	// 15; 0 means 15. Only a client that offers client_max_window_bits may be
	// told: of any other it is demanded that it compress each message on its own,
	// so that the server never keeps a larger window.
	ClientBits int
}

// AcceptDeflate answers the client's offers with the first permessage-deflate
// that is well-formed. It returns what is agreed and the value of the response's
// Sec-WebSocket-Extensions header, or ok false when no offer can be accepted,
// which is no error: the connection goes on without compression.
//
// RFC 7692 section 7.1: a server must decline an offer with a parameter that is
// not defined for an offer, with a parameter that has an invalid value, or with
// two parameters of the same name; section 5 has it look at the next offer then.
func AcceptDeflate(offers []Extension, want DeflatePolicy) (p DeflateParams, answer string, ok bool) {
	for _, e := range offers {
		if e.Name != deflateName {
			continue
		}
		offer, valid := readDeflate(e, false)
		if !valid {
			continue
		}
		p = DeflateParams{
			// Section 7.1.1.1: the offer is accepted by repeating the parameter.
			ServerNoTakeover: offer.serverNoTakeover || want.ServerNoTakeover,
			// Section 7.1.1.2: in an offer it is a hint of what the client will do
			// anyway; in the answer it binds.
			ClientNoTakeover: offer.clientNoTakeover || want.ClientNoTakeover,
			// Section 7.1.2.1: the answer has the same value or a smaller one.
			ServerBits: min(bitsOr15(offer.serverBits), bitsOr15(want.ServerBits)),
			ClientBits: maxWindowBits,
		}
		// Section 7.1.2.2: a server must not answer with client_max_window_bits
		// unless the offer has it.
		if offer.hasClientBits {
			p.ClientBits = min(bitsOr15(offer.clientBits), bitsOr15(want.ClientBits))
		}
		if p.ClientBits > bitsOr15(want.ClientBits) {
			p.ClientNoTakeover = true
		}
		// An offered server_max_window_bits is repeated even when it is 15.
		return p, appendDeflate(p, offer.serverBits != 0), true
	}
	return DeflateParams{}, "", false
}

// appendDeflate writes the answer that states p.
func appendDeflate(p DeflateParams, serverBitsOffered bool) string {
	b := append(make([]byte, 0, 128), deflateName...)
	if p.ServerNoTakeover {
		b = append(b, "; "+serverNoTakeover...)
	}
	if p.ClientNoTakeover {
		b = append(b, "; "+clientNoTakeover...)
	}
	if serverBitsOffered || p.ServerBits < maxWindowBits {
		b = append(b, "; "+serverMaxBits+"="...)
		b = strconv.AppendInt(b, int64(p.ServerBits), 10)
	}
	if p.ClientBits < maxWindowBits {
		b = append(b, "; "+clientMaxBits+"="...)
		b = strconv.AppendInt(b, int64(p.ClientBits), 10)
	}
	return string(b)
}

// bitsOr15 returns bits if it is a window size and the largest one otherwise.
func bitsOr15(bits int) int {
	if bits < minWindowBits || bits > maxWindowBits {
		return maxWindowBits
	}
	return bits
}

// DeflateOffer is what a client offers for permessage-deflate.
type DeflateOffer struct {
	// ServerNoTakeover demands that the server compress each message on its own.
	ServerNoTakeover bool
	// ClientNoTakeover tells the server that it needs no window for this client,
	// and makes it so.
	ClientNoTakeover bool
	// ServerBits demands a window of at most that size from the server, 8 to 15;
	// 0 demands nothing.
	ServerBits int
	// ClientBits lets the server choose the client's window, up to this size, 8
	// to 15; 0 does not, and the server cannot ask then.
	ClientBits int
}

// OfferDeflate returns the Sec-WebSocket-Extensions value that states o.
func OfferDeflate(o DeflateOffer) string {
	b := append(make([]byte, 0, 128), deflateName...)
	if o.ServerNoTakeover {
		b = append(b, "; "+serverNoTakeover...)
	}
	if o.ClientNoTakeover {
		b = append(b, "; "+clientNoTakeover...)
	}
	if o.ServerBits != 0 {
		b = append(b, "; "+serverMaxBits+"="...)
		b = strconv.AppendInt(b, int64(bitsOr15(o.ServerBits)), 10)
	}
	if o.ClientBits != 0 {
		b = append(b, "; "+clientMaxBits...)
		// Section 7.1.2.2: without a value the offer says that the parameter is
		// understood, which is what browsers send.
		if bits := bitsOr15(o.ClientBits); bits < maxWindowBits {
			b = append(b, '=')
			b = strconv.AppendInt(b, int64(bits), 10)
		}
	}
	return string(b)
}

// CheckDeflate reads the server's answer to o. An empty answer declines, and ok
// is false. Any answer that o does not allow is an error, after which the
// connection must not be used.
//
// RFC 7692 section 7.1: a client must fail the connection if the response has a
// parameter that is not defined for a response, one with an invalid value, two
// of the same name, or one that does not fit the offer.
func CheckDeflate(o DeflateOffer, answer []Extension) (p DeflateParams, ok bool, err error) {
	if len(answer) == 0 {
		return DeflateParams{}, false, nil
	}
	if len(answer) > 1 || answer[0].Name != deflateName {
		return DeflateParams{}, false, &HandshakeError{Reason: "the server chose an extension that was not offered"}
	}
	a, valid := readDeflate(answer[0], true)
	switch {
	case !valid:
		err = &HandshakeError{Reason: "malformed permessage-deflate parameters in the response"}
	case o.ServerNoTakeover && !a.serverNoTakeover:
		err = &HandshakeError{Reason: "the server left out server_no_context_takeover, which was asked for"}
	case o.ServerBits != 0 && (a.serverBits == 0 || a.serverBits > bitsOr15(o.ServerBits)):
		err = &HandshakeError{Reason: "the server chose a larger server_max_window_bits than was asked for"}
	case a.hasClientBits && o.ClientBits == 0:
		err = &HandshakeError{Reason: "the server chose client_max_window_bits, which was not offered"}
	case a.hasClientBits && a.clientBits > bitsOr15(o.ClientBits):
		err = &HandshakeError{Reason: "the server chose a larger client_max_window_bits than was offered"}
	}
	if err != nil {
		return DeflateParams{}, false, err
	}
	p = DeflateParams{
		ServerNoTakeover: a.serverNoTakeover,
		ClientNoTakeover: a.clientNoTakeover || o.ClientNoTakeover,
		ServerBits:       bitsOr15(a.serverBits),
		ClientBits:       bitsOr15(o.ClientBits),
	}
	if a.hasClientBits {
		p.ClientBits = a.clientBits
	}
	return p, true, nil
}

// deflateFields are the parameters of one permessage-deflate as they are written.
// Bits of 0 mean that there is no value.
type deflateFields struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             int
	hasClientBits                      bool
}

// readDeflate reads the parameters of e, an answer or an offer. It is not ok with
// an unknown or repeated parameter, nor with a value that the parameter cannot
// have.
func readDeflate(e Extension, isAnswer bool) (f deflateFields, ok bool) {
	for _, p := range e.Params {
		switch p.Name {
		case serverNoTakeover:
			if f.serverNoTakeover || p.HasValue {
				return f, false
			}
			f.serverNoTakeover = true
		case clientNoTakeover:
			if f.clientNoTakeover || p.HasValue {
				return f, false
			}
			f.clientNoTakeover = true
		case serverMaxBits:
			if f.serverBits != 0 {
				return f, false
			}
			if f.serverBits = windowBits(p.Value); f.serverBits == 0 {
				return f, false
			}
		case clientMaxBits:
			if f.hasClientBits {
				return f, false
			}
			f.hasClientBits = true
			// Section 7.1.2.2: in an offer the value may be left out.
			if !p.HasValue && !isAnswer {
				continue
			}
			if f.clientBits = windowBits(p.Value); f.clientBits == 0 {
				return f, false
			}
		default:
			return f, false
		}
	}
	return f, true
}

// windowBits reads a window size, or returns 0.
//
// RFC 7692 section 7.1.2: a decimal integer value without leading zeroes between
// 8 to 15 inclusive.
func windowBits(s string) int {
	switch {
	case len(s) == 1 && '8' <= s[0] && s[0] <= '9':
		return int(s[0] - '0')
	case len(s) == 2 && s[0] == '1' && '0' <= s[1] && s[1] <= '5':
		return 10 + int(s[1]-'0')
	}
	return 0
}
