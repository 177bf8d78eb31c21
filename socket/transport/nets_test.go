package transport_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// networks are what a connection can run over: each reads, writes and waits in a
// way of its own. The functions return both ends, which are closed when the test
// ends.
var networks = []struct {
	name    string
	pair    func(t *testing.T) (server, client net.Conn)
	raw     bool // the descriptor is read and written without the net.Conn
	watched bool // what is started waits without a goroutine
}{
	{"tcp", tcpPair, true, true},
	{"tcp unwatched", unwatched(tcpPair), true, false},
	{"unix", unixPair, true, true},
	{"unix unwatched", unwatched(unixPair), true, false},
	{"tls", tlsPair, false, true},
	{"tls unwatched", unwatched(tlsPair), false, false},
	{"memory", memPair, false, false},
}

// unwatchedConns are the network connections whose WebSocket connections are to
// wait each in a goroutine of its own. Tests run at the same time.
var unwatchedConns sync.Map

// unwatched makes newConn let both ends of a pair wait in goroutines.
func unwatched(pair func(t *testing.T) (server, client net.Conn)) func(t *testing.T) (server, client net.Conn) {
	return func(t *testing.T) (server, client net.Conn) {
		t.Helper()
		server, client = pair(t)
		for _, nc := range []net.Conn{server, client} {
			unwatchedConns.Store(nc, true)
			t.Cleanup(func() { unwatchedConns.Delete(nc) })
		}
		return server, client
	}
}

// newConn makes a connection that waits as its network says.
func newConn(nc net.Conn, role wsproto.Role, l transport.Limits, params *wsproto.DeflateParams) *transport.Conn {
	c := transport.NewTestConn(nc, role, l, params, nil)
	if _, ok := unwatchedConns.Load(nc); ok {
		c.Unwatch()
	}
	return c
}

// tcpListener is one for all pairs: the kernel gives out few ports a second when many
// are in use.
var tcpListener = sync.OnceValues(func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })

var tcpPairs sync.Mutex // held while a pair is made

func tcpPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	tcpPairs.Lock()
	defer tcpPairs.Unlock()
	l, err := tcpListener()
	must(t, err)
	client, err = net.Dial("tcp", l.Addr().String())
	must(t, err)
	server, err = l.Accept()
	must(t, err)
	closeAtEnd(t, server, client)
	if server.RemoteAddr().String() != client.LocalAddr().String() {
		t.Fatal("a stranger has connected")
	}
	return server, client
}

func unixPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	must(t, err)
	return acceptOne(t, l)
}

func memPair(t *testing.T) (server, client net.Conn) {
	a, b := memnet.Pipe()
	closeAtEnd(t, a, b)
	return a, b
}

func tlsPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	a, b := tcpPair(t)
	ca := testCA()
	s := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{ca.issue("server.test")}})
	c := tls.Client(b, &tls.Config{RootCAs: ca.pool, ServerName: "server.test"})
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	must(t, c.Handshake())
	must(t, <-done)
	return s, c
}

func acceptOne(t *testing.T, l net.Listener) (server, client net.Conn) {
	t.Helper()
	defer l.Close()
	client, err := net.Dial(l.Addr().Network(), l.Addr().String())
	must(t, err)
	server, err = l.Accept()
	must(t, err)
	closeAtEnd(t, server, client)
	return server, client
}

func closeAtEnd(t *testing.T, conns ...net.Conn) {
	for _, nc := range conns {
		t.Cleanup(func() { _ = nc.Close() })
	}
}

// connPair returns both ends of a WebSocket connection over a network.
func connPair(t *testing.T, pair func(t *testing.T) (server, client net.Conn), l transport.Limits) (server, client *transport.Conn) {
	t.Helper()
	a, b := pair(t)
	return testConn(t, a, wsproto.RoleServer, l), testConn(t, b, wsproto.RoleClient, l)
}

// authority issues certificates for tests.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

// testCA is the authority that the tests' clients trust.
var testCA = sync.OnceValue(newAuthority)

func newAuthority() *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, key.Public(), key)
	if err != nil {
		panic(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// issue returns a certificate for a host.
func (a *authority) issue(host string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		c.DNSNames, c.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
