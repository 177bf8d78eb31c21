package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// runner measures row by row and prints the table as Markdown.
type runner struct {
	names   []string
	base    string
	rounds  int
	length  time.Duration
	verbose bool
	profile string
}

func (r *runner) header() {
	fmt.Printf("| server CPU per message | %s |\n|---|%s\n", strings.Join(r.names, " | "), strings.Repeat("---|", len(r.names)))
}

// cell is one server's part of a row.
type cell struct {
	pair    *pair
	figures []float64 // of each round
	failed  error     // why it measures no more
}

// errNotOffered is why a server takes no part in a row.
var errNotOffered = errors.New("the server does not offer it")

// row measures one workload and prints it. All servers are up at once and take
// turns, but for those that hold idle connections, which are measured one by one.
func (r *runner) row(w workload) error {
	cells := make([]*cell, len(r.names))
	for i := range cells {
		cells[i] = &cell{}
		if !w.measures(r.names[i]) {
			cells[i].failed = errNotOffered
		}
	}
	rounds := r.rounds
	if w.rounds > 0 {
		rounds = min(rounds, w.rounds)
	}
	if w.kind == idles {
		for range rounds {
			for i, c := range cells {
				c.try(func() (float64, error) { return idleMemory(r.names[i], w) })
			}
		}
	} else {
		r.takeTurns(w, cells, rounds)
	}
	var base []float64
	if i := slices.Index(r.names, r.base); i >= 0 && cells[i].failed == nil {
		base = cells[i].figures
	}
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = c.text(base, w)
		if q := c.ratios(base); r.verbose && len(q) > 0 {
			fmt.Fprintf(os.Stderr, "%s: %s: half of the ratios are %.3fx to %.3fx\n", w.name, r.names[i], quantile(q, 0.25), quantile(q, 0.75))
		}
		if c.failed != nil && c.failed != errNotOffered {
			fmt.Fprintf(os.Stderr, "peers: %s: %s: %v\n", w.name, r.names[i], c.failed)
		}
	}
	fmt.Printf("| %s | %s |\n", w.name, strings.Join(texts, " | "))
	return nil
}

func (r *runner) takeTurns(w workload, cells []*cell, rounds int) {
	defer func() {
		for _, c := range cells {
			if c.pair != nil {
				c.pair.stop()
			}
		}
	}()
	measure := func(name string, p *pair, d time.Duration) (float64, error) {
		if w.kind == connects {
			return p.connect()
		}
		return p.round(d, func(line string) {
			if r.verbose {
				fmt.Fprintf(os.Stderr, "%s: %s: %s\n", w.name, name, line)
			}
		})
	}
	for i, c := range cells {
		if c.failed != nil {
			continue
		}
		if c.pair, c.failed = startPair(r.names[i], w, r.profilePath(r.names[i], w)); c.failed != nil {
			continue
		}
		c.try(func() (float64, error) { return measure("warming "+r.names[i], c.pair, r.length/4) })
		c.figures = nil
	}
	for range rounds {
		for i, c := range cells {
			c.try(func() (float64, error) { return measure(r.names[i], c.pair, r.length) })
		}
	}
}

func (r *runner) profilePath(server string, w workload) string {
	if r.profile == "" {
		return ""
	}
	clean := strings.NewReplacer(" ", "-", ",", "", ".", "")
	return filepath.Join(r.profile, clean.Replace(server+" "+w.name)+".pprof")
}

// try measures once, unless an earlier attempt has failed.
func (c *cell) try(measure func() (float64, error)) {
	if c.failed != nil {
		return
	}
	var figure float64
	if figure, c.failed = measure(); c.failed == nil {
		c.figures = append(c.figures, figure)
	}
}

// text is the cell as it is printed. The ratio is the median of those of each
// round: what slows the machine down for a while meets both sides of it.
func (c *cell) text(base []float64, w workload) string {
	switch c.failed {
	case nil:
	case errNotOffered:
		return "–"
	default:
		return "failed"
	}
	figure := fmt.Sprintf("%.2f µs", median(c.figures))
	if w.kind == idles {
		figure = fmt.Sprintf("%.0f B", median(c.figures))
	}
	figure = fmt.Sprintf("%s ±%.0f %%", figure, spread(c.figures))
	if base == nil {
		return figure
	}
	return fmt.Sprintf("%.2fx (%s)", median(c.ratios(base)), figure)
}

// ratios are those of each round to that of base, which may be nil.
func (c *cell) ratios(base []float64) []float64 {
	if base == nil || c.failed != nil {
		return nil
	}
	ratios := make([]float64, len(c.figures))
	for i, x := range c.figures {
		ratios[i] = base[i] / x
	}
	return ratios
}

// round keeps the server busy once, and returns its microseconds of CPU for each
// message that it sent.
func (p *pair) round(d time.Duration, report func(string)) (float64, error) {
	before, err := p.server.ask("cpu")
	if err != nil {
		return 0, err
	}
	done, err := p.load.ask(fmt.Sprintf("run %v", d.Seconds()))
	if err != nil {
		return 0, err
	}
	after, err := p.server.ask("cpu")
	if err != nil {
		return 0, err
	}
	if len(done) != 3 || done[0] == 0 {
		return 0, fmt.Errorf("no message came back")
	}
	cpu, n, wall := float64(after[0]-before[0]), float64(done[0]), float64(done[2])
	report(fmt.Sprintf("%.3f µs each, %.0f messages/s, server %.0f %% busy, load %.0f %%",
		cpu/n, n/wall*1e6, cpu/wall*100, float64(done[1])/wall*100))
	return cpu / n, nil
}

// connect opens the connections and returns the server's microseconds of CPU for
// each; closing them is not part of it.
func (p *pair) connect() (float64, error) {
	before, err := p.server.ask("cpu")
	if err != nil {
		return 0, err
	}
	n, err := p.load.ask("connect")
	if err != nil {
		return 0, err
	}
	time.Sleep(50 * time.Millisecond) // the server may go on after its answer
	after, err := p.server.ask("cpu")
	if err != nil {
		return 0, err
	}
	_, err = p.load.ask("drop")
	time.Sleep(300 * time.Millisecond) // the server notices
	return float64(after[0]-before[0]) / float64(n[0]), err
}

// idleMemory is the resident bytes of each connection of a server after each was
// used once.
func idleMemory(name string, w workload) (float64, error) {
	s, err := start(0, "server", name, w.name, "")
	if err != nil {
		return 0, err
	}
	defer s.stop()
	addr, err := s.line()
	if err != nil {
		return 0, err
	}
	// The first connections make the server load what it then has for all.
	warm, err := start(1, "load", addr, name, workloads[0].name)
	if err != nil {
		return 0, err
	}
	_, err = warm.line()
	warm.stop()
	if err != nil {
		return 0, err
	}
	time.Sleep(time.Second)
	before, err := s.ask("memory")
	if err != nil {
		return 0, err
	}
	l, err := start(1, "load", addr, name, w.name) // uses each connection before it is ready
	if err != nil {
		return 0, err
	}
	defer l.stop()
	if _, err := l.line(); err != nil {
		return 0, err
	}
	time.Sleep(settle)
	after, err := s.ask("memory")
	if err != nil {
		return 0, err
	}
	return float64(after[0]-before[0]) / float64(w.conns), nil
}

func median(v []float64) float64 { return quantile(v, 0.5) }

// spread is half the distance between the quartiles, in percent of the median.
func spread(v []float64) float64 {
	return (quantile(v, 0.75) - quantile(v, 0.25)) / 2 / median(v) * 100
}

// quantile interpolates between the two nearest of v.
func quantile(v []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(v))
	at := q * float64(len(s)-1)
	i := int(at)
	if i+1 == len(s) {
		return s[i]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}
