// Package wstest tries a WebSocket endpoint against RFC 6455 and RFC 7692: a
// scripted peer sends bytes over a connection in memory and says exactly what
// must come back. It is for tests only and knows nothing of the code under test:
// it has a frame codec, a handshake and a DEFLATE decoder of its own.
//
// A [Case] is one rule with a script that tries it. Cases are read from text
// files with [Load]; what needs a program, such as a peer that compresses, is
// made in Go. [Case.Run] plays a case against an [Endpoint], which is an
// application that sends every message back to where it came from. It plays it
// once for each [Cut], which is how the peer's bytes are divided into writes.
// It runs inside a testing/synctest bubble: instead of waiting for an answer the
// peer waits until nothing more can happen.
//
// # Case files
//
// A line is blank, a comment that begins with #, or a statement. The statements
// of a case are indented.
//
//	case 1.1.1 an empty text message comes back
//	  > text
//	  < text
//	  bye
//
// makes one case. A pattern makes one for each row of its table, with {n}
// standing for the row's number:
//
//	cases 7.7.{n} close code {code} is {what}
//	  each code; reason = 1000; "" | 1001; "going" | 4999; ""
//	  > close {code} {reason}
//	  …
//
// A further line of a table begins with a bar; (nothing) is an empty row.
// Several tables make every combination of their rows. A table that several
// patterns share stands by itself: table NAME COLUMNS = ROWS, and each @NAME.
//
// First come statements about the setting:
//
//	role server             only for endpoints of that role
//	cuts whole frames 1 997 instead of the usual whole, frames and 1
//	limit message 70000     an option of the endpoint; -1 is no limit
//	deflate                 both ends agree on permessage-deflate
//	compression             the endpoint would agree; accepts … is the offer that
//	                        it takes, and answer … the server's to its own
//	protocols chat v2       the subprotocols that the endpoint knows
//	line …                  replaces the first line of the peer's handshake; this
//	                        and the next may be written like a payload
//	set Name: value         replaces a field of it; add adds and drop removes one
//	before …                what precedes the handshake, and body what follows it
//
// and then, in order, what the peer does and wants. The peer's frames are
//
//	> text "abc" fffe 3*"x"     a frame; several in a row leave in one write
//	> cont -fin rsv1 …          with these bits
//	> text masked … unmasked …  whatever the role demands
//	> text key=00000000 …       with this masking key
//	> text len=10 "abc"         a header that announces 10 bytes, and 3 of them
//	> rest "def"                further bytes of that frame
//	> text size16 "abc"         the length in 16 bits, or in size64
//	> text split=2 "abc"        in fragments of so many bytes
//	>3 text "abc"               three times
//	> close 1000 "why"          code and reason; "close raw 03" any payload
//	> op3 …                     a reserved opcode
//	> raw 81ff                  bytes as they are
//
// A payload is a list of quoted strings, bytes in hexadecimal, repetitions, and
// the generators ascii:N, bytes:N and utf8:N. deflate:X is X compressed,
// final:X the same as a stream that ends (BFINAL), and short:K:X is X without its
// last K bytes.
//
// What the endpoint sends is
//
//	< text "abc"        this frame, and no other since the last such list
//	< close 1002 ...    with any valid reason
//	< text deflated …   in compressed form, this is its plaintext
//	< nothing
//	<> text "abc"       the peer sends it and wants it back
//	eof                 the endpoint has ended its half of the network connection
//	closed              a server has, and a client has not: it waits for the server
//
// Frames that follow one another are wanted in that order, each in its minimal
// form, masked by a client and by nobody else. The peer takes one liberty, and
// only when it has sent several pings in one write: RFC 6455 section 5.5.3 lets
// the endpoint answer the last alone, and pongs overtake messages.
//
//	answered 426 Name: value   the response to a handshake that is refused
//	gives-up 404               a client does not open; the status that it reports,
//	                           or none
//	header Name: value         a field of the response that opens, or its absence
//	app close 1000 "why"       the application closes; also app ping, app begin
//	                           text, app more "…", app end for a message in pieces
//	wait 5s                    the time passes
//	leave                      the peer ends its half; vanish: both, without a word
//	told closed 1000 "why"     what the application is told; also protocol, limit,
//	                           lost, here, refused
//
// Three words stand for the usual ends of a case: bye, the peer closes with
// 1000 and everything goes as it should; fails 1002, the endpoint sends a close
// frame with this code and ends its half, the application is told of a protocol
// error; refuses 1009, the same for a limit.
//
// A case passes if moreover the endpoint is silent at the end, is gone as soon
// as the peer is, and at no point needed the time to pass.
package wstest
