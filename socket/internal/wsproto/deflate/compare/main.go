// Compare measures package deflate beside compress/flate, klauspost/compress/flate and
// what github.com/lxzan/gws does with the latter. It prints Markdown:
//
//	go run .
//
// A figure is CPU time of one thread per message. The coders of a row take turns in
// every round, and what is quoted is the median of the rounds, with the quartiles
// around it for ratios. The messages are JSON as realtime servers send it: chat, a
// ticker and presence in turn.
//
// Encoders that take their context over have a window of 4 KiB, or of 32 KiB if there
// is no choice. With -check it measures for a few seconds and fails if a lead is lost
// by far.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

func main() {
	rounds := flag.Int("rounds", 101, "`rounds` of each column")
	length := flag.Duration("length", 2*time.Millisecond, "CPU time of one coder in one round")
	only := flag.String("only", "", "measure only the tasks whose names contain this `text`")
	check := flag.Bool("check", false, "measure shortly, and fail if the leads are lost by far")
	flag.Parse()
	if *check {
		*rounds, *length = 9, time.Millisecond
	}
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread()
	fmt.Printf("%s, %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	lost := 0
	for _, t := range tasks() {
		if strings.Contains(t.name, *only) {
			lost += t.measure(*rounds, *length)
		}
	}
	if *check && lost > 0 {
		fmt.Printf("\n%d leads are lost\n", lost)
		os.Exit(1)
	}
}

func tasks() []task {
	fast, thorough := deflate.Options{}, deflate.Options{Thorough: true}
	return []task{
		{
			name:    "decode, no history",
			decodes: true,
			input:   zlibLike,
			coders: []coder{
				oursDecoder("ours"),
				readerAlone("compress/flate", newStandardReader()),
				readerAlone("klauspost", newKlauspostReader()),
			},
			pairs: []pair{
				{"ours", "compress/flate", [4]float64{1.7, 1.6, 1.7, 1.5}},
				{"ours", "klauspost", [4]float64{1.5, 1.5, 1.5, 1.2}},
			},
		},
		{
			name:     "decode, window of 4 KiB",
			decodes:  true,
			takeover: true,
			input:    thoroughLike,
			coders: []coder{
				oursDecoderContext("ours"),
				readerWindow("compress/flate", newStandardReader()),
				readerWindow("klauspost", newKlauspostReader()),
			},
			pairs: []pair{
				{"ours", "compress/flate", [4]float64{1.3, 1.5, 1.5, 1.4}},
				{"ours", "klauspost", [4]float64{1, 1.2, 1.2, 1.1}},
			},
		},
		{
			name: "encode, no history",
			coders: []coder{
				oursAlone("ours", fast),
				oursAlone("ours, thorough", thorough),
				writerAlone("compress/flate 1", newStandard(1)),
				writerAlone("compress/flate 6", newStandard(6)),
				writerAlone("klauspost 1", newKlauspost(1)),
			},
			pairs: []pair{
				{"ours", "compress/flate 1", [4]float64{2, 2, 1.6, 1.2}},
				{"ours", "klauspost 1", [4]float64{}},
				{"ours, thorough", "compress/flate 6", [4]float64{}},
			},
		},
		{
			name:     "encode, context takeover",
			takeover: true,
			coders: []coder{
				oursContext("ours, 4 KiB and table", fast),
				oursWindow("ours, 4 KiB", fast),
				oursContext("ours, 4 KiB, thorough", thorough),
				gwsWay("gws, 4 KiB"),
				writerKept("compress/flate 1", func() writer { return newStandard(1) }),
				writerKept("compress/flate 6", func() writer { return newStandard(6) }),
			},
			pairs: []pair{
				{"ours, 4 KiB and table", "ours, 4 KiB", [4]float64{}},
				{"ours, 4 KiB and table", "gws, 4 KiB", [4]float64{6, 2.5, 1.5, 1}},
				{"ours, 4 KiB", "gws, 4 KiB", [4]float64{4, 2.5, 1.5, 1}},
				{"ours, 4 KiB, thorough", "gws, 4 KiB", [4]float64{1, 1, 0, 0}},
				{"ours, 4 KiB and table", "compress/flate 1", [4]float64{}},
				{"ours, 4 KiB and table", "compress/flate 6", [4]float64{2, 1.5, 1.3, 1.3}},
			},
		},
	}
}

// zlibLike compresses each message on its own with level 6.
func zlibLike(list [][]byte) [][]byte {
	return payloads(writerAlone("", newStandard(6)), list)
}

// thoroughLike compresses messages as a peer does that has a window of 4 KiB.
func thoroughLike(list [][]byte) [][]byte {
	return payloads(oursContext("", deflate.Options{Thorough: true}), list)
}

func payloads(c coder, list [][]byte) (out [][]byte) {
	code := c.open()
	for _, message := range list {
		out = append(out, code(make([]byte, 0, 2*len(message)+64), message))
	}
	return out
}

// measure prints a task's tables and returns how many leads are lost.
func (t *task) measure(rounds int, length time.Duration) (lost int) {
	columns := make([][]cell, len(sizes))
	for i, size := range sizes {
		columns[i] = t.column(size, rounds, length)
	}
	head := []string{"100 B", "500 B", "2 KiB", "16 KiB"}
	fmt.Printf("\n| %s: time, ratio | %s | bytes per connection |\n|---|---|---|---|---|---|\n", t.name, strings.Join(head, " | "))
	index := map[string]int{}
	for i, c := range t.coders {
		index[c.name] = i
		fmt.Printf("| %s |", c.name)
		for _, cells := range columns {
			fmt.Printf(" %s %.3f |", microseconds(spreadOf(cells[i].times).median), cells[i].ratio)
		}
		fmt.Printf(" %d |\n", t.memory(c))
	}
	fmt.Printf("\n| %s: how many times the time | %s |\n|---|---|---|---|---|\n", t.name, strings.Join(head, " | "))
	for _, p := range t.pairs {
		fmt.Printf("| %s / %s |", p.theirs, p.ours)
		for k, cells := range columns {
			s := times(cells[index[p.ours]], cells[index[p.theirs]])
			mark := ""
			if s.median < p.least[k] {
				lost++
				mark = fmt.Sprintf(" LOST: at least %.1f", p.least[k])
			}
			fmt.Printf(" %.2f (%.2f to %.2f)%s |", s.median, s.low, s.high, mark)
		}
		fmt.Println()
	}
	return lost
}

func microseconds(ns float64) string { return fmt.Sprintf("%.2f µs", ns/1000) }
