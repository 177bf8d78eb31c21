package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// table prints the measurements as Markdown, row by row.
type table struct {
	names []string
	base  string
}

func newTable(names []string, base string) *table {
	fmt.Printf("| CPU per message | %s |\n|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	return &table{names: names, base: base}
}

// process is a server or a load that runs beside us.
type process struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

// start runs this program again, on one processor.
func start(cpu int, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	name, all := self, args
	if taskset, err := exec.LookPath("taskset"); err == nil && runtime.NumCPU() > 1 {
		name, all = taskset, append([]string{"-c", strconv.Itoa(cpu), self}, args...)
	}
	cmd := exec.Command(name, all...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{cmd, in, bufio.NewScanner(out)}, cmd.Start()
}

func (p *process) stop() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// line returns the next line that the process prints.
func (p *process) line() (string, error) {
	if !p.out.Scan() {
		return "", fmt.Errorf("%s ended: %v", strings.Join(p.cmd.Args, " "), p.out.Err())
	}
	return p.out.Text(), nil
}

// ask sends a line and returns the number that comes back.
func (p *process) ask(question string) (int64, error) {
	if _, err := fmt.Fprintln(p.in, question); err != nil {
		return 0, err
	}
	line, err := p.line()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(line, 10, 64)
}

// pair is a server and its load.
type pair struct {
	server, load *process
	costs        []float64 // microseconds of CPU per message, of each round
	failed       error     // why it measures no more
}

func startPair(name string, w workload) (*pair, error) {
	s, err := start(0, "server", name, w.mode)
	if err != nil {
		return nil, err
	}
	addr, err := s.line()
	if err != nil {
		return nil, err
	}
	l, err := start(1, "load", addr, w.name)
	if err != nil {
		s.stop()
		return nil, err
	}
	p := &pair{server: s, load: l}
	if _, err := l.line(); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func (p *pair) stop() {
	p.load.stop()
	p.server.stop()
}

// round measures once, unless an earlier round has failed.
func (p *pair) round(d time.Duration) {
	if p.failed != nil {
		return
	}
	var before, n, after int64
	if before, p.failed = p.server.ask("cpu"); p.failed != nil {
		return
	}
	if n, p.failed = p.load.ask(fmt.Sprintf("run %v", d.Seconds())); p.failed != nil {
		return
	}
	if after, p.failed = p.server.ask("cpu"); p.failed != nil {
		return
	}
	p.costs = append(p.costs, float64(after-before)/float64(max(n, 1)))
}

// measure prints one row. All servers are up at once and take turns.
func (t *table) measure(w workload, rounds int, length time.Duration) error {
	pairs := make(map[string]*pair)
	defer func() {
		for _, p := range pairs {
			p.stop()
		}
	}()
	for _, name := range t.names {
		p, err := startPair(name, w)
		if err != nil {
			return err
		}
		pairs[name] = p
		p.round(length / 4) // warm up
		p.costs = nil
	}
	for range rounds {
		for _, name := range t.names {
			pairs[name].round(length)
		}
	}
	base := 0.0
	if p := pairs[t.base]; p != nil && p.failed == nil {
		base = median(p.costs)
	}
	cells := make([]string, len(t.names))
	for i, name := range t.names {
		if pairs[name].failed != nil {
			fmt.Fprintf(os.Stderr, "peers: %s: %s: %v\n", w.name, name, pairs[name].failed)
			cells[i] = "failed"
			continue
		}
		m := median(pairs[name].costs)
		cells[i] = fmt.Sprintf("%.2fx (%.2f µs ±%.0f %%)", base/m, m, spread(pairs[name].costs))
	}
	fmt.Printf("| %s | %s |\n", w.name, strings.Join(cells, " | "))
	return nil
}

// memory prints the resident bytes for each idle connection, after it was used
// once.
func (t *table) memory(conns int) error {
	cells := make([]string, len(t.names))
	for i, name := range t.names {
		bytes, err := idleMemory(name, conns)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		cells[i] = fmt.Sprintf("%d B", bytes)
	}
	fmt.Printf("| memory of an idle connection, %d of them | %s |\n", conns, strings.Join(cells, " | "))
	return nil
}

func idleMemory(name string, conns int) (int64, error) {
	w := workload{mode: "echo", conns: conns, inFlight: 1, senders: conns, size: 64}
	s, err := start(0, "server", name, w.mode)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	addr, err := s.line()
	if err != nil {
		return 0, err
	}
	before, err := s.ask("memory")
	if err != nil {
		return 0, err
	}
	l := &load{w: w, message: clientFrame(w.size)}
	for range conns {
		c, err := handshake(addr)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		if _, err := c.Write(l.message); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(c, make([]byte, serverFrameSize(w.size))); err != nil {
			return 0, err
		}
	}
	time.Sleep(10 * time.Second) // what only idle connections save
	after, err := s.ask("memory")
	return (after - before) / int64(conns), err
}

// residentBytes is what the process occupies once the garbage is gone.
func residentBytes() int64 {
	runtime.GC()
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				panic(err)
			}
			return kb << 10
		}
	}
	panic("no VmRSS in /proc/self/status")
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// spread is half the range of the measurements, in percent of their median.
func spread(v []float64) float64 {
	return (slices.Max(v) - slices.Min(v)) / 2 / median(v) * 100
}
