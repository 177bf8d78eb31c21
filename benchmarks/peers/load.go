package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	readSize = 256 << 10        // of one read
	patience = 10 * time.Second // for messages that have not come back
)

// runLoad is the whole of a load process. It answers each line of its input with
// one of its own:
//
//	run SECONDS  keep the server busy for that time: messages received, own CPU
//	             time and time passed, both in microseconds
//	touch        send one message on each connection, and wait for the answers
//	connect      open all connections: how many
//	drop         close them
//
// It costs as little as it can, for the server is to be the one that is busy: one
// thread over epoll, frames made beforehand, what comes is counted by bytes. All
// the messages are equal, so what comes is also known beforehand, and compared.
func runLoad(addr, server, name string) error {
	w, err := findWorkload(name)
	if err != nil {
		return err
	}
	var l *load
	if w.kind != connects {
		if l, err = newLoad(addr, server, w); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	var fds []int
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		verb, arg, _ := strings.Cut(in.Text(), " ")
		switch verb {
		case "run":
			seconds, err := strconv.ParseFloat(arg, 64)
			if err != nil {
				return err
			}
			start, cpu, before := time.Now(), cpuMicros(), l.received
			if err := l.run(time.Duration(seconds * float64(time.Second))); err != nil {
				return err
			}
			fmt.Println(l.received-before, cpuMicros()-cpu, time.Since(start).Microseconds())
		case "touch":
			if err := l.run(0); err != nil {
				return err
			}
			fmt.Println(l.w.conns)
		case "connect":
			if fds, err = dialAll(addr, w.conns, handshake{w.deflate, server == withSessions}); err != nil {
				return err
			}
			fmt.Println(len(fds))
		case "drop":
			closeAll(fds)
			fmt.Println(len(fds))
		default:
			return fmt.Errorf("cannot read %q", in.Text())
		}
	}
	return in.Err()
}

// load is the state of a load process.
type load struct {
	w        workload
	epoll    int
	conns    []client
	events   []syscall.EpollEvent
	buf      []byte
	frames   []byte    // ours, as many as are sent at once, back to back
	ours     int       // length of one
	stream   []byte    // the server's, more than are read at once
	theirs   int       // length of one
	received int64     // whole messages
	due      int64     // messages that have yet to come
	deflated *deflated // nil unless messages are compressed
	session  *session  // nil unless they are numbered
	reads    int       // so that every 16th large read is compared

	// Broadcasts. arrived counts, for each message under way, the connections
	// that have it; the oldest is whole's.
	arrived []int
	whole   int // messages that have reached everybody
	sent    int
}

// client is one connection.
type client struct {
	fd      int
	index   int32  // among the clients, which is what epoll reports
	partial int    // bytes of a frame that has not come as a whole
	got     int    // whole frames
	next    int    // compressed messages sent
	rest    []byte // of a compressed or numbered frame that has not come as a whole
	unsent  []byte // what the kernel did not take yet
	numbers        // of its session
}

func newLoad(addr, server string, w workload) (*load, error) {
	fds, err := dialAll(addr, w.conns, handshake{w.deflate, server == withSessions})
	if err != nil {
		return nil, err
	}
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	frame, answer := clientFrame(w.size), serverFrame(w.size)
	window := max(w.inFlight, w.senders)
	l := &load{
		w:       w,
		epoll:   epoll,
		conns:   make([]client, w.conns),
		events:  make([]syscall.EpollEvent, 256),
		buf:     make([]byte, readSize),
		frames:  bytes.Repeat(frame, max(w.inFlight, 1)),
		ours:    len(frame),
		stream:  stream(answer, readSize+len(answer)),
		theirs:  len(answer),
		arrived: make([]int, window),
	}
	if w.kind == arrivals {
		quiet := clientFrameOf(payload("n", w.size))
		l.frames = append(bytes.Repeat(quiet, w.inFlight-1), frame...)
	}
	if w.deflate != notDeflated {
		l.deflated = newDeflated(w.deflate, w.size)
	}
	if server == withSessions {
		l.session = newSession(w.size)
	}
	for i, fd := range fds {
		l.conns[i] = client{fd: fd, index: int32(i)}
		if err := syscall.SetNonblock(fd, true); err != nil {
			return nil, fmt.Errorf("non-blocking: %w", err)
		}
		e := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, fd, &e); err != nil {
			return nil, fmt.Errorf("epoll: %w", err)
		}
	}
	// A server may still be busy with making the last connection a member.
	time.Sleep(300 * time.Millisecond)
	if err := l.run(0); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// close closes all connections.
func (l *load) close() {
	for i := range l.conns {
		syscall.Close(l.conns[i].fd)
	}
	syscall.Close(l.epoll)
}

// run keeps the server busy for that time, and ends when all that was sent has
// come back. At the least, each sender sends once.
func (l *load) run(d time.Duration) error {
	deadline := time.Now().Add(d)
	if l.w.mode() == "echo" {
		for i := range l.conns {
			n := l.w.inFlight
			if d == 0 {
				n = l.w.answers()
			}
			l.due += int64(n)
			if err := l.send(&l.conns[i], n); err != nil {
				return err
			}
		}
	} else if err := l.publish(); err != nil {
		return err
	}
	for {
		now := time.Now()
		running := now.Before(deadline)
		if l.due == 0 && !running {
			if d == 0 {
				return l.ackAll()
			}
			return nil
		}
		left := deadline.Add(patience).Sub(now)
		if left <= 0 {
			return fmt.Errorf("%s: %d messages are missing after %v", l.w.name, l.due, patience)
		}
		// It looks without waiting: a load that sleeps makes the server pay for waking it,
		// which is all that would be measured where the load is the faster one.
		n, err := syscall.EpollWait(l.epoll, l.events, 0)
		if err != nil && err != syscall.EINTR {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, e := range l.events[:max(n, 0)] {
			c := &l.conns[e.Fd]
			if e.Events&syscall.EPOLLOUT != 0 {
				if err := l.resume(c); err != nil {
					return err
				}
			}
			if e.Events&^syscall.EPOLLOUT != 0 {
				if err := l.read(c, running); err != nil {
					return err
				}
			}
		}
		if running && l.w.mode() != "echo" {
			if err := l.publish(); err != nil {
				return err
			}
		}
	}
}

// publish sends as many messages to everybody as may be under way.
func (l *load) publish() error {
	if l.w.kind == chats {
		if l.sent > l.whole {
			return nil
		}
		for i := range l.w.senders {
			if err := l.send(&l.conns[i], 1); err != nil {
				return err
			}
		}
		l.sent += l.w.senders
		l.due += int64(l.w.senders * len(l.conns))
		return nil
	}
	n := l.w.inFlight - (l.sent - l.whole)
	if n == 0 {
		return nil
	}
	l.sent += n
	l.due += int64(n * len(l.conns))
	return l.send(&l.conns[0], n)
}

// read takes what has come on a connection, and answers an echo with the next
// message. Level-triggered epoll tells of what is left.
func (l *load) read(c *client, running bool) error {
	n, err := syscall.Read(c.fd, l.buf)
	switch {
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return nil
	case err != nil:
		return fmt.Errorf("reading: %w", err)
	case n == 0:
		return fmt.Errorf("the server closed a connection")
	}
	if l.deflated != nil {
		whole, err := l.deflated.take(c, l.buf[:n])
		if err != nil {
			return err
		}
		return l.took(c, whole, running)
	}
	if l.session != nil {
		whole, err := l.session.take(c, l.buf[:n])
		if err != nil {
			return err
		}
		return l.took(c, whole, running)
	}
	l.reads++
	if n <= 4096 || l.reads%16 == 0 {
		if want := l.stream[c.partial:][:n]; !bytes.Equal(l.buf[:n], want) {
			return fmt.Errorf("the server sent %.80q, want %.80q", l.buf[:n], want)
		}
	}
	c.partial += n
	whole := c.partial / l.theirs
	c.partial %= l.theirs
	return l.took(c, whole, running)
}

// took accounts for whole messages that have come on a connection.
func (l *load) took(c *client, whole int, running bool) error {
	if whole == 0 {
		return nil
	}
	whole *= l.w.answers()
	l.received += int64(whole)
	l.due -= int64(whole)
	if l.due < 0 {
		return fmt.Errorf("the server sent more messages than were due")
	}
	if l.w.mode() != "echo" {
		if err := l.note(c, whole); err != nil || c.owes < ackEvery {
			return err
		}
		return l.write(c, l.session.ack(c))
	}
	if !running {
		return nil
	}
	l.due += int64(whole)
	return l.send(c, whole)
}

// note counts the next messages of a connection among those who have them.
func (l *load) note(c *client, n int) error {
	if c.got+n > l.sent {
		return fmt.Errorf("the server sent a message twice")
	}
	for range n {
		l.arrived[c.got%len(l.arrived)]++
		c.got++
	}
	for l.whole < l.sent && l.arrived[l.whole%len(l.arrived)] == len(l.conns) {
		l.arrived[l.whole%len(l.arrived)] = 0
		l.whole++
	}
	return nil
}

// ackAll acknowledges what has come on all connections, as a client does a second later.
func (l *load) ackAll() error {
	for i := range l.conns {
		if c := &l.conns[i]; c.owes > 0 {
			if err := l.write(c, l.session.ack(c)); err != nil {
				return err
			}
		}
	}
	return nil
}

// send sends n messages in one write.
func (l *load) send(c *client, n int) error {
	switch {
	case l.deflated != nil:
		return l.write(c, l.deflated.frames(c, n))
	case l.session != nil:
		return l.write(c, l.session.frames(c, n, l.w.kind == arrivals))
	}
	return l.write(c, l.frames[:n*l.ours])
}

// write writes frames, and leaves to resume what the kernel does not take.
func (l *load) write(c *client, b []byte) error {
	if len(c.unsent) > 0 {
		return fmt.Errorf("a message is due before the one before it has left")
	}
	for {
		sent, err := syscall.Write(c.fd, b)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			sent = 0
		case err != nil:
			return fmt.Errorf("writing: %w", err)
		}
		if sent == len(b) {
			return nil
		}
		c.unsent = b[sent:]
		if l.session != nil {
			c.unsent = bytes.Clone(c.unsent) // what is numbered is made anew each time
		}
		return l.watch(c, syscall.EPOLLIN|syscall.EPOLLOUT)
	}
}

// resume goes on with what the kernel did not take.
func (l *load) resume(c *client) error {
	sent, err := syscall.Write(c.fd, c.unsent)
	if err == syscall.EINTR || err == syscall.EAGAIN {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if c.unsent = c.unsent[sent:]; len(c.unsent) > 0 {
		return nil
	}
	return l.watch(c, syscall.EPOLLIN)
}

func (l *load) watch(c *client, events uint32) error {
	e := syscall.EpollEvent{Events: events, Fd: c.index}
	if err := syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_MOD, c.fd, &e); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// cpuMicros is the CPU time of this process, in microseconds.
func cpuMicros() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return (u.Utime.Nano() + u.Stime.Nano()) / 1000
}
