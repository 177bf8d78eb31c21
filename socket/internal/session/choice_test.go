package session_test

import (
	"slices"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

// choice is a Choice between three ways, at a time.
type choice struct {
	session.Choice
	now time.Time
}

func newChoice() *choice {
	return &choice{session.NewChoice(3, 30*time.Second, 4*time.Minute), time.Unix(1e9, 0)}
}

func (c *choice) want(t *testing.T, when string, order ...int) {
	t.Helper()
	if got := c.Order(c.now, lowest); !slices.Equal(got, order) {
		t.Errorf("%s: the order is %v, want %v", when, got, order)
	}
}

func TestChoicePrefersTheFirstUntilThereIsEvidenceAgainstIt(t *testing.T) {
	c := newChoice()
	c.want(t, "at first", 0, 1, 2)
	c.Opened(2, nil, c.now, lowest) // the others say that the server is down
	c.want(t, "after a server that was down", 0, 1, 2)
	c.Opened(2, []int{0}, c.now, lowest)
	c.want(t, "after the first was refused", 1, 2, 0)
	c.Opened(2, []int{1}, c.now, lowest)
	c.want(t, "after both were refused", 2, 0, 1)
}

func TestChoiceBarsAWayWhoseConnectionsDieThreeTimesInARow(t *testing.T) {
	c := newChoice()
	for range 2 {
		c.Opened(0, nil, c.now, lowest)
		c.Died(0, c.now)
		c.want(t, "before the third", 0, 1, 2)
	}
	c.Opened(0, nil, c.now, lowest)
	c.Proven(0)
	for range 2 {
		c.Died(0, c.now)
		c.want(t, "before the third after a good one", 0, 1, 2)
	}
	c.Died(0, c.now)
	c.want(t, "after three", 1, 2, 0)
}

func TestChoiceNeverBarsTheLastWay(t *testing.T) {
	c := newChoice()
	for _, i := range []int{0, 1, 2, 2, 0} {
		for range 5 {
			c.Died(i, c.now)
		}
	}
	c.want(t, "when all have died", 2, 0, 1)
}

func TestChoiceProbesLessAndLessOften(t *testing.T) {
	c := newChoice()
	if _, ok := c.Wait(0, c.now); ok {
		t.Error("there is nothing better than the first")
	}
	c.Opened(2, []int{0, 1}, c.now, lowest)
	for i, want := range []time.Duration{30, 60, 120, 240, 240, 240} {
		d, ok := c.Wait(2, c.now)
		if d != want*time.Second || !ok {
			t.Errorf("probe %d: a wait of %v, %t, want %v", i, d, ok, want*time.Second)
		}
		c.now = c.now.Add(d)
		c.Postpone(c.now, lowest)
	}
	c.Postpone(c.now, highest)
	if d, _ := c.Wait(2, c.now); d <= 4*time.Minute || d > 5*time.Minute {
		t.Errorf("a wait of %v at most", d)
	}
	c.now = c.now.Add(time.Hour)
	c.want(t, "when it is time", 0, 1, 2)
	c.want(t, "after that", 2, 0, 1)
	c.Proven(0)
	c.Opened(2, []int{0}, c.now, lowest)
	if d, _ := c.Wait(2, c.now); d != 30*time.Second {
		t.Errorf("a wait of %v after the first was good", d)
	}
}

func TestChoiceTakesAProbesWayBackAfterOneDeath(t *testing.T) {
	c := newChoice()
	c.Opened(1, nil, c.now, lowest)
	c.Moved(0)
	if !c.Tested(0) || c.Tested(1) {
		t.Error("the first is not being tested")
	}
	c.Died(0, c.now)
	c.want(t, "after the probe's connection has died", 1, 2, 0)
	c.Moved(0)
	c.Proven(0)
	if c.Tested(0) {
		t.Error("what has proven to be good is still being tested")
	}
	c.want(t, "after the probe's connection was good", 0, 1, 2)
}

func TestChoiceCountsTheTimeUntilTheNextProbeFromTheEndOfTheLast(t *testing.T) {
	c := newChoice()
	c.Opened(1, []int{0}, c.now, lowest)
	c.now = c.now.Add(30 * time.Second)
	c.Postpone(c.now, lowest)
	c.now = c.now.Add(time.Hour)
	c.Failed(c.now)
	if d, _ := c.Wait(1, c.now); d != time.Minute {
		t.Errorf("a wait of %v, want a minute", d)
	}
}

// However long it takes until the probe's connection has died: the way back is not a probe.
func TestChoiceGivesTheWayThatWorkedTimeAfterAProbe(t *testing.T) {
	for name, begin := range map[string]func(c *choice){
		"over to it":      func(c *choice) { c.Postpone(c.now, lowest); c.Moved(0) },
		"when connecting": func(c *choice) { c.want(t, "when it is time", 0, 1, 2); c.Opened(0, nil, c.now, lowest) },
	} {
		c := newChoice()
		c.Opened(1, []int{0}, c.now, lowest)
		c.now = c.now.Add(30 * time.Second)
		begin(c)
		if !c.Tested(0) {
			t.Errorf("%s: the first is not being tested", name)
		}
		c.now = c.now.Add(time.Hour)
		c.Died(0, c.now)
		c.want(t, name+", after an hour", 1, 2, 0)
		if d, _ := c.Wait(1, c.now); d != time.Minute {
			t.Errorf("%s: a wait of %v for the next probe, want a minute", name, d)
		}
	}
}
