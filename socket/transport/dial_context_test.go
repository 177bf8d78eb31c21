package transport_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestWithDialContextOpensTheConnectionsOfBothTransports(t *testing.T) {
	refused := errors.New("no way through")
	var asked string
	through := transport.WithDialContext(func(_ context.Context, network, address string) (net.Conn, error) {
		asked = network + " " + address
		return nil, refused
	})
	for _, tt := range []struct {
		name    string
		connect func(context.Context) error
		want    string
	}{
		{"websocket", transport.NewWebSocketTransport("ws://socket.test/socket", through).Connect, "tcp socket.test:80"},
		{"websocket with TLS", transport.NewWebSocketTransport("wss://socket.test/socket", through).Connect, "tcp socket.test:443"},
		{"polling", transport.NewLongPollingTransport("http://socket.test:8080/socket", through).Connect, "tcp socket.test:8080"},
		{"polling with TLS", transport.NewLongPollingTransport("https://socket.test/socket", through).Connect, "tcp socket.test:443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked = ""
			if err := tt.connect(t.Context()); !errors.Is(err, refused) {
				t.Errorf("Connect() = %v, want %v", err, refused)
			}
			if asked != tt.want {
				t.Errorf("dialled %q, want %q", asked, tt.want)
			}
		})
	}
}
