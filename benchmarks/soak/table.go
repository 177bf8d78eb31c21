package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// columns of the table, and what the plots show.
const header = "   time   conns  changed  resident  B/conn  goroutines    fds   echo p50      p99   news p50      p99  lost"

func printHeader() { fmt.Println(header) }

func (s sample) print() {
	fmt.Printf("%6.0f s %7d %8d %6.1f MB %7d %11d %6d %7d µs %5d µs %7d µs %5d µs %5d\n",
		s.at.Seconds(), s.conns, s.Changed, float64(s.memory)/1e6, s.perConn, s.goroutines, s.files,
		s.Echo.P50, s.Echo.P99, s.News.P50, s.News.P99, s.Lost)
}

// series are what is drawn of a run.
var series = []struct {
	name  string
	value func(sample) float64
}{
	{"memory per connection, bytes", func(s sample) float64 { return float64(s.perConn) }},
	{"goroutines per connection", func(s sample) float64 { return float64(s.goroutines) / float64(max(s.conns, 1)) }},
	{"echo p50, µs", func(s sample) float64 { return float64(s.Echo.P50) }},
	{"echo p99, µs", func(s sample) float64 { return float64(s.Echo.P99) }},
	{"room delivery p99, µs", func(s sample) float64 { return float64(s.News.P99) }},
}

// plot draws each series in a few lines of text.
func plot(w io.Writer, samples []sample) {
	for _, s := range series {
		v := make([]float64, len(samples))
		for i := range samples {
			v[i] = s.value(samples[i])
		}
		fmt.Fprintf(w, "\n%s\n", s.name)
		for _, line := range bars(v, 60, 5) {
			fmt.Fprintln(w, line)
		}
	}
}

// bars draws values from 0 up, at most width of them side by side. Where there are
// more, a bar is the highest of those that it stands for.
func bars(v []float64, width, height int) []string {
	if len(v) > width {
		merged := make([]float64, width)
		for i := range merged {
			merged[i] = slices.Max(v[i*len(v)/width : (i+1)*len(v)/width])
		}
		v = merged
	}
	top := slices.Max(v)
	levels := []rune(" ▁▂▃▄▅▆▇█")
	lines := make([]string, height)
	for row := range lines {
		var b strings.Builder
		label := ""
		switch row {
		case 0:
			label = number(top)
		case height - 1:
			label = "0"
		}
		fmt.Fprintf(&b, "%10s │", label)
		for _, x := range v {
			eighths := 0
			if top > 0 {
				eighths = int(max(x, 0)/top*float64(8*height) + 0.5)
			}
			b.WriteRune(levels[min(max(eighths-8*(height-1-row), 0), 8)])
		}
		lines[row] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// number writes whole what is large, and small numbers with two digits.
func number(x float64) string {
	if x < 10 {
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.0f", x)
}
