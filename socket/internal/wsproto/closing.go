package wsproto

// Closing is the closing handshake of one connection, RFC 6455 section 7: who
// has sent a close frame, and who has received one. It is the one thing that
// the sending and the receiving half of a connection share, and the only place
// where that state changes. Both ends run the same table:
//
//	state           Send                  Receive
//	open            -> close sent         -> close received, answer it
//	close sent      refused               -> done
//	close received  -> done (the answer)  cannot happen: the decoder is silent
//	done            refused               cannot happen
//
// The zero value is an open connection.
type Closing struct {
	sent     bool
	received bool
	code     CloseCode
}

// Open reports whether no close frame was sent or received. RFC 6455 section
// 5.5.1: "The application MUST NOT send any more data frames after sending a
// Close frame."
func (c *Closing) Open() bool { return !c.sent && !c.received }

// Sent reports whether we sent a close frame. Nothing may be sent after it.
func (c *Closing) Sent() bool { return c.sent }

// Received reports whether the peer sent a close frame.
func (c *Closing) Received() bool { return c.received }

// Done reports whether both close frames were exchanged: the closing handshake
// is complete, and the transport below can be closed.
func (c *Closing) Done() bool { return c.sent && c.received }

// Send records that we are about to send a close frame. It reports false when
// one was sent already, and another must not follow.
func (c *Closing) Send() bool {
	first := !c.sent
	c.sent = true
	return first
}

// Receive records that the peer's close frame came with the given code, and
// reports whether it must be answered with one of ours. RFC 6455 section 5.5.1:
// "If an endpoint receives a Close frame and did not previously send a Close
// frame, the endpoint MUST send a Close frame in response", which "typically
// echos the status code it received".
func (c *Closing) Receive(code CloseCode) (answer bool) {
	if c.received {
		return false
	}
	c.received = true
	c.code = code
	return !c.sent
}

// Code is how the connection ended, RFC 6455 section 7.1.5: the code of the
// peer's close frame ([CloseNoStatus] if it had none), or [CloseAbnormal] as
// long as there is no such frame.
func (c *Closing) Code() CloseCode {
	if !c.received {
		return CloseAbnormal
	}
	return c.code
}
