package session_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

func TestQueueKeepsOrder(t *testing.T) {
	var q session.Queue[int]
	var spare, got []int
	for i := range 100 {
		q.Push(i, 1)
		if i%7 == 0 {
			batch := q.PopAll(spare)
			got = append(got, batch...)
			q.Done()
			spare = batch
		}
	}
	got = append(got, q.PopAll(nil)...)
	for i := range 100 {
		if i >= len(got) || got[i] != i {
			t.Fatalf("popped %v", got)
		}
	}
	if q.PopAll(nil) != nil {
		t.Error("PopAll of an empty queue is not nil")
	}
}

func TestQueueBounds(t *testing.T) {
	q := session.NewQueue[string](session.QueueLimits{Bytes: 10, Messages: 3})
	steps := []struct {
		size int
		want error
	}{
		{11, session.ErrTooLarge},
		{6, nil},
		{5, session.ErrFull},
		{4, nil},
		{0, nil},
		{0, session.ErrFull},
	}
	for i, s := range steps {
		if got := q.Push("", s.size); !errors.Is(got, s.want) {
			t.Errorf("step %d: Push of %d bytes: %v, want %v", i, s.size, got, s.want)
		}
	}
	if bytes, n := q.Pending(); bytes != 10 || n != 3 || q.Len() != 3 {
		t.Errorf("Pending = %d bytes, %d messages", bytes, n)
	}
}

func TestQueueCountsUntilWritten(t *testing.T) {
	q := session.NewQueue[string](session.QueueLimits{Bytes: 10, Messages: 2})
	q.Push("a", 8)
	q.PopAll(nil)
	if err := q.Push("b", 3); err != session.ErrFull {
		t.Errorf("Push while 8 of 10 bytes are being written: %v, want ErrFull", err)
	}
	if err := q.Push("b", 2); err != nil {
		t.Errorf("Push of what fits: %v", err)
	}
	if err := q.Push("c", 0); err != session.ErrFull {
		t.Errorf("third message: %v, want ErrFull", err)
	}
	q.Done()
	if bytes, n := q.Pending(); bytes != 2 || n != 1 {
		t.Errorf("Pending after Done = %d bytes, %d messages", bytes, n)
	}
	if !q.Fits(8) || q.Fits(9) {
		t.Error("Fits does not agree with the room left")
	}
}

func TestQueueDefaultsAndNoBound(t *testing.T) {
	var q session.Queue[int]
	for i := range session.DefaultQueueMessages {
		if err := q.Push(i, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Push(0, 1); err != session.ErrFull {
		t.Errorf("beyond the default: %v", err)
	}
	if err := q.Push(0, session.DefaultQueueBytes+1); err != session.ErrTooLarge {
		t.Errorf("beyond the default size: %v", err)
	}
	q = session.NewQueue[int](session.QueueLimits{Bytes: -1, Messages: -1})
	for i := range 5000 {
		if err := q.Push(i, 1<<30); err != nil && ^uint(0)>>63 == 1 {
			t.Fatal(err)
		}
	}
}

func TestQueueReusesItsSlices(t *testing.T) {
	v := new(int)

	// The usual case: all messages in one write, then nothing.
	for _, n := range []int{1, 10} {
		var q session.Queue[*int]
		if got := testing.AllocsPerRun(100, func() {
			for range n {
				q.Push(v, 1)
			}
			batch := q.PopAll(nil)
			q.Done()
			q.PopAll(batch)
		}); got != 0 {
			t.Errorf("%v allocations for a write of %d", got, n)
		}
	}

	// A busy writer: messages arrive during every write.
	var q session.Queue[*int]
	var batch []*int
	if got := testing.AllocsPerRun(100, func() {
		for range 50 {
			q.Push(v, 1)
		}
		batch = q.PopAll(batch)
		q.Done()
	}); got != 0 {
		t.Errorf("%v allocations for each write of a busy writer", got)
	}
}

func TestQueueLetsGoOfABurst(t *testing.T) {
	q := session.NewQueue[int](session.QueueLimits{})
	for i := range 1000 {
		q.Push(i, 1)
	}
	burst := q.PopAll(nil)
	q.Done()
	q.PopAll(burst)
	q.Push(1, 1)
	if got := cap(q.PopAll(nil)); got > 16 {
		t.Errorf("after a burst the queue holds a slice of %d", got)
	}
}

func TestQueueHoldsNothingPopped(t *testing.T) {
	var q session.Queue[*[64]byte]
	held := func() weak.Pointer[[64]byte] {
		v := new([64]byte)
		q.Push(v, 64)
		batch := q.PopAll(nil)
		q.Done()
		q.PopAll(batch)
		return weak.Make(v)
	}()
	runtime.GC()
	runtime.GC()
	if held.Value() != nil {
		t.Error("a popped message is still held")
	}
	q.Release()
	q.Push(nil, 0)
	q.Release() // not empty: nothing happens
	if q.Len() != 1 {
		t.Error("Release drops messages")
	}
	runtime.KeepAlive(&q)
}

func FuzzQueue(f *testing.F) {
	f.Add([]byte{1, 2, 3, 200, 4, 5, 201, 202})
	f.Fuzz(func(t *testing.T, ops []byte) {
		q := session.NewQueue[int](session.QueueLimits{Bytes: 300, Messages: 9})
		type item struct{ v, size int }
		var waiting, flying []item
		var spare []int
		sum := func() (bytes int) {
			for _, i := range append(slices.Clip(waiting), flying...) {
				bytes += i.size
			}
			return bytes
		}
		for v, op := range ops {
			switch {
			case op < 200:
				fits := sum()+int(op) <= 300 && len(waiting)+len(flying) < 9
				if got := q.Push(v, int(op)) == nil; got != fits {
					t.Fatalf("Push of %d: %v, want %v", op, got, fits)
				}
				if fits {
					waiting = append(waiting, item{v, int(op)})
				}
			case op < 230:
				batch := q.PopAll(spare)
				spare = nil
				if len(batch) != len(waiting) {
					t.Fatalf("popped %v, want %v", batch, waiting)
				}
				for i := range batch {
					if batch[i] != waiting[i].v {
						t.Fatalf("popped %v, want %v", batch, waiting)
					}
				}
				flying = append(flying, waiting...)
				waiting = nil
				if op%2 == 0 {
					spare = batch
				}
			case op < 245:
				q.Done()
				flying = nil
			default:
				q.Release()
			}
			if bytes, n := q.Pending(); bytes != sum() || n != len(waiting)+len(flying) || q.Len() != len(waiting) {
				t.Fatalf("Pending %d bytes, %d messages; want %d, %d", bytes, n, sum(), len(waiting)+len(flying))
			}
		}
	})
}

func TestBatchIsFullByCountBytesOrTime(t *testing.T) {
	b := session.NewBatch[string](session.BatchOptions{Messages: 3, Bytes: 100, Delay: 50 * time.Millisecond})
	if b.Deadline() != session.Never || b.Take(nil) != nil {
		t.Error("an empty batch has a deadline or messages")
	}
	if b.Add("a", 1, 10*sec) || b.Add("b", 1, 10*sec+time.Millisecond) {
		t.Error("full before the third message")
	}
	if got, want := b.Deadline(), 10*sec+50*time.Millisecond; got != want {
		t.Errorf("Deadline = %v, want %v: the delay counts from the first message", got, want)
	}
	if !b.Add("c", 1, 11*sec) {
		t.Error("not full with the third message")
	}
	got := b.Take(nil)
	if fmt.Sprint(got) != "[a b c]" || b.Len() != 0 || b.Deadline() != session.Never {
		t.Errorf("Take = %v, leaves %d, deadline %v", got, b.Len(), b.Deadline())
	}
	if b.Add("d", 99, 20*sec) || !b.Add("e", 1, 20*sec) {
		t.Error("full must be at 100 bytes")
	}
	if got := b.Take(got); fmt.Sprint(got) != "[d e]" {
		t.Errorf("Take = %v", got)
	}
}

func TestBatchOfOne(t *testing.T) {
	for _, o := range []session.BatchOptions{
		{},
		{Messages: 1, Delay: sec},
		{Messages: -1, Delay: sec},
		{Messages: 20},
		{Messages: 20, Delay: -sec},
	} {
		b := session.NewBatch[int](o)
		if !b.Add(1, 1, sec) {
			t.Errorf("%+v: a message waits", o)
		}
	}
	b := session.NewBatch[int](session.BatchOptions{Messages: 20, Delay: sec})
	if !b.Add(1, session.DefaultBatchBytes, sec) {
		t.Error("the default bound on bytes does not hold")
	}
}

func TestBatchDoesNotAllocate(t *testing.T) {
	b := session.NewBatch[[]byte](session.BatchOptions{Messages: 20, Delay: sec})
	msg := []byte("x")
	var spare [][]byte
	if n := testing.AllocsPerRun(100, func() {
		for !b.Add(msg, 1, sec) {
		}
		spare = b.Take(spare)
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}
