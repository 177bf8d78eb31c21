package distributed_test

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

func TestInfoTellsWhatThereIsToKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, distributed.WithMailboxSize(2))
		distributed.SpawnHandler(n, &distributed.Plan{}, distributed.WithName("top"), distributed.WithTrapExit())
		boom := errors.New("boom")
		r, err := distributed.SpawnUnder(n, "top", distributed.HandlerFunc[any](func(p *distributed.Process, m any) error {
			switch m {
			case "watch":
				p.Monitor("peer")
				p.Monitor("peer")
				p.Monitor("nobody") // whose Down comes at once
			case "fail":
				return boom
			case "wait":
				time.Sleep(time.Minute)
			}
			return nil
		}), distributed.WithName("it"), distributed.WithErrorsLogged(),
			distributed.WithCapabilities("b", "a", "b"), distributed.WithGroups("g", "f", "g"))
		if err != nil {
			t.Fatal(err)
		}
		n.Register("also", "it")
		sink(t, n, distributed.WithName("peer"))
		w, _ := distributed.SpawnHandler[any](n, &watcher{
			init: func(p *distributed.Process) { p.Monitor("it") },
			on:   func(*distributed.Process, any) error { return nil },
		})
		n.LinkProcesses("it", "peer")
		r.Send("watch")
		synctest.Wait()
		time.Sleep(time.Hour) // asleep, which is not busy
		r.Send("fail")
		synctest.Wait()
		r.Send("wait")
		synctest.Wait()
		r.Send("first")
		var others sync.WaitGroup
		others.Go(func() { n.Wait(t.Context(), "it") })
		ctx, cancel := context.WithCancel(t.Context())
		r.Send("second")
		others.Go(func() { r.SendContext(ctx, "third") })
		synctest.Wait()
		time.Sleep(10 * time.Second)

		got, err := n.Info("also")
		want := distributed.ProcessInfo{
			ID: "it", PID: r.PID(), Names: []distributed.ProcessID{"also", "it"}, State: distributed.StateRunning,
			Handler: got.Handler, Parent: "top", Queue: 2, Free: 0, Senders: 1, Callers: 1,
			Links: []distributed.ProcessID{"peer", "top"}, Monitors: []distributed.ProcessID{"peer", "peer"},
			MonitoredBy: []distributed.ProcessID{w.ID()}, Groups: []string{"f", "g"}, Capabilities: []string{"a", "b"},
			Handled: 3, Errors: 1, Busy: 10 * time.Second, BusyFor: 10 * time.Second,
		}
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%v, got\n%+v, want\n%+v", err, got, want)
		}
		if !strings.HasPrefix(got.Handler, "distributed_test.TestInfoTellsWhatThereIsToKnow.") {
			t.Errorf("handler %q", got.Handler)
		}
		got, _ = n.Info("top")
		if got.Handler != "*distributed.Plan" || !got.TrapsExits || got.State != distributed.StateIdle || got.BusyFor != 0 {
			t.Errorf("top: %+v", got)
		}
		if got, _ := n.Info("peer"); fmt.Sprint(got.MonitoredBy, got.Links) != "[it it] [it]" {
			t.Errorf("peer: %+v", got)
		}
		if _, err := n.Info("nobody"); err != distributed.ErrProcessNotFound {
			t.Error(err)
		}
		if _, err := n.Info("it@elsewhere"); err != distributed.ErrNoConnection {
			t.Error(err)
		}
		cancel()
		time.Sleep(time.Hour)
		n.Stop()
		others.Wait()
	})
}

func TestProcessesAreListed(t *testing.T) {
	n := newNode(t)
	want := map[distributed.ProcessID]bool{}
	for i := range 1000 {
		want[sink(t, n).ID()] = true
		if i%100 == 0 {
			name := distributed.ProcessID(fmt.Sprint("name", i))
			sink(t, n, distributed.WithName(name))
			want[name] = true
		}
	}
	for id := range n.Processes() {
		if !want[id] {
			t.Errorf("%s is not there, or was listed before", id)
		}
		delete(want, id)
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
	for range n.Processes() {
		break
	}
	n.Stop()
	if left := slices.Collect(n.Processes()); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestCapableProcessesAreFoundAsLongAsTheyLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		sink(t, n, distributed.WithName("a"), distributed.WithCapabilities("image", "sound"))
		sink(t, n, distributed.WithName("b"), distributed.WithCapabilities("image"))
		nothing := func(context.Context, distributed.ProcessID, *distributed.Node, interface{}) error { return nil }
		n.SpawnProcessWithIDAndOptions("c", nothing, distributed.ProcessOptions{Capabilities: []string{"sound"}})
		n.JoinGroup("text", "a") // which is something else
		got := fmt.Sprint(sorted(n.Capable("image")), sorted(n.Capable("sound")), n.Capable("text"), n.Members("image"), n.Groups())
		if want := "[a b] [a c] [] [] [text]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		n.Kill("a")
		synctest.Wait()
		if got := fmt.Sprint(n.Capable("image"), n.Capable("sound")); got != "[b] [c]" {
			t.Errorf("then %s", got)
		}
		n.Stop()
	})
}

func TestLongestQueuesComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		hold := make(chan struct{})
		for i := range 50 {
			r, _ := distributed.Spawn(n, func(*distributed.Process, int) error { <-hold; return nil },
				distributed.WithName(distributed.ProcessID(fmt.Sprint("p", i))))
			for range 1 + (i*7)%50 { // one of them is being handled
				r.Send(i)
			}
		}
		synctest.Wait()
		for _, most := range []int{-1, 0, 1, 5, 1000} {
			got := n.LongestQueues(most)
			if want := min(max(most, 0), 49); len(got) != want {
				t.Errorf("%d of them, want %d", len(got), want)
			}
			for i, p := range got {
				if p.Queue != 49-i {
					t.Errorf("at place %d %d wait, want %d", i, p.Queue, 49-i)
				}
			}
		}
		close(hold)
		n.Stop()
	})
}

func TestVarsHaveTheNamesThatArePromised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		for i := range 4 {
			r, _ := distributed.Spawn(n, func(_ *distributed.Process, m error) error { return m })
			if i < 2 {
				r.Send([]error{errors.New("crash"), distributed.ErrNormal}[i])
			}
		}
		time.Sleep(1500 * time.Millisecond)
		got := expvar.Func(n.Vars).String()
		want := `{"name":"n","uptime_seconds":1.5,"processes":2,"zombies":0,"spawned":4,"ended":2,"crashed":1,` +
			`"gave_up":0,"messages_dropped":0,"events_lost":0}`
		if got != want || !json.Valid([]byte(got)) {
			t.Errorf("got %s, want %s", got, want)
		}
		n.Stop()
	})
}
