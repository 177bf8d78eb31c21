package session_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

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
	const most = 256
	for n := uint64(1); n < most; n++ {
		in.Take(n)
		if in.Owes() && n == 1 {
			t.Fatal("owes what was not handled")
		}
		in.Handled(n, 200, false)
		if !in.Owes() || in.Many() != (n >= 32) || in.Due() {
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
	if in.Handled(most+1, 70_000, false); !in.Due() {
		t.Error("70,000 bytes are not due")
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
	for n := uint64(1002); n <= 1024; n++ { // up to one that asks; fewer than 16 would not be enough
		in.Take(n)
		in.Handled(n, 10, n == 1024)
	}
	if !in.Due() {
		t.Error("what one message has asked for is not due")
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
	c, other := session.NewClaim([session.KeyLength]byte{1}), session.NewClaim([session.KeyLength]byte{2})
	tokens := []string{c.Token()}
	next := func() {
		c.Attach()
		tokens = append(tokens, c.Token())
	}
	good := func(from int) { // those from that one on are
		t.Helper()
		for i, token := range tokens {
			if c.Check(token) != (i >= from) {
				t.Errorf("Check = %v for token %d of %d", i < from, i, len(tokens))
			}
		}
		for _, token := range []string{"", other.Token(), session.NewToken([24]byte{}), tokens[0][:31]} {
			if c.Check(token) {
				t.Errorf("%q is good", token)
			}
		}
	}
	good(0)
	next()
	good(0)
	next() // the answer with the one before was lost, or the request came twice
	good(0)
	c.Heard()
	good(2)
	for range 1000 {
		next()
	}
	good(2) // whichever of them has come
	c.Heard()
	good(len(tokens) - 1)
}

// TestClaimTokensAreOnesThatNobodyCanMake looks at all those that are nearly one, and at the
// tokens to come.
func TestClaimTokensAreOnesThatNobodyCanMake(t *testing.T) {
	c := session.NewClaim([session.KeyLength]byte{1})
	token := c.Token()
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range token {
		for _, letter := range letters {
			if near := token[:i] + string(letter) + token[i+1:]; c.Check(near) != (near == token) {
				t.Errorf("Check(%q) = %v, the token is %q", near, near != token, token)
			}
		}
	}
	later := c
	later.Attach()
	if c.Check(later.Token()) || !later.Check(token) {
		t.Error("a token is good before it is handed out, or not after the next")
	}
}

// TestClaimGoesOnWhereTheNumbersOfTokensBeginAgain is about a client that comes back four
// thousand million times.
func TestClaimGoesOnWhereTheNumbersOfTokensBeginAgain(t *testing.T) {
	c := session.NewClaim([session.KeyLength]byte{1})
	first := c.Token()
	c.SetNumber(1<<32 - 2)
	before := c.Token()
	for range 4 {
		c.Attach()
		if !c.Check(c.Token()) || !c.Check(before) {
			t.Errorf("the token %q or the one that the client has is refused", c.Token())
		}
	}
	c.Heard()
	if c.Check(before) || c.Check(first) {
		t.Error("a token of the past is good")
	}
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
