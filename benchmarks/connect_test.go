package benchmarks

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// BenchmarkConnectStorm is 100 clients that connect at once, until all are
// connected, and leave again. "ns/conn" is the part of each, client included.
func BenchmarkConnectStorm(b *testing.B) {
	const clients = 100
	server, url := newServer(b)
	b.ReportAllocs()
	for b.Loop() {
		var conns [clients]*transport.Conn
		var failures [clients]error
		var ready sync.WaitGroup
		for i := range conns {
			ready.Go(func() { conns[i], failures[i] = transport.Dial(context.Background(), url, nil) })
		}
		ready.Wait()
		for i, c := range conns {
			if failures[i] != nil {
				b.Fatal(failures[i])
			}
			c.CloseNow()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*clients), "ns/conn")
	waitFor(func() bool { return server.Count() == 0 })
}

// BenchmarkIdleConnections is what the server holds on its heap and in stacks for a
// connection that was used once and waits: "B/conn" after garbage collection. The
// clients are in a process of their own, for their memory and their descriptors.
func BenchmarkIdleConnections(b *testing.B) {
	const conns = 10000
	server, url := newServer(b)
	holdElsewhere(b, url, 100)() // what the first connections leave behind is not theirs
	waitFor(func() bool { return server.Count() == 0 })
	held := 0.0
	for b.Loop() {
		before := heldMemory()
		release := holdElsewhere(b, url, conns)
		if n := server.Count(); n != conns {
			b.Fatalf("the server has %d connections, want %d", n, conns)
		}
		held += heldMemory() - before
		release()
		waitFor(func() bool { return server.Count() == 0 })
	}
	b.ReportMetric(held/float64(b.N)/conns, "B/conn")
	b.ReportMetric(0, "ns/op") // says nothing
}

// heldMemory is what lies on the heap and in stacks once the garbage is gone. What
// the process has from the operating system is somewhat more, and depends on what
// ran in it before.
func heldMemory() float64 {
	runtime.GC() // finds what has become free, and shrinks stacks
	runtime.GC() // sweeps it
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// holdVariable makes the test binary a process that holds connections: as many as
// it says, to the URL in its first argument.
const holdVariable = "SOCKET_BENCHMARK_HOLD"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(holdVariable)); err == nil {
		if err := hold(os.Args[1], n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hold opens the connections, sends an event on each and waits for its answer. It
// keeps them until its standard input ends.
func hold(url string, n int) error {
	ctx := context.Background()
	conns := make([]*transport.Conn, n)
	for i := range conns {
		c, err := transport.Dial(ctx, url, nil)
		if err != nil {
			return err
		}
		conns[i] = c
		if err := c.Write(ctx, transport.MessageText, text("typed", 16)); err != nil {
			return err
		}
		if _, _, err := c.Read(ctx); err != nil {
			return err
		}
	}
	fmt.Println("held")
	_, err := io.Copy(io.Discard, os.Stdin)
	for _, c := range conns {
		c.CloseNow()
	}
	return err
}

// holdElsewhere has another process hold n connections until release is called.
func holdElsewhere(b *testing.B, url string, n int) (release func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0], url)
	cmd.Env = append(os.Environ(), holdVariable+"="+strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		in.Close()
		cmd.Wait() // it has said what went wrong
	})
	b.Cleanup(release)
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		b.Fatalf("holding %d connections: the process said %q; see the limit of open files", n, line)
	}
	return release
}
