package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"syscall"
)

// handshake is what the load asks for beside a WebSocket.
type handshake struct {
	deflate deflating
	session bool
}

// offer returns the lines of the request that say so.
func (h handshake) offer() string {
	lines := ""
	if h.deflate != notDeflated {
		lines = "Sec-WebSocket-Extensions: " + h.deflate.offer() + "\r\n"
	}
	if h.session {
		lines += sessionOffer
	}
	return lines
}

// check returns what is wrong with a server's answer.
func (h handshake) check(head []byte) error {
	if h.session && !bytes.Contains(head, []byte(sessionAnswer)) {
		return fmt.Errorf("the server has no session: %q", head)
	}
	return h.deflate.check(head)
}

// batch is how many handshakes are under way at once.
const batch = 64

// dialAll opens n WebSocket connections and returns their descriptors, which
// block. The server sees them come in batches.
func dialAll(addr string, n int, h handshake) ([]int, error) {
	fds := make([]int, 0, n)
	for len(fds) < n {
		from := len(fds)
		for range min(batch, n-from) {
			fd, err := dial(addr, h)
			if err != nil {
				closeAll(fds)
				return nil, err
			}
			fds = append(fds, fd)
		}
		for _, fd := range fds[from:] {
			if err := readHandshake(fd, h); err != nil {
				closeAll(fds)
				return nil, err
			}
			if h.session {
				// The client has the answer, which it shows at once.
				if _, err := syscall.Write(fd, clientFrameOf([]byte(`{"ack":0}`))); err != nil {
					closeAll(fds)
					return nil, err
				}
			}
		}
	}
	return fds, nil
}

// dial connects and sends the request of the opening handshake.
func dial(addr string, h handshake) (int, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0, err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("socket: %w", err)
	}
	err = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	if err == nil {
		// Closing resets: no port is kept waiting for stray segments.
		err = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	}
	if err == nil {
		err = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 10})
	}
	if err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()})
	}
	if err == nil {
		_, err = syscall.Write(fd, []byte("GET / HTTP/1.1\r\nHost: "+addr+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"+h.offer()+"\r\n"))
	}
	if err != nil {
		syscall.Close(fd)
		return 0, fmt.Errorf("connecting: %w", err)
	}
	return fd, nil
}

// readHandshake reads the response. No server here sends a message of its own
// accord, so nothing follows it.
func readHandshake(fd int, h handshake) error {
	var buf [1024]byte
	for n := 0; ; {
		got, err := syscall.Read(fd, buf[n:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || got <= 0 {
			return fmt.Errorf("the handshake was answered with %q, then %v", buf[:n], err)
		}
		n += got
		if bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
			if !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 101")) {
				return fmt.Errorf("the handshake was answered with %.40q", buf[:n])
			}
			return h.check(buf[:n])
		}
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}
