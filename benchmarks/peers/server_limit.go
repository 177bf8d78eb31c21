package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"strings"
	"syscall"
)

// limitServer is no library: one thread that reads, unmasks and writes, over one
// epoll set. It checks nothing, bounds nothing, and breaks when a write would have to
// wait. What it spends is what the system calls cost, which nobody gets below; what
// this machine's limit is at the moment is the one figure that the others can be
// compared with on another day.
type limitServer struct{}

// limitConn is one connection of a limitServer.
type limitConn struct {
	fd   int
	open bool   // the handshake is over
	rest []byte // of a frame or handshake that is not whole
}

func (limitServer) serve(l net.Listener, row workload) error {
	mode := row.mode()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer f.Close()
	listener := int(f.Fd())
	if err := syscall.SetNonblock(listener, true); err != nil {
		return err
	}
	set, err := syscall.EpollCreate1(0)
	if err != nil {
		return err
	}
	watch := func(fd int) error {
		return syscall.EpollCtl(set, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
	}
	if err := watch(listener); err != nil {
		return err
	}
	s := limitLoop{echoes: mode == "echo", conns: map[int32]*limitConn{}, in: make([]byte, 1<<20)}
	events := make([]syscall.EpollEvent, 512)
	for {
		n, err := syscall.EpollWait(set, events, -1)
		if err != nil && err != syscall.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) != listener {
				if c := s.conns[e.Fd]; c != nil { // it may have been forgotten since
					s.ready(c)
				}
				continue
			}
			fd, _, err := syscall.Accept4(listener, syscall.SOCK_NONBLOCK)
			if err != nil {
				continue
			}
			if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
				return err
			}
			if err := watch(fd); err != nil {
				return err
			}
			s.conns[int32(fd)] = &limitConn{fd: fd}
		}
	}
}

// limitLoop is what the one thread of a limitServer works with.
type limitLoop struct {
	echoes  bool
	conns   map[int32]*limitConn
	members []*limitConn // those that are open
	in, out []byte
}

// ready reads what has come, and answers it with one write.
func (s *limitLoop) ready(c *limitConn) {
	held := copy(s.in, c.rest)
	n, err := syscall.Read(c.fd, s.in[held:])
	if err == syscall.EAGAIN {
		return
	}
	if n <= 0 {
		s.forget(c)
		return
	}
	b := s.in[:held+n]
	s.out = s.out[:0]
	if !c.open {
		b = s.handshake(c, b)
	}
	if c.open {
		b = s.frames(b)
	}
	c.rest = append(c.rest[:0], b...)
	if len(s.out) == 0 {
		return
	}
	if s.echoes {
		s.write(c)
		return
	}
	for _, m := range s.members {
		s.write(m)
	}
}

func (s *limitLoop) write(c *limitConn) {
	if n, _ := syscall.Write(c.fd, s.out); n < len(s.out) {
		s.forget(c)
	}
}

func (s *limitLoop) forget(c *limitConn) {
	_ = syscall.Close(c.fd) // it is gone either way
	delete(s.conns, int32(c.fd))
	for i, m := range s.members {
		if m == c {
			s.members = append(s.members[:i:i], s.members[i+1:]...)
		}
	}
}

// handshake answers an opening handshake once all of it is in b, and returns what
// follows it.
func (s *limitLoop) handshake(c *limitConn, b []byte) []byte {
	head, rest, whole := bytes.Cut(b, []byte("\r\n\r\n"))
	if !whole {
		return b
	}
	var key string
	for line := range strings.Lines(string(head)) {
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Sec-WebSocket-Key") {
			key = strings.TrimSpace(value)
		}
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
	if _, err := syscall.Write(c.fd, []byte(answer)); err == nil {
		c.open = true
		s.members = append(s.members, c)
	}
	return rest
}

// frames appends the answers to all whole frames of b to out, and returns the rest.
func (s *limitLoop) frames(b []byte) []byte {
	for {
		h, size := parseClientHeader(b)
		if h == 0 || len(b) < h+size {
			return b
		}
		p := b[h : h+size]
		unmask(b[h-4:h], p)
		s.out = append(s.out, b[0], b[1]&0x7F)
		s.out = append(s.out, b[2:h-4]...)
		s.out = append(s.out, p...)
		b = b[h+size:]
	}
}
