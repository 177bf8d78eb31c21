package transport

import (
	"bytes"
	"testing"
)

// TestCutLeavesTheFrameThatHasBegunAndNoOther lets any number of bytes of a batch leave,
// of frames that lie apart, side by side, or together with others' in one shared piece.
func TestCutLeavesTheFrameThatHasBegunAndNoOther(t *testing.T) {
	var list PreparedBatch
	for _, n := range []int{3, 0, 200, 20_000, 5} {
		list.Append(NewPreparedMessage(MessageBinary, bytes.Repeat([]byte{byte(n)}, n)))
	}
	fill := map[string]func(c *Conn, q *batch){
		"apart": func(_ *Conn, q *batch) {
			for _, m := range list.messages {
				q.share(m.plain)
			}
		},
		"side by side": func(_ *Conn, q *batch) {
			for _, m := range list.messages {
				it := q.room(len(m.plain))
				it.b = append(it.b, m.plain...)
				q.bytes += len(m.plain)
				q.frames++
			}
		},
		"in shared pieces": func(c *Conn, q *batch) {
			list.run(c)
			q.shareRun(list.run(c))
		},
	}
	var ends []int // of the frames
	total := 0
	for _, m := range list.messages {
		total += len(m.plain)
		ends = append(ends, total)
	}
	for name, fill := range fill {
		for gone := range total {
			c := &Conn{cfg: &config{}}
			q := getBatch()
			fill(c, q)
			q.skip(gone)
			q.cut()
			want := 0
			for i, end := range ends {
				begin := 0
				if i > 0 {
					begin = ends[i-1]
				}
				if begin < gone && gone < end {
					want = end - gone
				}
			}
			got := 0
			for _, it := range q.left() {
				got += len(it.b)
			}
			if got != want {
				t.Fatalf("%s: %d of %d bytes have left, and %d are to follow, want %d", name, gone, total, got, want)
			}
			putBatch(q)
		}
	}
}
