package poll_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// push fills an Outbox with texts.
func push(t *testing.T, o *poll.Outbox, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if err := o.Push(text(s)); err != nil {
			t.Fatalf("Push(%q) = %v", s, err)
		}
	}
}

// wantBatch checks what Batch hands out.
func wantBatch(t *testing.T, o *poll.Outbox, l poll.Limits, first uint64, texts ...string) {
	t.Helper()
	gotFirst, got := o.Batch(nil, l)
	var want []poll.Message
	for _, s := range texts {
		want = append(want, text(s))
	}
	if gotFirst != first || !equal(got, want) {
		t.Errorf("Batch = %d, %q, want %d, %q", gotFirst, got, first, want)
	}
}

func TestOutboxKeepsMessagesUntilTheyAreAcknowledged(t *testing.T) {
	var o poll.Outbox
	push(t, &o, "1", "2", "3")
	wantBatch(t, &o, poll.Limits{}, 1, "1", "2", "3")
	wantBatch(t, &o, poll.Limits{}, 1, "1", "2", "3")
	if err := o.Ack(2); err != nil {
		t.Fatal(err)
	}
	push(t, &o, "4")
	wantBatch(t, &o, poll.Limits{}, 3, "3", "4")
	if err := o.Ack(4); err != nil {
		t.Fatal(err)
	}
	wantBatch(t, &o, poll.Limits{}, 5)
	if o.Len() != 0 || o.Bytes() != 0 {
		t.Errorf("%d messages, %d bytes are left", o.Len(), o.Bytes())
	}
}

func TestOutboxBatchFitsTheBodyButNeverIsEmpty(t *testing.T) {
	var o poll.Outbox
	push(t, &o, "12345", "12345", "12345")
	wantBatch(t, &o, poll.Limits{Messages: 2}, 1, "12345", "12345")
	wantBatch(t, &o, poll.Limits{Body: 11}, 1, "12345", "12345") // with the separator
	wantBatch(t, &o, poll.Limits{Body: 10}, 1, "12345")
	wantBatch(t, &o, poll.Limits{Body: 1}, 1, "12345")
	wantBatch(t, &o, poll.Limits{Body: -1, Messages: -1}, 1, "12345", "12345", "12345")
}

func TestOutboxRefusesAcknowledgementsThatCannotBe(t *testing.T) {
	var o poll.Outbox
	push(t, &o, "1", "2", "3")
	o.Batch(nil, poll.Limits{Messages: 2})
	if err := o.Ack(1); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		ack  uint64
	}{
		{"of a message that was queued but not sent", 3},
		{"of a message that is not there", 4},
		{"back", 0},
		{"of the largest number", 1<<64 - 1},
	} {
		var e *poll.AckError
		if err := o.Ack(tt.ack); !errors.As(err, &e) {
			t.Errorf("%s: Ack(%d) = %v, want an AckError", tt.name, tt.ack, err)
		}
		if o.Len() != 2 {
			t.Fatalf("%s: %d messages are left, want 2", tt.name, o.Len())
		}
	}
	if err := o.Ack(1); err != nil {
		t.Errorf("the same acknowledgement again: %v", err)
	}
}

func TestOutboxIsBoundedByBytesAndCount(t *testing.T) {
	o := poll.NewOutbox(poll.QueueLimits{Messages: 3, Bytes: 10})
	push(t, &o, "1234", "5678")
	if err := o.Push(text("901")); !errors.Is(err, poll.ErrFull) {
		t.Errorf("the eleventh byte: %v, want ErrFull", err)
	}
	push(t, &o, "90")
	if err := o.Push(text("")); !errors.Is(err, poll.ErrFull) {
		t.Errorf("the fourth message: %v, want ErrFull", err)
	}
	if err := o.Push(text("12345678901")); !errors.Is(err, poll.ErrTooLarge) {
		t.Errorf("a message larger than the queue: %v, want ErrTooLarge", err)
	}
	o.Batch(nil, poll.Limits{})
	if err := o.Ack(1); err != nil {
		t.Fatal(err)
	}
	push(t, &o, "1234")
	wantBatch(t, &o, poll.Limits{}, 2, "5678", "90", "1234")
}

func TestOutboxDropForgetsMessagesAndKeepsTheNumbers(t *testing.T) {
	var o poll.Outbox
	push(t, &o, "1", "2")
	o.Drop()
	if o.Len() != 0 || o.Bytes() != 0 {
		t.Errorf("%d messages, %d bytes are left", o.Len(), o.Bytes())
	}
	push(t, &o, "3")
	wantBatch(t, &o, poll.Limits{}, 3, "3")
}

func TestInboxTakesEachMessageOnceInOrder(t *testing.T) {
	tests := []struct {
		last  uint64
		first uint64
		n     int
		skip  int
		err   string
	}{
		{last: 0, first: 1, n: 3, skip: 0},
		{last: 2, first: 1, n: 3, skip: 2},
		{last: 3, first: 1, n: 3, skip: 3},
		{last: 9, first: 1, n: 3, skip: 3},
		{last: 3, first: 4, n: 1, skip: 0},
		{last: 3, first: 5, n: 1, err: "poll: message 5 came where message 4 was due"},
		{last: 3, first: 0, n: 1, err: "poll: the number of the first message is out of range"},
		{last: 3, first: poll.MaxNumber, n: 1, err: "poll: message 9007199254740991 came where message 4 was due"},
		{last: 3, first: poll.MaxNumber + 1, n: 1, err: "poll: the number of the first message is out of range"},
	}
	for _, tt := range tests {
		var i poll.Inbox
		for range tt.last {
			i.Take()
		}
		skip, err := i.Skip(tt.first, tt.n)
		if skip != tt.skip || fmt.Sprint(err) != orNil(tt.err) {
			t.Errorf("after %d: Skip(%d, %d) = %d, %v, want %d, %v", tt.last, tt.first, tt.n, skip, err, tt.skip, orNil(tt.err))
		}
		if i.Last() != tt.last {
			t.Errorf("Skip changed Last from %d to %d", tt.last, i.Last())
		}
	}
}

func orNil(s string) string {
	if s == "" {
		return "<nil>"
	}
	return s
}

func TestLinkRefusesWhatTheServerWouldNotTake(t *testing.T) {
	l := poll.NewLink(poll.QueueLimits{}, poll.Limits{Message: 100, Body: 120})
	tests := []struct {
		name string
		m    poll.Message
		want string
	}{
		{"as large as it may be", text(strings.Repeat("1", 100)), "<nil>"},
		{"too large", text(strings.Repeat("1", 101)), "poll: message size 101 exceeds the limit of 100"},
		{"too large once it is base64", binary(strings.Repeat("1", 100)), "poll: body size 137 exceeds the limit of 120"},
	}
	for _, tt := range tests {
		if err := l.Push(tt.m); fmt.Sprint(err) != tt.want {
			t.Errorf("%s: Push = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestLinkIgnoresAnOlderAnswerToAPost(t *testing.T) {
	l := poll.NewLink(poll.QueueLimits{}, poll.Limits{})
	for range 3 {
		if err := l.Push(text("1")); err != nil {
			t.Fatal(err)
		}
	}
	l.Batch(nil)
	for _, ack := range []uint64{2, 1, 2, 3, 1} {
		if err := l.Posted(ack); err != nil {
			t.Errorf("Posted(%d) = %v", ack, err)
		}
	}
	if l.Unacked() != 0 {
		t.Errorf("%d messages are left", l.Unacked())
	}
	var e *poll.AckError
	if err := l.Posted(4); !errors.As(err, &e) {
		t.Errorf("Posted(4) = %v, want an AckError: there is no such message", err)
	}
}
