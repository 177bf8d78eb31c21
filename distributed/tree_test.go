package distributed_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

var updateTree = flag.Bool("update-tree", false, "write testdata/tree.txt anew")

// worker is a handler with a name that does not change with the file it stands in.
type worker struct{}

func (worker) Handle(p *distributed.Process, d time.Duration) error {
	if d < 0 {
		return errors.New("no time")
	}
	time.Sleep(d)
	return nil
}

// town spawns supervisors and others.
func town(t *testing.T, n *distributed.Node) {
	t.Helper()
	must := func(id distributed.ProcessID, err error) distributed.ProcessID {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	plan := func(name distributed.ProcessID, parent distributed.ProcessID, p *distributed.Plan) distributed.ProcessID {
		if parent == "" {
			r, err := distributed.SpawnHandler(n, p, distributed.WithName(name), distributed.WithTrapExit())
			return must(r.ID(), err)
		}
		r, err := distributed.SpawnUnder(n, parent, p, distributed.WithName(name), distributed.WithTrapExit())
		return must(r.ID(), err)
	}
	work := func(parent distributed.ProcessID, opts ...distributed.SpawnOption) distributed.ProcessID {
		if parent == "" {
			r, err := distributed.SpawnHandler(n, worker{}, opts...)
			return must(r.ID(), err)
		}
		r, err := distributed.SpawnUnder(n, parent, worker{}, opts...)
		return must(r.ID(), err)
	}
	work("", distributed.WithName("old"), distributed.WithErrorsLogged())
	top := &distributed.Plan{What: "supervisor, one for one", Restarts: 3}
	plan("app", "", top)
	b := work("app")
	plan("rooms", "app", &distributed.Plan{What: "supervisor, dynamic"})
	a := work("app", distributed.WithName("a"))
	top.Children = []distributed.PlanChild{
		distributed.Child(n, "a", a, 1),
		{Name: "mailer", State: "restarting", Restarts: 2},
		distributed.Child(n, "rooms", "rooms", 0),
		distributed.Child(n, "b", b, 0),
		{Name: "registered"}, // what it is is found out
		{Name: "old"},        // which somebody else has as a name
	}
	work("app", distributed.WithName("late")) // the supervisor does not tell of it
	work("app", distributed.WithName("registered"))
	for range 5 {
		work("rooms")
	}
	plan("spare", "", &distributed.Plan{What: "supervisor"})
	work("", distributed.WithName("clear\x1b[2Jscreen\u202e"))
	for range 3 {
		n.Send("a", time.Minute)
	}
	n.Send("old", -time.Second)
	n.Send("old", time.Duration(0))
	synctest.Wait()
	time.Sleep(1500 * time.Millisecond)
}

func TestTreeAsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		town(t, n)
		var out bytes.Buffer
		for _, limits := range [][2]int{{50, 2000}, {3, 2000}, {50, 6}} {
			fmt.Fprintf(&out, "=== %d of one process, %d in all\n", limits[0], limits[1])
			if err := distributed.WriteTreeWithin(n, &out, limits[0], limits[1]); err != nil {
				t.Fatal(err)
			}
		}
		got := strings.ReplaceAll(out.String(), distributed.Creation(n), "creation")
		const file = "testdata/tree.txt"
		if *updateTree {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("the tree is\n%s\nwant\n%s", got, want)
		}
		var again bytes.Buffer
		if err := n.WriteTree(&again); err != nil || !strings.Contains(out.String(), again.String()) {
			t.Errorf("%v, another look gives\n%s", err, again.String())
		}
		n.Stop()
		time.Sleep(time.Hour) // until the worker has noticed
	})
}

func TestTreeOfAnEmptyNode(t *testing.T) {
	n := newNode(t)
	var out bytes.Buffer
	if err := n.WriteTree(&out); err != nil {
		t.Fatal(err)
	}
	want := "n: 0 processes, 0 running, 0 messages wait\never: 0 spawned, 0 ended, 0 crashed; 0 messages dropped; 0 zombies\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// shut refuses everything.
type shut struct{}

var errShut = errors.New("shut")

func (shut) Write([]byte) (int, error) { return 0, errShut }

func TestTreeReturnsTheErrorOfTheWriter(t *testing.T) {
	n := newNode(t)
	sink(t, n)
	if err := n.WriteTree(shut{}); err != errShut {
		t.Error(err)
	}
}

func TestTreeIsBoundedWhateverTheNumberOfProcesses(t *testing.T) {
	n := newNode(t)
	distributed.SpawnHandler(n, &distributed.Plan{}, distributed.WithName("top"), distributed.WithTrapExit())
	for range 20000 {
		sink(t, n)
		distributed.SpawnUnder(n, "top", worker{})
	}
	// It is the youngest of all, and shown: it has children.
	distributed.SpawnUnder(n, "top", &distributed.Plan{What: "a supervisor"}, distributed.WithTrapExit())
	var out bytes.Buffer
	if err := n.WriteTree(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if lines := strings.Count(text, "\n"); lines > 120 {
		t.Errorf("%d lines", lines)
	}
	for _, want := range []string{"40002 processes", "and 19951 more ", "and 19950 more ", "a supervisor"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	n.Stop()
}

func TestTreeShowsThoseWhoseSupervisorHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		distributed.SpawnHandler(n, &distributed.Plan{}, distributed.WithName("top"), distributed.WithTrapExit())
		r, _ := distributed.SpawnUnder(n, "top", worker{})
		r.Send(time.Minute) // it is at work when it is told to end, and ends later
		synctest.Wait()
		n.Kill("top")
		synctest.Wait()
		var out bytes.Buffer
		n.WriteTree(&out)
		if !strings.Contains(out.String(), "without a supervisor\n└─ "+string(r.ID())) {
			t.Error(out.String())
		}
		n.Stop()
		time.Sleep(time.Hour)
	})
}
