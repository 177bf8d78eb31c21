package transport

import (
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// Takeover says what the messages that this side compresses may refer back to:
// RFC 7692 calls it context takeover. The more they may, the fewer bytes are sent,
// and the more is remembered for each connection. What a peer may refer back to in
// what it sends is [Compression.PeerWindow].
type Takeover uint8

const (
	// NoTakeover compresses each message on its own. A connection costs no memory,
	// and a broadcast is compressed once for all. Text of 500 bytes becomes about
	// half as large, text of 100 bytes little smaller.
	NoTakeover Takeover = iota

	// WindowTakeover lets a message refer back to what was last sent on its
	// connection: 4 KiB, or what [Compression.Window] says, are kept for each that
	// has been sent something compressed. Similar messages of 100 to 500 bytes
	// become a third as large. A broadcast is compressed once for all, on its own.
	WindowTakeover

	// TableTakeover is WindowTakeover that also remembers where to look in the window:
	// twice the memory, and messages of up to a quarter of the window take down to half
	// the time. Messages are a little larger than with WindowTakeover.
	TableTakeover

	// CommonTakeover is for servers. It lets a room's messages refer back to those
	// that the room has had before: one text for each room is kept, of at most three
	// times 8 KiB, and 80 bytes for each connection. So broadcasts become nearly as
	// small as with a window for each connection, for the price of compressing each
	// at most three times in all: for those that have had the last messages, for those
	// that have had a KiB of them, and for newcomers. Peers that demand smaller windows
	// share forms for windows of 1 KiB or 256 bytes, three more at most. What is sent to
	// one connection alone is compressed on its own, and sets that connection back to
	// a newcomer if it is compressed. It pays where most of what a client gets are the
	// messages of one room. All members of a room see its messages anyway; see
	// [Compression] on secrets.
	CommonTakeover
)

// Compression configures permessage-deflate, RFC 7692. Its zero value compresses
// each message on its own, which costs no memory. While compressing or decompressing
// a message, an encoder of 47 KiB or a decoder of 10 KiB is in use, of which the
// process keeps a few.
//
// The size of a compressed message tells what it has in common with what it may
// refer back to. An attacker who sees sizes, and whose own text is compressed
// together with a secret, can guess the secret bit by bit. So keep secrets out of
// messages that have text of others in them and, with takeover, out of connections
// and rooms that have.
type Compression struct {
	// Takeover is what messages that are sent may refer back to, unless the peer
	// forbids it. Default: [NoTakeover].
	Takeover Takeover

	// Window is the logarithm of how many bytes back messages that are sent may refer
	// to, 8 to 15. A peer may demand less. Default: 15 (32 KiB) without takeover, 12
	// (4 KiB) with [WindowTakeover] and [TableTakeover], 13 (8 KiB) with [CommonTakeover].
	Window int

	// PeerWindow is the logarithm of how many bytes back the messages of the peer
	// may refer to, 8 to 15: so much memory is kept for each connection of which
	// something compressed has come. From a peer that cannot be told, no takeover is
	// accepted unless it is 15. Negative: none is accepted. Default: -1 for a server,
	// 15 for a client.
	PeerWindow int

	// Threshold is the size of the smallest message that is compressed, in bytes.
	// Default: 512, or 64 for messages that may refer back to others.
	Threshold int

	// Thorough makes messages up to a tenth smaller, and up to a quarter with a
	// window, for two to five times the time. With [CommonTakeover] a room's messages
	// are always compressed so for those that have had the last ones, and Thorough
	// makes them another tenth smaller, up to 2 KiB: once for all members, that takes a
	// third of a millisecond for 500 bytes, one for 2 KiB, and up to three with a Window
	// of 15. An encoder takes 71 KiB more then.
	Thorough bool

	// Allow, on a server, tells for each request whether compression may be agreed
	// on: some clients offer it and fail. It may be called by many goroutines at
	// once. Default: always.
	Allow func(*http.Request) bool

	// Verify inflates everything that was compressed, by compress/flate and with
	// what the peer has in its window, and panics when something else comes out. It
	// is for tests: it takes 40 KiB for each connection, and time.
	Verify bool
}

// validate returns what is wrong with z.
func (z *Compression) validate(role wsproto.Role) error {
	switch {
	case z == nil:
		return nil
	case z.Takeover > CommonTakeover:
		return fmt.Errorf("Compression: Takeover is %d", z.Takeover)
	case z.Takeover == CommonTakeover && role == wsproto.RoleClient:
		return errors.New("Compression: CommonTakeover is for servers")
	case z.Window != 0 && (z.Window < 8 || z.Window > 15):
		return fmt.Errorf("Compression: Window is %d, not 8 to 15", z.Window)
	case z.PeerWindow > 0 && (z.PeerWindow < 8 || z.PeerWindow > 15):
		return fmt.Errorf("Compression: PeerWindow is %d, not 8 to 15", z.PeerWindow)
	case z.Threshold < 0:
		return fmt.Errorf("Compression: Threshold is %d", z.Threshold)
	case z.Allow != nil && role == wsproto.RoleClient:
		return errors.New("Compression: Allow is for servers")
	}
	return nil
}

// ownWindow reports whether each connection has a window of its own.
func (t Takeover) ownWindow() bool { return t == WindowTakeover || t == TableTakeover }

// compression is a Compression with all defaults filled in, and what the connections
// that are made with it share.
type compression struct {
	Compression
	thresholds [2]int   // for messages on their own, and those that may refer back
	idle       sync.Map // from wsproto.DeflateParams to a codec that keeps nothing
}

// The smallest messages that are compressed by default, bytes: on their own, and
// with others to refer back to.
const (
	aloneFrom     = 512
	referringFrom = 64
)

// noWindow is a PeerWindow.
const noWindow = -1

// newCompression resolves the defaults of z, which is valid; nil is no compression.
func newCompression(z *Compression, role wsproto.Role) *compression {
	if z == nil {
		return nil
	}
	r := &compression{Compression: *z, thresholds: [2]int{aloneFrom, referringFrom}}
	if z.Threshold > 0 {
		r.thresholds = [2]int{z.Threshold, z.Threshold}
	}
	if z.Window == 0 {
		r.Window = [...]int{NoTakeover: 15, WindowTakeover: 12, TableTakeover: 12, CommonTakeover: 13}[z.Takeover]
	}
	switch {
	case z.PeerWindow < 0 || z.PeerWindow == 0 && role == wsproto.RoleServer:
		r.PeerWindow = noWindow
	case z.PeerWindow == 0:
		r.PeerWindow = 15
	}
	return r
}

// policy is what a server wants of a client's offer.
func (z *compression) policy() wsproto.DeflatePolicy {
	return wsproto.DeflatePolicy{
		ServerNoTakeover: z.Takeover == NoTakeover,
		ClientNoTakeover: z.PeerWindow == noWindow,
		// Nothing smaller is announced than the client has asked for: some dislike
		// it, and what is not announced can be kept to all the same.
		ClientBits: max(z.PeerWindow, 0),
	}
}

// offer is what a client offers.
func (z *compression) offer() *wsproto.DeflateOffer {
	o := &wsproto.DeflateOffer{
		ServerNoTakeover: z.PeerWindow == noWindow,
		ClientNoTakeover: z.Takeover == NoTakeover,
		ClientBits:       15,
	}
	if 0 < z.PeerWindow && z.PeerWindow < 15 {
		o.ServerBits = z.PeerWindow
	}
	return o
}
