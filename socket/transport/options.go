package transport

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// WebSocketOption configures [NewWebSocketTransport]. An option that fits only
// the other transport does not compile.
type WebSocketOption interface{ applyWebSocket(*webSocketOptions) }

// LongPollingOption configures [NewLongPollingTransport].
type LongPollingOption interface{ applyLongPolling(*longPollingOptions) }

// Option configures either transport.
type Option interface {
	WebSocketOption
	LongPollingOption
}

// sharedOptions are those that both transports have.
type sharedOptions struct {
	header    map[string][]string
	tlsConfig *tls.Config
	dial      dialFunc // nil: the network
	message   int      // the largest that is received, bytes; 0: the default
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

type sharedOption func(*sharedOptions)

func (f sharedOption) applyWebSocket(o *webSocketOptions)     { f(&o.sharedOptions) }
func (f sharedOption) applyLongPolling(o *longPollingOptions) { f(&o.sharedOptions) }

// WithHeaders adds header fields to the HTTP requests of the transport, for
// example Authorization or Cookie. Names may be spelled in any case. Fields that belong to the protocol, and
// anything that is not a valid field, make Connect fail. The map is copied. A
// second WithHeaders replaces the first. Default: none.
func WithHeaders(header map[string][]string) Option {
	header = canonical(header)
	return sharedOption(func(o *sharedOptions) { o.header = header })
}

// WithTLSConfig sets the TLS configuration for URLs with the scheme wss or
// https. It is cloned. nil, the default, means that of crypto/tls: the system's
// roots, TLS 1.2 or later.
func WithTLSConfig(cfg *tls.Config) Option {
	cfg = cfg.Clone()
	return sharedOption(func(o *sharedOptions) { o.tlsConfig = cfg })
}

// WithDialContext sets what opens network connections, to the proxy where there
// is one: for Unix sockets, tunnels, addresses of one's own, and tests. TLS comes
// on top where the URL asks for it. dial may be called from several goroutines at
// once. nil, the default, means a [net.Dialer].
func WithDialContext(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return sharedOption(func(o *sharedOptions) { o.dial = dial })
}

// WithMaxMessageSize sets the size of the largest message that is received, in
// bytes. A larger one ends the connection. Default: 1 MiB; zero means the
// default. It panics when n is negative.
func WithMaxMessageSize(n int) Option {
	if n < 0 {
		panic("transport: WithMaxMessageSize: the size is negative")
	}
	return sharedOption(func(o *sharedOptions) { o.message = n })
}

// webSocketOptions are the settings of a [WebSocketTransport].
type webSocketOptions struct {
	sharedOptions
	readTimeout  time.Duration
	writeTimeout time.Duration
	compression  *Compression // nil: none
}

type webSocketOption func(*webSocketOptions)

func (f webSocketOption) applyWebSocket(o *webSocketOptions) { f(o) }

// WithReadTimeout sets how long the server may be silent before the connection
// counts as lost. It must exceed the server's ping interval: the server's pings
// are what a client hears of a server that has nothing to say. Default: 30 s;
// zero means the default, a negative value no limit.
func WithReadTimeout(d time.Duration) WebSocketOption {
	return webSocketOption(func(o *webSocketOptions) { o.readTimeout = d })
}

// WithWriteTimeout sets how long the server may take nothing while there is
// something to send. Default: 10 s; zero means the default, a negative value no
// limit.
func WithWriteTimeout(d time.Duration) WebSocketOption {
	return webSocketOption(func(o *webSocketOptions) { o.writeTimeout = d })
}

// WithCompression offers the server permessage-deflate (RFC 7692), with the defaults of
// [Compression]. Default: false.
func WithCompression(enabled bool) WebSocketOption {
	return webSocketOption(func(o *webSocketOptions) {
		o.compression = nil
		if enabled {
			o.compression = new(Compression)
		}
	})
}

// WithCompressionOptions is [WithCompression] with what c says. A c that has a value
// which is not one makes Connect fail.
func WithCompressionOptions(c Compression) WebSocketOption {
	return webSocketOption(func(o *webSocketOptions) { o.compression = &c })
}
