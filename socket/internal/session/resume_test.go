package session_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

// TestOutboxKeepsExactlyWhatIsNotAcknowledged compares an Outbox with a slice, over
// random sequences of what can be done to it.
func TestOutboxKeepsExactlyWhatIsNotAcknowledged(t *testing.T) {
	type message struct {
		n    uint64
		size int
	}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var o session.Outbox[uint64]
		var model []message
		var last, acked uint64
		drop := func() {
			if len(model) > 0 {
				model = model[1:]
			}
		}
		for range 500 {
			switch rng.IntN(4) {
			case 0, 1:
				size := rng.IntN(100)
				last++
				model = append(model, message{last, size})
				if n := o.Add(last, size); n != last {
					t.Fatalf("seed %d: Add = %d, want %d", seed, n, last)
				}
			case 2:
				n := uint64(rng.IntN(int(last) + 2))
				var freed []uint64
				err := o.Ack(n, func(m uint64) { freed = append(freed, m) })
				if n > last {
					if err != session.ErrAck {
						t.Fatalf("seed %d: Ack(%d) of %d = %v, want ErrAck", seed, n, last, err)
					}
					break
				}
				acked = max(acked, n)
				var want []uint64
				for len(model) > 0 && model[0].n <= n {
					want = append(want, model[0].n)
					drop()
				}
				if err != nil || !slices.Equal(freed, want) {
					t.Fatalf("seed %d: Ack(%d) frees %v, %v, want %v", seed, n, freed, err, want)
				}
			case 3:
				m, ok := o.Drop()
				if ok != (len(model) > 0) || ok && m != model[0].n {
					t.Fatalf("seed %d: Drop = %d, %v", seed, m, ok)
				}
				drop()
			}
			bytes := 0
			for _, m := range model {
				bytes += m.size
			}
			var kept []uint64
			for n, m := range o.All() {
				if n != m {
					t.Fatalf("seed %d: message %d has number %d", seed, m, n)
				}
				kept = append(kept, m)
			}
			want := make([]uint64, 0, len(model))
			for _, m := range model {
				want = append(want, m.n)
			}
			if !slices.Equal(kept, want) || o.Len() != len(want) || o.Bytes() != bytes || o.Last() != last || o.Acked() != acked {
				t.Fatalf("seed %d: keeps %v (%d, %d bytes), want %v (%d bytes)", seed, kept, o.Len(), o.Bytes(), want, bytes)
			}
		}
	}
}

// TestOutboxResumesWithoutAGapOrSaysSo tries every number that the other end can name.
func TestOutboxResumesWithoutAGapOrSaysSo(t *testing.T) {
	for dropped := range 6 {
		for acked := range uint64(6) {
			for n := range uint64(8) {
				var o session.Outbox[int]
				for i := range 5 {
					o.Add(i+1, 1)
				}
				if err := o.Ack(acked, func(int) {}); err != nil {
					t.Fatal(err)
				}
				for range max(dropped-int(acked), 0) {
					o.Drop()
				}
				gone := max(uint64(dropped), acked) // the newest that is not there
				var want error
				switch {
				case n > 5:
					want = session.ErrAck
				case n < acked, n < gone:
					want = session.ErrGap
				}
				if err := o.Resume(n); err != want {
					t.Errorf("%d dropped, %d acked: Resume(%d) = %v, want %v", dropped, acked, n, err, want)
				}
				if want != nil {
					continue
				}
				next := n
				for m := range o.From(n + 1) {
					if next++; m != next {
						t.Errorf("%d dropped, %d acked: after Resume(%d) comes %d, want %d", dropped, acked, n, m, next)
					}
				}
				if next != 5 {
					t.Errorf("%d dropped, %d acked: Resume(%d) ends with %d", dropped, acked, n, next)
				}
			}
		}
	}
}

// TestOutboxIsFullBeyondItsLimits counts both limits, and lets one large message be.
func TestOutboxIsFullBeyondItsLimits(t *testing.T) {
	l := session.OutboxLimits{Bytes: 100, Messages: 3}
	var o session.Outbox[int]
	for i, tt := range []struct {
		size int
		full bool
	}{{1000, false}, {1, true}} {
		o.Add(i, tt.size)
		if o.Full(l) != tt.full {
			t.Errorf("after %d messages: Full = %v", i+1, !tt.full)
		}
	}
	o.Drop()
	for range 2 {
		if o.Add(0, 33); o.Full(l) {
			t.Error("three messages of less than 100 bytes are too many")
		}
	}
	if o.Add(0, 33); !o.Full(l) {
		t.Error("four messages are not too many")
	}
	if o.Full(session.OutboxLimits{Bytes: -1, Messages: -1}) {
		t.Error("there is no limit, and it is full")
	}
}

// TestOutboxHoldsNothingWhenAllIsAcknowledged looks at the memory of a connection that
// has become idle, by what a further message costs.
func TestOutboxHoldsNothingWhenAllIsAcknowledged(t *testing.T) {
	var o session.Outbox[int]
	allocs := testing.AllocsPerRun(10, func() {
		for i := range 1000 {
			o.Add(i, 1)
		}
		o.Ack(o.Last(), func(int) {})
	})
	if allocs == 0 {
		t.Error("the ring of a thousand messages is kept")
	}
}

// TestOutboxAllocatesNothingWhenMessagesComeAndGo keeps a few messages at a time, as a
// busy connection does, and looks at what shrinking one costs afterwards.
func TestOutboxAllocatesNothingWhenMessagesComeAndGo(t *testing.T) {
	var o session.Outbox[int]
	round := func() {
		for i := range 64 {
			o.Add(i, 1)
		}
		o.Ack(o.Last(), func(int) {})
	}
	if allocs := testing.AllocsPerRun(10, round); allocs != 0 {
		t.Errorf("64 messages that come and go take %v allocations", allocs)
	}
	allocs := testing.AllocsPerRun(10, func() {
		o.Shrink()
		round()
	})
	if allocs == 0 {
		t.Error("the ring is kept by one that has shrunk")
	}
	o.Add(1, 1)
	o.Shrink()
	if o.Len() != 1 || o.Bytes() != 1 {
		t.Error("shrinking drops what is kept")
	}
}

// TestInboxTakesEachNumberOnceAndInOrder sends random numbers around the next one.
func TestInboxTakesEachNumberOnceAndInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var in session.Inbox
	next := uint64(1)
	for range 10_000 {
		n := next + uint64(rng.IntN(5)) - min(next, uint64(rng.IntN(4)))
		fresh, err := in.Take(n)
		switch {
		case n > next && err != session.ErrGap, n <= next && err != nil, fresh != (n == next):
			t.Fatalf("expects %d: Take(%d) = %v, %v", next, n, fresh, err)
		case fresh:
			next++
		}
		if in.Last() != next-1 {
			t.Fatalf("Last = %d, want %d", in.Last(), next-1)
		}
	}
}

// TestInboxOwesAcknowledgements counts messages and bytes.
func TestInboxOwesAcknowledgements(t *testing.T) {
	var in session.Inbox
	if in.Owes() || in.Many() || in.Due() {
		t.Error("owes before anything has come")
	}
	const most = 128
	for n := uint64(1); n < most; n++ {
		in.Take(n)
		if in.Owes() && n == 1 {
			t.Fatal("owes what was not handled")
		}
		in.Handled(n, 200, false)
		if !in.Owes() || in.Many() != (n >= 16) || in.Due() {
			t.Fatalf("after %d messages: Owes %v, Many %v, Due %v", n, in.Owes(), in.Many(), in.Due())
		}
	}
	in.Take(most)
	if in.Handled(most, 0, false); !in.Due() {
		t.Errorf("%d messages are not due", most)
	}
	if n := in.Ack(); n != most || in.Owes() || in.Many() || in.Due() {
		t.Errorf("Ack = %d, and owes %v, many %v, due %v", n, in.Owes(), in.Many(), in.Due())
	}
	in.Take(most + 1)
	if in.Handled(most+1, 40_000, false); !in.Due() {
		t.Error("40,000 bytes are not due")
	}
}

// TestInboxAcknowledgesSoonWhenItIsAsked has a sender that says the number of each message.
func TestInboxAcknowledgesSoonWhenItIsAsked(t *testing.T) {
	var in session.Inbox
	for n := uint64(1); n <= 1000; n++ {
		in.Take(n)
		in.Handled(n, 10, true)
		if want := n%session.AskEvery == 0; in.Due() != want {
			t.Fatalf("message %d: Due %v, want %v", n, in.Due(), want)
		}
		if in.Due() {
			in.Ack()
		}
	}
	in.Take(1001)
	in.Handled(1001, 10, true)
	in.Ack()
	for n := uint64(1002); n <= 1024; n++ { // up to one that asks; fewer than 16 would not be many
		in.Take(n)
		in.Handled(n, 10, n == 1024)
	}
	if !in.Due() {
		t.Error("what one message has asked for is not due")
	}
}

// TestOutboxAsksWhenAQuarterOfItsRoomIsTaken, with limits of all kinds: the other end does not
// know them, and must acknowledge long before they are reached.
func TestOutboxAsksWhenAQuarterOfItsRoomIsTaken(t *testing.T) {
	for _, tt := range []struct {
		limits session.OutboxLimits
		first  uint64 // number of the first message of 100 bytes that asks; 0: none of 10,000
	}{
		{session.OutboxLimits{}, 288},
		{session.OutboxLimits{Bytes: -1, Messages: -1}, 0},
		{session.OutboxLimits{Bytes: -1, Messages: 64}, 32},
		{session.OutboxLimits{Bytes: -1, Messages: 1}, 32},
		{session.OutboxLimits{Bytes: 8 << 10, Messages: -1}, 32},
		{session.OutboxLimits{Bytes: 64 << 10, Messages: -1}, 192},
	} {
		var out session.Outbox[int]
		var first uint64
		for first == 0 && out.Last() < 10_000 {
			if n := out.Add(0, 100); out.Asks(n, tt.limits) {
				first = n
			}
		}
		if first != tt.first {
			t.Errorf("%+v: message %d asks first, want %d", tt.limits, first, tt.first)
		}
	}
}

// TestOrderCountsMessagesThatDoNotSayTheirNumber from the last one that did.
func TestOrderCountsMessagesThatDoNotSayTheirNumber(t *testing.T) {
	var o session.Order
	if n, err := o.Number(0, false); err != session.ErrNoNumber {
		t.Errorf("the first number is %d, %v; want ErrNoNumber", n, err)
	}
	said := uint64(0)
	for i, want := range []uint64{7, 8, 9, 4, 5, 6, 100, 101} {
		switch want {
		case 7, 4, 100:
			said = want
		default:
			said = 0
		}
		if n, err := o.Number(said, said > 0); n != want || err != nil {
			t.Errorf("number %d is %d, %v; want %d", i, n, err, want)
		}
	}
}

// TestInboxNextFollowsOneConnectionAfterTheOther with numbers that are said and that are not,
// as an Order of its own for each connection would.
func TestInboxNextFollowsOneConnectionAfterTheOther(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for range 2000 {
		var in, want session.Inbox
		for range 4 {
			var o session.Order
			in.Begin()
			for range 8 {
				n, said := want.Last()+rng.Uint64N(5)-2, rng.IntN(3) == 0
				if n == 0 || n > want.Last()+3 {
					n = 1
				}
				if !said {
					n = 0
				}
				got, fresh, err := in.Next(n, said)
				number, wantErr := o.Number(n, said)
				wantFresh := false
				if wantErr == nil {
					wantFresh, wantErr = want.Take(number)
				}
				if err != wantErr || err == nil && (got != number || fresh != wantFresh) || in.Last() != want.Last() {
					t.Fatalf("Next(%d, %t) = %d, %t, %v; want %d, %t, %v", n, said, got, fresh, err, number, wantFresh, wantErr)
				}
				if err != nil {
					break // the connection is closed
				}
				if fresh && rng.IntN(2) == 0 {
					in.Handled(got, 1, false)
					want.Handled(got, 1, false)
				}
				if in.Owed() != want.Owed() {
					t.Fatalf("message %d was handled last, want %d", in.Owed(), want.Owed())
				}
			}
		}
	}
}

// A number of which nobody can have kept the message is no reason to lose count.
// TestInboxFollowIsNextAndHandled gives the same messages to two, of which one is asked to
// follow first, with connections that begin anew, repetitions, and handlers that come later.
func TestInboxFollowIsNextAndHandled(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var short, long session.Inbox
		sent, over := uint64(0), uint64(0) // of the session, and of the connection
		var waiting []uint64               // for their handlers
		followed := 0
		for step := range 300 {
			size := random.IntN(2000)
			switch random.IntN(12) {
			case 0: // another connection, which begins with one that was there or not
				short.Begin()
				long.Begin()
				over = sent - min(sent, random.Uint64N(3))
				fallthrough
			case 1:
				over++
				next(t, &short, over, true)
				next(t, &long, over, true)
				if over > sent {
					waiting = append(waiting, over)
				}
			default:
				if over == 0 {
					continue
				}
				over++
				if short.Follow(size) {
					followed++
					if n, fresh, err := long.Next(0, false); n != over || !fresh || err != nil || len(waiting) > 0 {
						t.Fatalf("seed %d, step %d: Follow() of message %d, Next() = %d, %v, %v, and %d wait", seed, step, over, n, fresh, err, len(waiting))
					}
					long.Handled(over, size, false)
					break
				}
				next(t, &short, 0, false)
				next(t, &long, 0, false)
				if over > sent {
					waiting = append(waiting, over)
				}
			}
			sent = max(sent, over)
			for len(waiting) > 0 && random.IntN(3) > 0 {
				short.Handled(waiting[0], size, false)
				long.Handled(waiting[0], size, false)
				waiting = waiting[1:]
			}
			if random.IntN(20) == 0 {
				short.Ack()
				long.Ack()
			}
			if short != long {
				t.Fatalf("seed %d, step %d: %+v, want %+v", seed, step, short, long)
			}
		}
		if followed == 0 {
			t.Errorf("seed %d: no message followed", seed)
		}
	}
}

func next(t *testing.T, in *session.Inbox, n uint64, said bool) {
	t.Helper()
	if _, _, err := in.Next(n, said); err != nil {
		t.Fatal(err)
	}
}

func TestInboxNextRefusesANumberFromLongAgo(t *testing.T) {
	var in session.Inbox
	in.SetLast(1 << 33)
	if _, _, err := in.Next(5, true); err != session.ErrGap {
		t.Errorf("Next(5) after 2^33 messages = %v, want ErrGap", err)
	}
	if n, fresh, err := in.Next(1<<33-1000, true); n != 1<<33-1000 || fresh || err != nil {
		t.Errorf("Next = %d, %t, %v", n, fresh, err)
	}
	if n, fresh, err := in.Next(0, false); n != 1<<33-999 || fresh || err != nil {
		t.Errorf("Next = %d, %t, %v", n, fresh, err)
	}
}

// TestClaimOldTokenDiesWithTheFirstSignOfTheNewConnection follows one client whose
// answers get lost, and somebody who has learned a token of the past.
func TestClaimOldTokenDiesWithTheFirstSignOfTheNewConnection(t *testing.T) {
	token := func(name string) string {
		if name == "" {
			return ""
		}
		return session.NewToken([24]byte{0: 1, 23: name[1]})
	}
	c := session.NewClaim(token("t1"))
	check := func(want map[string]bool) {
		t.Helper()
		for name, ok := range want {
			if c.Check(token(name)) != ok {
				t.Errorf("Check(%q) = %v", name, !ok)
			}
		}
		if c.Check(session.NewToken([24]byte{})) {
			t.Error("a token of zeros is good")
		}
	}
	check(map[string]bool{"t1": true, "": false, "t2": false})
	c.Attach(token("t2"))
	check(map[string]bool{"t1": true, "t2": true, "": false})
	c.Attach(token("t3")) // the answer with t2 was lost, or the request came twice
	check(map[string]bool{"t1": true, "t2": true, "t3": true})
	c.Heard()
	check(map[string]bool{"t1": false, "t2": false, "t3": true, "": false})
	for _, name := range []string{"t4", "t5", "t6", "t7"} {
		c.Attach(token(name))
	}
	// The client is known to have t3, and may have any of the last.
	check(map[string]bool{"t3": true, "t4": false, "t5": true, "t6": true, "t7": true})
}

// FuzzSessionLines reads any line without a panic, and writes what it has read back as
// it was.
func FuzzSessionLines(f *testing.F) {
	s := session.Session{ID: session.NewID([16]byte{1}), Token: session.NewToken([24]byte{2})}
	for _, line := range []string{
		session.Offer{}.String(), session.Offer{Session: s, Last: 7}.String(),
		session.Answer{Session: s, Window: 120}.String(), session.Answer{Session: s, Window: 120, Resumed: true, Last: 9}.String(),
		"", "id=; token=; last=0",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if o, err := session.ParseOffer(line); err == nil && o.String() != line {
			t.Errorf("offer %q comes back as %q", line, o)
		}
		if a, err := session.ParseAnswer(line); err == nil && a.String() != line {
			t.Errorf("answer %q comes back as %q", line, a)
		}
	})
}

// TestSessionLinesOfTheOtherKindAreRefused keeps offers and answers apart.
func TestSessionLinesOfTheOtherKindAreRefused(t *testing.T) {
	s := session.Session{ID: session.NewID([16]byte{1}), Token: session.NewToken([24]byte{2})}
	offer := session.Offer{Session: s, Last: 1}.String()
	for _, a := range []session.Answer{{Session: s, Window: 1}, {Session: s, Window: 1, Resumed: true}} {
		if _, err := session.ParseOffer(a.String()); err == nil {
			t.Errorf("%q is taken for an offer", a)
		}
		if got, err := session.ParseAnswer(a.String()); err != nil || got != a {
			t.Errorf("ParseAnswer(%q) = %+v, %v", a, got, err)
		}
	}
	if _, err := session.ParseAnswer(offer); err == nil {
		t.Errorf("%q is taken for an answer", offer)
	}
	for _, line := range []string{"New", "new ", offer + "; ", offer + "0 ", fmt.Sprint(offer, "; last=1"), "last=1"} {
		if _, err := session.ParseOffer(line); err == nil {
			t.Errorf("%q is taken for an offer", line)
		}
	}
}
