//go:build !linux

package netpoll

import (
	"errors"
	"net"
	"syscall"
)

// Detach returns an error.
func Detach(nc net.Conn, raw syscall.RawConn) (net.Conn, syscall.RawConn, error) {
	return nil, nil, errors.ErrUnsupported
}
