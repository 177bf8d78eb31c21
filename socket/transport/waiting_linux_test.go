package transport_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// overWaits runs a test with TCP connections that wait in either way.
func overWaits(t *testing.T, test func(t *testing.T, pair func(t *testing.T) (server, client net.Conn))) {
	t.Helper()
	t.Run("watched", func(t *testing.T) { test(t, tcpPair) })
	t.Run("unwatched", func(t *testing.T) { test(t, unwatched(tcpPair)) })
}

// sendUrgent sends the last byte of b as urgent data, which the receiver's read
// stops at.
func sendUrgent(t *testing.T, nc net.Conn, b []byte) {
	t.Helper()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), b, syscall.MSG_OOB, nil) }))
	must(t, err)
}

// A read that brings less than it has room for has not always brought everything:
// it stops where urgent data was.
func TestNothingWaitsBehindUrgentData(t *testing.T) {
	overWaits(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
		a, b := pair(t)
		c, w := testConn(t, a, wsproto.RoleServer, transport.Limits{}), newWire(t, b, wsproto.RoleServer)
		serve(c, echoAll{}.OnMessage)
		for range 20 {
			w.send(w.text("before"))
			sendUrgent(t, b, []byte("!"))
			w.send(w.text("behind"))
			w.want("all is echoed", gotText("before"), gotText("behind"))
		}
		// All of it before anybody reads.
		a, b = pair(t)
		c, w = testConn(t, a, wsproto.RoleServer, transport.Limits{}), newWire(t, b, wsproto.RoleServer)
		w.send(w.text("before"))
		sendUrgent(t, b, []byte("!"))
		w.send(w.text("behind"))
		serve(c, echoAll{}.OnMessage)
		w.want("all is echoed", gotText("before"), gotText("behind"))
	})
}
