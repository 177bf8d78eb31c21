package socket

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// ServerOption configures [NewServer].
type ServerOption func(*serverOptions)

// serverOptions are the settings of a server with all defaults in place.
type serverOptions struct {
	maxConnections int                    // 0: no limit
	window         time.Duration          // how long a session is kept without a connection; 0: there are none
	kept           session.OutboxLimits   // what is kept for its next one
	compression    *transport.Compression // nil: none, for long polling either
	bufferSize     int
	pingInterval   time.Duration
	pingTimeout    time.Duration
	maxMessage     int
	queueBytes     int
	queueMessages  int
	writeTimeout   time.Duration
	closeTimeout   time.Duration
	maxRequests    int // that wait for a reply of one client; 0: no limit
	maxRooms       int
	maxRoomName    int
	origins        []string
	anyOrigin      bool
	forwardedProto bool
	fragments      int
	emptyFragments int
	messageTimeout time.Duration
	controlFrames  int
	inflateRatio   int
	rates          RateLimits
	authenticator  func(*http.Request) (identity string, err error) // nil: everybody may connect
	joinPolicy     func(s Socket, room string) error                // nil: joins are the handlers' matter alone
	memory         int64
	slow           Policy // of broadcasts
	returns        span   // when clients are to come back after a shutdown; zero: the default
	logger         *slog.Logger
}

func defaultServerOptions() serverOptions {
	return serverOptions{
		maxConnections: 100,
		bufferSize:     1024,
		pingInterval:   25 * time.Second,
		pingTimeout:    5 * time.Second,
		maxMessage:     64 << 10,
		queueBytes:     1 << 20,
		queueMessages:  1024,
		writeTimeout:   10 * time.Second,
		closeTimeout:   5 * time.Second,
		maxRequests:    defaultRequests,
		maxRooms:       128,
		maxRoomName:    255,
		window:         defaultWindow,
		kept:           session.NewOutboxLimits(0, 0),
		logger:         slog.Default(),
	}
}

// windowSeconds is the window as the client is told of it.
func (o *serverOptions) windowSeconds() int { return int(o.window / time.Second) }

// WithSessionWindow sets how long the server keeps the session of a client that has lost
// its connection: its [Socket] stays connected and in its rooms meanwhile, and what it is
// sent is kept for the next connection, on which nothing is lost, comes twice, or comes
// in another order. Clients of this module ask for a session by themselves; all others
// are served without one, and disconnected when their connection is. Default: 2 minutes;
// zero means the default, a negative value that there are no sessions.
//
// A session without a connection takes a place of [WithMaxConcurrency] until it is needed
// for somebody else.
func WithSessionWindow(d time.Duration) ServerOption {
	return func(o *serverOptions) {
		if d != 0 {
			o.window = max(d, 0)
		}
	}
}

// WithSessionBuffer sets how much the server keeps for a client until it has
// acknowledged it, in bytes and in messages. When more than that waits for a client
// without a connection, its session ends; the disconnect handler gets a *[SessionError].
// Default: 256 KiB and 1,024; zero means the default, a negative value no limit.
func WithSessionBuffer(bytes, messages int) ServerOption {
	return func(o *serverOptions) { o.kept = session.NewOutboxLimits(bytes, messages) }
}

// positive returns v, d for zero, and panics for a negative v.
func positive[T int | time.Duration](option string, v, d T) T {
	if v < 0 {
		panic("socket: " + option + ": the value is negative")
	}
	if v == 0 {
		return d
	}
	return v
}

// WithMaxConcurrency sets how many connections the server holds at once,
// WebSocket connections and long-polling sessions together. Further ones are
// refused with HTTP status 503 and a Retry-After header. Default: 100; zero and
// less mean no limit.
func WithMaxConcurrency(n int) ServerOption {
	return func(o *serverOptions) { o.maxConnections = max(n, 0) }
}

// WithCompression lets clients compress and be sent compressed messages:
// permessage-deflate (RFC 7692) with the defaults of [transport.Compression] for
// WebSocket, that is, each message on its own, and gzip for the bodies of long polling.
// Small messages are sent as they are. Default: false. Do not put a secret and text of
// an attacker into one message when it is on: the size on the wire tells whether they
// resemble each other.
func WithCompression(enabled bool) ServerOption {
	return func(o *serverOptions) {
		o.compression = nil
		if enabled {
			o.compression = new(transport.Compression)
		}
	}
}

// WithCompressionOptions is [WithCompression] with what c says of permessage-deflate:
// with [transport.CommonTakeover], the messages of a room refer back to earlier ones of
// the same room, and those of [Server.Broadcast] to earlier ones of those. [NewServer]
// panics for a c that has a value which is not one.
func WithCompressionOptions(c transport.Compression) ServerOption {
	return func(o *serverOptions) { o.compression = &c }
}

// WithBufferSize sets the size of the buffer that the first read of a burst is
// made with, in bytes; further ones are larger. A connection that waits holds no
// buffer. Default: 1024; zero means the default, less than 128 means 128.
// [NewServer] panics for a negative value.
func WithBufferSize(n int) ServerOption {
	return func(o *serverOptions) { o.bufferSize = positive("WithBufferSize", n, o.bufferSize) }
}

// WithPingInterval sets the silence of a client after which it is asked for a
// sign of life. Anything that it sends counts as one. It is also how long a long
// poll is held. Default: 25 s; zero means the default, a negative value no
// heartbeat for WebSocket, and the default for long polling.
func WithPingInterval(d time.Duration) ServerOption {
	return func(o *serverOptions) {
		if d != 0 {
			o.pingInterval = d
		}
	}
}

// WithPingTimeout sets how long a client may take to answer a ping: one that has
// sent nothing for the interval and the timeout together is closed, with code
// 1008, and a long-polling session without a request for that long expires.
// Default: 5 s; zero means the default, a negative value no limit for WebSocket,
// and 25 s between two requests for long polling.
func WithPingTimeout(d time.Duration) ServerOption {
	return func(o *serverOptions) {
		if d != 0 {
			o.pingTimeout = d
		}
	}
}

// WithMaxMessageSize sets the size of the largest message that is received, in
// bytes, after decompression. A larger one ends its connection with close code
// 1009. Default: 64 KiB; zero means the default, a negative value no limit.
func WithMaxMessageSize(n int) ServerOption {
	return func(o *serverOptions) {
		if n != 0 {
			o.maxMessage = n
		}
	}
}

// WithSendQueue sets how much may wait for a client that does not read, in bytes
// and in messages. A broadcast to a client whose queue is full closes the client
// with code 1013; [Socket.Send] waits while a quarter of it is taken. Default:
// 1 MiB and 1,024; zero means the default. [NewServer] panics for a negative
// value.
func WithSendQueue(bytes, messages int) ServerOption {
	return func(o *serverOptions) {
		o.queueBytes = positive("WithSendQueue", bytes, o.queueBytes)
		o.queueMessages = positive("WithSendQueue", messages, o.queueMessages)
	}
}

// WithWriteTimeout sets how long a client may take nothing of what is sent to it
// before it is closed as a slow consumer, with code 1013, and so how long
// [Socket.Send] may wait. It has a quarter more at the most. Default: 10 s; zero means the default. [NewServer] panics for a negative value.
func WithWriteTimeout(d time.Duration) ServerOption {
	return func(o *serverOptions) { o.writeTimeout = positive("WithWriteTimeout", d, o.writeTimeout) }
}

// WithCloseTimeout sets how long a closing handshake may take before the network
// connection is closed all the same, how long a slow consumer has to read again and
// find out that it was closed, and how long a long-polling client may take to ask for
// the reason. Default: 5 s; zero means the default. [NewServer] panics
// for a negative value.
func WithCloseTimeout(d time.Duration) ServerOption {
	return func(o *serverOptions) { o.closeTimeout = positive("WithCloseTimeout", d, o.closeTimeout) }
}

// WithMaxRooms sets how many rooms one socket may be in, and how long the name
// of a room may be, in bytes. A join beyond is refused with a *[RoomError].
// Default: 128 and 255; zero means the default. [NewServer] panics for a negative
// value.
func WithMaxRooms(rooms, nameBytes int) ServerOption {
	return func(o *serverOptions) {
		o.maxRooms = positive("WithMaxRooms", rooms, o.maxRooms)
		o.maxRoomName = positive("WithMaxRooms", nameBytes, o.maxRoomName)
	}
}

// WithAllowedOrigins lets web pages of further origins connect, each given as
// scheme://host[:port], over WebSocket and long polling alike. Without it only
// pages of the server's own origin may; clients that are not browsers send no
// origin and always may. [NewServer] panics for a value of another form.
func WithAllowedOrigins(origins ...string) ServerOption {
	return func(o *serverOptions) { o.origins = append(o.origins, origins...) }
}

// WithInsecureAnyOrigin lets the web pages of every origin connect, with the
// cookies of the person who looks at them. It is meant for services that use no
// cookies.
func WithInsecureAnyOrigin() ServerOption {
	return func(o *serverOptions) { o.anyOrigin = true }
}

// WithTrustForwardedProto takes the scheme of the server's own origin from the
// X-Forwarded-Proto header. It is for servers behind a proxy that ends TLS, sets
// the header on every request, and drops what clients send of it.
func WithTrustForwardedProto() ServerOption {
	return func(o *serverOptions) { o.forwardedProto = true }
}

// WithLogger sets where the server logs to: panics of handlers as errors, clients
// that were refused or closed for a limit as warnings, clients that are gone as
// information; refused handshakes and malformed messages for debugging only.
// Default: [slog.Default] as it is when WithLogger's server is made; nil means
// nowhere.
func WithLogger(l *slog.Logger) ServerOption {
	return func(o *serverOptions) {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		o.logger = l
	}
}
