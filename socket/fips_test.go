package socket_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// TestFIPS140 serves and dials over TLS, over both transports, in every mode of
// the runtime's FIPS 140-3 setting. The mode is fixed when a process starts, so
// each runs in a process of its own.
func TestFIPS140(t *testing.T) {
	for _, mode := range []string{"off", "on", "only"} {
		t.Run(mode, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRoundTripOverTLS$", "-test.count=1", "-test.v")
			cmd.Env = append(os.Environ(), "GODEBUG=fips140="+mode)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("GODEBUG=fips140=%s: %v\n%s", mode, err, out)
			}
			for _, want := range []string{"--- PASS: TestRoundTripOverTLS/websocket", "--- PASS: TestRoundTripOverTLS/polling"} {
				if !strings.Contains(string(out), want) {
					t.Errorf("GODEBUG=fips140=%s: no %q in\n%s", mode, want, out)
				}
			}
		})
	}
}

func TestRoundTripOverTLS(t *testing.T) {
	t.Logf("FIPS 140-3 mode: %t", fips140.Enabled())
	server := socket.NewServer(socket.WithCompression(true))
	socket.Handle(server, "echo", func(s socket.Socket, text string) { s.Send("echo", text) })
	h := httptest.NewUnstartedServer(server)
	certificate, roots := newCertificate(t)
	h.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	h.StartTLS()
	defer h.Close()
	trust := transport.WithTLSConfig(&tls.Config{RootCAs: roots})
	tests := []struct {
		name string
		t    socket.Transport
	}{
		{"websocket", transport.NewWebSocketTransport(strings.Replace(h.URL, "https", "wss", 1), trust, transport.WithCompression(true))},
		{"polling", transport.NewLongPollingTransport(h.URL, trust)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := socket.NewClient(tt.t)
			got := make(chan string, 1)
			socket.On(client, "echo", func(text string) { got <- text })
			if err := client.Connect(); err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			want := strings.Repeat("hello ", 1000)
			if err := client.Send("echo", want); err != nil {
				t.Fatal(err)
			}
			select {
			case text := <-got:
				if text != want {
					t.Errorf("got %d bytes back, want %d", len(text), len(want))
				}
			case <-time.After(20 * time.Second):
				t.Fatal("nothing came back")
			}
		})
	}
}

// newCertificate returns a certificate for 127.0.0.1 with a key that FIPS 140-3
// approves of, and the roots to trust it by.
func newCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "socket.go test"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
