package transport

import (
	"context"
	"net"
)

// WithDial lets a long-polling transport connect through dial.
func WithDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) LongPollingOption {
	return longPollingOption(func(o *longPollingOptions) { o.dial = dial })
}
