package wstest

import (
	"fmt"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// Role is the role of the endpoint under test. The peer has the other one.
type Role string

// The roles.
const (
	Server Role = "server"
	Client Role = "client"
)

// Endpoint is the endpoint under test: a connection whose application sends
// every message back.
type Endpoint interface {
	// Do has the application do something of its own accord. It does not wait
	// for the peer.
	Do(a Action) error

	// Told returns what the application was told at the end of the connection,
	// and false as long as it has been told nothing.
	Told() (Verdict, bool)

	// Gone reports whether the endpoint has let go of the network connection.
	Gone() bool
}

// Start sets up an endpoint with the role of the case, inside the bubble of t,
// and returns the peer's end of its network connection. An endpoint in the
// client's role has begun to connect to ws://server.example/chat.
type Start func(t *testing.T, s Setup) (Endpoint, *memnet.Conn)

// Setup is what a case wants of the endpoint. Limits are as in the options of
// the package under test: zero is the default, a negative value no limit.
type Setup struct {
	Deflate      bool
	Offers       *Offer // what it is to offer as a client with Deflate; nil: no takeover at all
	Subprotocols []string

	MaxMessage        int
	MaxFragments      int
	MaxEmptyFragments int
	MaxControlFrames  int
	MaxInflateRatio   int
}

// Action is something that the application does.
type Action struct {
	Verb    string // close, ping, begin, more, end
	Text    bool   // begin: a text, otherwise a binary message
	Code    int    // close
	Payload []byte // close: the reason; more: the next piece
}

// Verdict is what an application is told of how its connection ended.
type Verdict struct {
	// Kind is "closed" by the peer, "protocol" for a violation, "limit", "here"
	// for a connection that this side closed, "lost", or "refused" for an
	// opening handshake that failed.
	Kind   string
	Code   int    // closed, protocol, limit: the close code; refused: the HTTP status
	Reason string // closed: the peer's reason
}

func (v Verdict) String() string { return fmt.Sprintf("%s %d %q", v.Kind, v.Code, v.Reason) }
