package transport

import (
	"net"
	"syscall"
)

// canSendMore says that a write can be held back for the next one, so that both
// leave in one packet.
const canSendMore = true

// maxUnsent is how much of what was written the kernel keeps unsent for a TCP
// connection. Its own bound, which can be megabytes, would hide for long that a peer
// does not read: our queue of outgoing messages is where that is to show. What is on
// its way, and so the speed, is not bounded by it.
const maxUnsent = 128 << 10

// tcpNotSentLowat is TCP_NOTSENT_LOWAT of tcp(7), which package syscall lacks.
const tcpNotSentLowat = 25

// limitUnsent bounds what the kernel keeps for a peer that does not read. It is
// called by the writer before n bytes are written. As long as less than the bound
// has been written in all, no more than that can be unsent, and most connections
// that are opened never cost the system call.
func (c *Conn) limitUnsent(n int) {
	o := &c.out
	if o.limited || c.raw == nil || !c.in.served.Load() {
		return
	}
	if n <= maxUnsent-int(o.sent) {
		o.sent += int32(n)
		return
	}
	o.limited = true
	if _, ok := c.LocalAddr().(*net.TCPAddr); !ok {
		return
	}
	// Where the system does not know it, everything works without it.
	_ = c.raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, maxUnsent)
	})
}

func sendMore(fd int, b []byte) (int, error) {
	return syscall.SendmsgN(fd, b, nil, nil, syscall.MSG_MORE)
}
