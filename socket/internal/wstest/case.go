package wstest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

// Case is one rule of the protocol and a script that tries it.
type Case struct {
	ID    string // "6.4.2": family, group, number
	Title string // what must happen, a sentence
	Roles []Role // of the endpoint; nil: both
	Cuts  []Cut  // nil: [Whole], [Frames] and one byte at a time

	Setup   Setup
	Opening Opening

	// Early frames leave in the same write as the peer's half of the handshake.
	// EverySplit plays the case once for each place where that write can be
	// divided in two.
	Early      []Frame
	EverySplit bool

	// Play is the script from the open connection on. It is not called if the
	// opening handshake is refused, as the case wants it.
	Play func(p *Peer)
}

// Family returns the first number of the ID.
func (c Case) Family() int {
	family, _, _ := strings.Cut(c.ID, ".")
	n, _ := strconv.Atoi(family) // a wrong one is found by the test that counts
	return n
}

// For reports whether the case concerns endpoints of a role.
func (c Case) For(role Role) bool { return len(c.Roles) == 0 || slices.Contains(c.Roles, role) }

// Run plays the case, once for each cut.
func (c Case) Run(t *testing.T, role Role, start Start) {
	cuts := c.Cuts
	if cuts == nil {
		cuts = []Cut{Whole, Frames, 1}
	}
	for _, cut := range cuts {
		splits := 1
		for split := 0; split < splits; split++ {
			c.Opening.split = split
			synctest.Test(t, func(t *testing.T) {
				defer func() {
					if t.Failed() {
						t.Logf("case %s: %s (cut: %v, split: %d)", c.ID, c.Title, cut, split)
					}
				}()
				sent := c.play(t, role, cut, start)
				if c.EverySplit {
					splits = sent
				}
			})
		}
	}
}

// play plays the case once. It returns how many bytes the peer's half of the
// handshake had, and what left with it.
func (c Case) play(t *testing.T, role Role, cut Cut, start Start) (sent int) {
	ep, nc := start(t, c.Setup)
	p := newPeer(t, role, cut, ep, nc)
	p.setup = c.Setup
	switch open := p.open(c.Opening, c.Early...); {
	case open:
		c.Play(p)
	case role == Client:
		p.Told(Verdict{Kind: "refused", Code: max(c.Opening.Status, 0)})
	default:
		return p.opening // net/http answers for some of these requests
	}
	p.finish()
	return p.opening
}

// Sort puts cases into the order of their IDs.
func Sort(cases []Case) {
	slices.SortStableFunc(cases, func(a, b Case) int { return slices.CompareFunc(numbers(a), numbers(b), cmp.Compare[int]) })
}

func numbers(c Case) (list []int) {
	for part := range strings.SplitSeq(c.ID, ".") {
		n, _ := strconv.Atoi(part) // zero is as good as any
		list = append(list, n)
	}
	return list
}
