package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// report is what the clients' process prints each time, as a line of JSON.
type report struct {
	Lost    int // connections that ended for no reason of ours, and attempts that failed
	Missing int // events that should have come back by now
	Changed int // connections that were replaced
	Echo    latency
	News    latency
}

// latency is what messages took, in microseconds.
type latency struct {
	Count    int
	P50, P99 int64
}

// clients is the state of the clients' process.
type clients struct {
	o    options
	url  string
	mu   sync.Mutex // guards what follows
	all  []*client  // the first ones are active
	echo []int64    // nanoseconds, since the last report
	news []int64
	last report
}

// client is one connection. It sees its own messages on one goroutine.
type client struct {
	*transport.Conn
	of      *clients
	leaving bool      // guarded by of.mu
	sent    time.Time // guarded by of.mu: the event that is under way, if any
}

// beClients is the whole of the clients' process. It ends with its input.
func beClients(o options) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	cs := &clients{o: o, url: o.clientsOf, all: make([]*client, o.conns)}
	var dialing sync.WaitGroup
	places := make(chan int)
	for range 16 {
		dialing.Go(func() {
			for i := range places {
				cs.connect(ctx, i)
			}
		})
	}
	var work sync.WaitGroup
	work.Go(func() { cs.reportAll(ctx) })
	for i := range cs.all {
		if ctx.Err() != nil {
			break
		}
		places <- i
	}
	close(places)
	dialing.Wait()
	work.Go(func() { cs.sendAll(ctx) })
	work.Go(func() { cs.replaceAll(ctx) })
	work.Wait()
	for _, c := range cs.all {
		if c != nil {
			cs.leave(c)
		}
	}
	return nil
}

// connect opens the connection that has this place.
func (cs *clients) connect(ctx context.Context, place int) {
	conn, err := transport.Dial(ctx, cs.url, nil)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			cs.last.Lost++
			fmt.Fprintln(os.Stderr, "soak: connecting:", err)
		}
		return
	}
	c := &client{Conn: conn, of: cs}
	cs.all[place] = c
	c.Start(c) // ends with the connection
}

// leave closes a connection, which is then not lost.
func (cs *clients) leave(c *client) {
	cs.mu.Lock()
	c.leaving = true
	cs.mu.Unlock()
	c.CloseNow()
}

// sendAll sends an event on each active connection, ten times a second, unless the
// one before is still under way. A tenth of them takes its turn at a time.
func (cs *clients) sendAll(ctx context.Context) {
	const turns = 10
	t := time.NewTicker(100 * time.Millisecond / turns)
	defer t.Stop()
	for turn := 0; ; turn = (turn + 1) % turns {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for i := turn; i < cs.o.active; i += turns {
			if c := cs.begin(i); c != nil {
				// OnClose tells of a connection that is gone.
				c.Queue(transport.MessageText, fmt.Appendf(nil, `{"event":"echo","data":%d}`, time.Now().UnixNano()))
			}
		}
	}
}

// begin returns the client that has this place, with an event under way, or nil
// when there is one already.
func (cs *clients) begin(place int) *client {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.all[place]
	if c == nil || !c.sent.IsZero() {
		return nil
	}
	c.sent = time.Now()
	return c
}

// replaceAll has idle connections leave, and others come in their place.
func (cs *clients) replaceAll(ctx context.Context) {
	idle := len(cs.all) - cs.o.active
	if cs.o.churn == 0 || idle == 0 {
		return
	}
	t := time.NewTicker(time.Second / time.Duration(cs.o.churn))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		place := cs.o.active + rand.IntN(idle)
		cs.mu.Lock()
		c := cs.all[place]
		cs.last.Changed++
		cs.mu.Unlock()
		if c != nil {
			cs.leave(c)
		}
		cs.connect(ctx, place)
	}
}

// OnMessage notes how long a message was under way.
func (c *client) OnMessage(_ *transport.Conn, _ transport.MessageType, p []byte) {
	now := time.Now()
	_, data, _ := bytes.Cut(p, []byte(`"data":`))
	sent, err := strconv.ParseInt(string(bytes.TrimSuffix(data, []byte("}"))), 10, 64)
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	switch {
	case err != nil:
		c.of.last.Lost++
		fmt.Fprintf(os.Stderr, "soak: the server sent %.80q\n", p)
	case bytes.HasPrefix(p, []byte(`{"event":"echo"`)):
		c.sent = time.Time{}
		c.of.echo = append(c.of.echo, now.UnixNano()-sent)
	default:
		c.of.news = append(c.of.news, now.UnixNano()-sent)
	}
}

// OnClose counts a connection that was lost.
func (c *client) OnClose(_ *transport.Conn, err error) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if !c.leaving {
		c.of.last.Lost++
		fmt.Fprintln(os.Stderr, "soak: a connection ended:", err)
	}
}

// reportAll prints a report each time.
func (cs *clients) reportAll(ctx context.Context) {
	t := time.NewTicker(cs.o.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			line, err := json.Marshal(cs.report(now))
			if err != nil {
				panic(err)
			}
			fmt.Println(string(line))
		}
	}
}

// overdue is when an event counts as missing.
const overdue = 5 * time.Second

func (cs *clients) report(now time.Time) report {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.last.Missing = 0
	for _, c := range cs.all[:cs.o.active] {
		if c != nil && !c.sent.IsZero() && now.Sub(c.sent) > overdue {
			cs.last.Missing++
		}
	}
	cs.last.Echo, cs.last.News = summary(cs.echo), summary(cs.news)
	cs.echo, cs.news = cs.echo[:0], cs.news[:0]
	return cs.last
}

// summary sorts the nanoseconds that messages took.
func summary(ns []int64) latency {
	if len(ns) == 0 {
		return latency{}
	}
	slices.Sort(ns)
	return latency{len(ns), ns[len(ns)/2] / 1000, ns[len(ns)*99/100] / 1000}
}

// readReports decodes what the clients' process prints until it ends.
func readReports(r io.Reader, to chan<- report) error {
	defer close(to)
	in := bufio.NewScanner(r)
	for in.Scan() {
		var rep report
		if err := json.Unmarshal(in.Bytes(), &rep); err != nil {
			return err
		}
		to <- rep
	}
	return in.Err()
}
