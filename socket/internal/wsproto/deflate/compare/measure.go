package main

import (
	"math"
	"runtime"
	"slices"
	"time"
)

// sizes are those of the messages, bytes.
var sizes = []int{100, 500, 2 << 10, 16 << 10}

// maxMessage is more than any of them has.
const maxMessage = 64 << 10

// task is what coders are compared at.
type task struct {
	name   string
	coders []coder
	// input makes what is coded of a conversation. nil: it is coded itself.
	input func(conversation [][]byte) [][]byte
	decodes,
	takeover bool
	pairs []pair
}

// pair is two coders whose times are compared, by their names.
type pair struct {
	ours, theirs string
	least        [4]float64 // what -check wants of the ratio for each size; 0: anything
}

// cell is what is measured of one coder with messages of one size.
type cell struct {
	code  func(dst, src []byte) []byte
	next  int
	batch int       // messages of a round
	times []float64 // of one message in each round, ns
	ratio float64   // of compressed to plain
}

// column measures all coders of a task with messages of one size. They take turns.
func (t *task) column(size, rounds int, length time.Duration) []cell {
	plain := conversation(size)
	list := plain
	if t.input != nil {
		list = t.input(plain)
	}
	cells := make([]cell, len(t.coders))
	dst := make([]byte, 0, maxMessage)
	for i, coder := range t.coders {
		c := &cells[i]
		c.code = coder.open()
		in, out := 0, 0
		for _, src := range list {
			got := c.code(dst, src)
			in, out = in+len(src), out+len(got)
		}
		if t.decodes {
			in, out = out, in
		}
		c.ratio = float64(out) / float64(in)
		c.code = coder.open()
		for began := threadTime(); c.batch == 0 || threadTime()-began < length; c.batch++ {
			c.once(list, dst)
		}
	}
	for range rounds {
		for i := range cells {
			c := &cells[i]
			began := threadTime()
			for range c.batch {
				c.once(list, dst)
			}
			c.times = append(c.times, float64(threadTime()-began)/float64(c.batch))
		}
	}
	return cells
}

// once codes one message.
func (c *cell) once(list [][]byte, dst []byte) {
	c.code(dst, list[c.next])
	if c.next++; c.next == len(list) {
		c.next = 0
	}
}

// spread is the median and the quartiles around it.
type spread struct{ low, median, high float64 }

func spreadOf(figures []float64) spread {
	s := slices.Sorted(slices.Values(figures))
	at := func(part float64) float64 { return s[int(math.Round(part*float64(len(s)-1)))] }
	return spread{at(0.25), at(0.5), at(0.75)}
}

// times says how many times what a takes b takes, round by round.
func times(a, b cell) spread {
	var list []float64
	for i := range a.times {
		list = append(list, b.times[i]/a.times[i])
	}
	return spreadOf(list)
}

// memory returns how many bytes a connection holds between two messages once it has
// seen some.
func (t *task) memory(c coder) int64 {
	if !t.takeover {
		return 0
	}
	list := conversation(500)[:60]
	if t.input != nil {
		list = t.input(list)
	}
	dst := make([]byte, 0, maxMessage)
	use := func() func(dst, src []byte) []byte {
		code := c.open()
		for _, src := range list {
			code(dst, src)
		}
		return code
	}
	use() // what the connections share
	held := make([]any, 300)
	before := heap()
	n := 0
	for n < len(held) {
		held[n] = use()
		// A few large ones are as good as many small ones.
		if n++; n >= 8 && heap()-before > 1<<20 {
			break
		}
	}
	after := heap()
	runtime.KeepAlive([]any{held, list, dst, c})
	return max(0, after-before) / int64(n)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
