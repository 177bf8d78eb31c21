package socket

import (
	"log/slog"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

// ClientOption configures [NewClient].
type ClientOption func(*clientOptions)

// clientOptions are the settings of a client with all defaults in place.
type clientOptions struct {
	reconnectDelay    time.Duration
	maxReconnectDelay time.Duration
	reconnectAttempts int // 0: no limit, negative: none
	batchSize         int // 0: no batches
	batchDelay        time.Duration
	compression       bool
	session           bool
	kept              session.OutboxLimits
	maxRequests       int // that wait for a reply; 0: no limit
	connectTimeout    time.Duration
	probeDelay        time.Duration // zero: the default, and so the next
	maxProbeDelay     time.Duration
	logger            *slog.Logger
}

func defaultClientOptions() clientOptions {
	return clientOptions{
		reconnectDelay:    time.Second,
		maxReconnectDelay: 30 * time.Second,
		reconnectAttempts: 5,
		connectTimeout:    30 * time.Second,
		session:           true,
		kept:              session.NewOutboxLimits(0, 0),
		maxRequests:       defaultRequests,
		logger:            slog.New(slog.DiscardHandler),
	}
}

// WithReconnectDelay sets the longest wait before the first attempt to connect
// again after a loss. Each further attempt doubles it. The wait itself is drawn
// at random, so that the clients of a server that restarts do not come back in
// one moment, and a tenth of d at least. Default: 1 s; zero means the default.
// [NewClient] panics for a negative value.
func WithReconnectDelay(d time.Duration) ClientOption {
	return func(o *clientOptions) {
		o.reconnectDelay = positive("WithReconnectDelay", d, o.reconnectDelay)
	}
}

// WithMaxReconnectDelay sets the longest wait before any attempt to connect
// again, unless the server asks for a longer one: see [Server.ShutdownOver], and the
// Retry-After of an answer that refuses a connection, which the client adds to its own
// wait. Either is obeyed up to 10 minutes. Default: 30 s; zero means the default.
// [NewClient] panics for a negative value.
func WithMaxReconnectDelay(d time.Duration) ClientOption {
	return func(o *clientOptions) {
		o.maxReconnectDelay = positive("WithMaxReconnectDelay", d, o.maxReconnectDelay)
	}
}

// WithReconnectAttempts sets how many attempts to connect again follow a loss
// before the client gives up. Each that fails, and the giving up after the last,
// is reported under [EventError] as a *[ConnectionError] with the Op "reconnect".
// The count starts again with every success. Default: 5; zero means no limit, a
// negative value that a lost connection stays lost.
func WithReconnectAttempts(n int) ClientOption {
	return func(o *clientOptions) { o.reconnectAttempts = n }
}

// WithBatchSend gathers messages: a batch leaves, in one write, when it holds
// size messages, and otherwise interval after its first one. [Client.Close]
// sends what is left. [Client.Send] then reports that there is no connection, and
// what goes wrong with the batch that its message fills; other errors come under
// [EventError]: of several messages for which the session has no room, it tells the number.
// What is gathered when the connection is lost is kept for the next by the session;
// without one it is dropped, with a warning in the log. Default: no batches. It panics when size is less than 1 or
// interval not positive.
func WithBatchSend(size int, interval time.Duration) ClientOption {
	if size < 1 || interval <= 0 {
		panic("socket: WithBatchSend: size and interval must be positive")
	}
	return func(o *clientOptions) { o.batchSize, o.batchDelay = size, interval }
}

// WithClientCompression asks the transport to compress, where it is a
// [CompressionTransport]. Default: false.
func WithClientCompression(enabled bool) ClientOption {
	return func(o *clientOptions) { o.compression = enabled }
}

// WithConnectTimeout bounds each attempt to connect. Default: 30 s; zero means
// the default. The WebSocket handshake has 10 s at most. [NewClient] panics for a
// negative value.
func WithConnectTimeout(d time.Duration) ClientOption {
	return func(o *clientOptions) {
		o.connectTimeout = positive("WithConnectTimeout", d, o.connectTimeout)
	}
}

// WithClientLogger sets where the client logs to. Default and nil: nowhere.
func WithClientLogger(l *slog.Logger) ClientOption {
	return func(o *clientOptions) {
		if l != nil {
			o.logger = l
		}
	}
}

// WithSession makes the client ask for a session, which outlives its connections: within
// it each message, in both directions, is handed to the handlers exactly once and in the
// order of sending, however often the connection is lost and made again, as long as it is
// made again in time (see [WithSessionWindow]) and what is kept meanwhile does not pass
// [WithClientSessionBuffer]. If that fails, both sides are told, see [SessionError]. It
// needs a [SessionTransport], which those of this module are, and a server of this
// module; with others there is no session. Default: true.
func WithSession(enabled bool) ClientOption {
	return func(o *clientOptions) { o.session = enabled }
}

// WithClientSessionBuffer sets how much the client keeps until the server has
// acknowledged it, in bytes and in messages. Without a connection, Send fails with
// [ErrBufferFull] when it is passed, and the first such failure is also reported under
// [EventError], as a *[ConnectionError] with the Op "send". Default: 256 KiB and 1,024; zero means the default,
// a negative value no limit.
func WithClientSessionBuffer(bytes, messages int) ClientOption {
	return func(o *clientOptions) { o.kept = session.NewOutboxLimits(bytes, messages) }
}
