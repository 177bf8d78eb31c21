package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// sample is a line of the table.
type sample struct {
	at    time.Duration
	conns int
	vitals
	perConn int64 // bytes of memory, without those of a server that has none
	report
}

// other is the clients' process, seen from the server's.
type other struct {
	cmd     *exec.Cmd
	in      io.Closer
	reports chan report
	reading sync.WaitGroup // owned by the goroutine that reads reports
}

// startClients runs this program again, as clients.
func startClients(o options, url string) (*other, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-clients-of", url, "-every", o.every.String(), "-duration", o.duration.String(),
		"-conns", strconv.Itoa(o.conns), "-active", strconv.Itoa(o.active), "-churn", strconv.Itoa(o.churn))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &other{cmd: cmd, in: in, reports: make(chan report)}
	c.reading.Go(func() {
		if err := readReports(out, c.reports); err != nil {
			fmt.Fprintln(os.Stderr, "soak:", err)
		}
	})
	return c, nil
}

// stop has the clients leave, and their process end.
func (c *other) stop() error {
	c.in.Close()
	force := time.AfterFunc(10*time.Second, func() { c.cmd.Process.Kill() })
	defer force.Stop()
	for range c.reports { // until the process has ended
	}
	c.reading.Wait()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("the clients: %w", err)
	}
	return nil
}

// watch prints the table while the clients are there, and returns its lines.
func watch(o options, server *socket.Server, c *other) ([]sample, error) {
	ctx, cancel := context.WithTimeout(context.Background(), o.duration)
	defer cancel()
	var publishing sync.WaitGroup
	publishing.Go(func() { publish(ctx, o, server) })
	defer publishing.Wait()
	defer cancel()
	start, before := time.Now(), measure()
	printHeader()
	var samples []sample
	for {
		select {
		case <-ctx.Done():
			if len(samples) == 0 {
				return nil, errors.New("the run is shorter than the time between two lines")
			}
			return samples, nil
		case r, ok := <-c.reports:
			if !ok {
				return nil, errors.New("the clients have ended by themselves")
			}
			s := sample{at: time.Since(start), conns: server.Count(), vitals: measure(), report: r}
			s.perConn = (s.memory - before.memory) / int64(max(s.conns, 1))
			samples = append(samples, s)
			s.print()
		}
	}
}
