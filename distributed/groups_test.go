package distributed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// sink spawns a process that does nothing.
func sink(t testing.TB, n *distributed.Node, opts ...distributed.SpawnOption) distributed.Ref[any] {
	t.Helper()
	r, err := distributed.Spawn(n, func(*distributed.Process, any) error { return nil }, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sorted(ids []distributed.ProcessID) []distributed.ProcessID {
	slices.Sort(ids)
	return ids
}

func TestAProcessThatHasJoinedTwiceIsAMemberTwice(t *testing.T) {
	n := newNode(t)
	sink(t, n, distributed.WithName("a"))
	for _, want := range []string{"[]", "[a]", "[a a]", "[a a a]"} {
		if got := fmt.Sprint(n.Members("g")); got != want {
			t.Errorf("members %s, want %s", got, want)
		}
		if err := n.JoinGroup("g", "a"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		if got := n.SendGroup("g", "x"); got != 4-i {
			t.Errorf("sent to %d, want %d", got, 4-i)
		}
		if err := n.LeaveGroup("g", "a"); err != nil {
			t.Error(err)
		}
	}
	if err := n.LeaveGroup("g", "a"); err != distributed.ErrNotMember {
		t.Errorf("left once too often: %v", err)
	}
	if err := n.JoinGroup("g", "nobody"); err != distributed.ErrProcessNotFound {
		t.Error(err)
	}
	if err := n.JoinGroup("g", "a@elsewhere"); err != distributed.ErrNoConnection {
		t.Error(err)
	}
}

func TestAGroupWithoutMembersDoesNotExist(t *testing.T) {
	n := newNode(t)
	sink(t, n, distributed.WithName("a"), distributed.WithGroups("g", "h"), distributed.WithCapabilities("image"))
	_, stop := n.WatchGroup("empty", func(distributed.GroupEvent) {})
	got := n.Groups()
	slices.Sort(got)
	if fmt.Sprint(got) != "[g h]" {
		t.Errorf("groups %v", got)
	}
	n.LeaveGroup("g", "a")
	if got := n.Groups(); fmt.Sprint(got) != "[h]" {
		t.Errorf("groups %v", got)
	}
	stop()
	stop()
	n.Kill("a")
	n.Stop()
	if got := n.Groups(); got != nil || n.Members("h") != nil || n.Capable("image") != nil {
		t.Errorf("groups %v", got)
	}
	if left := distributed.GroupsLeft(n); left != 0 {
		t.Errorf("%d groups are remembered", left)
	}
}

func TestGroupsAreLeftBeforeAnybodyIsToldOfAnEnd(t *testing.T) {
	for _, how := range []string{"error", "kill", "zombie"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				hold := make(chan struct{})
				r, err := distributed.Spawn(n, func(p *distributed.Process, m string) error {
					if m == "hold" {
						<-hold
					}
					return errors.New(m)
				}, distributed.WithGroups("g", "g", "h"), distributed.WithCapabilities("c"))
				if err != nil {
					t.Fatal(err)
				}
				told := false
				distributed.SpawnHandler[any](n, &watcher{
					init: func(p *distributed.Process) { p.Monitor(r.ID()) },
					on: func(p *distributed.Process, m any) error {
						told = true
						if got := fmt.Sprint(n.Members("g"), n.Members("h"), n.Capable("c")); got != "[] [] []" {
							t.Errorf("members %s", got)
						}
						return nil
					},
				})
				switch how {
				case "error":
					r.Send("end")
				case "kill":
					n.Kill(r.ID())
				case "zombie":
					r.Send("hold")
					synctest.Wait()
					n.Kill(r.ID())
				}
				n.Wait(t.Context(), r.ID())
				synctest.Wait()
				close(hold)
				synctest.Wait()
				if !told {
					t.Error("nobody was told")
				}
				if err := n.JoinGroup("g", r.ID()); err != distributed.ErrProcessNotFound {
					t.Error(err)
				}
			})
		})
	}
}

// joiner joins a group in Terminate, when it is too late.
type joiner struct{ err error }

func (j *joiner) Handle(p *distributed.Process, m any) error { return distributed.ErrNormal }
func (j *joiner) Terminate(p *distributed.Process, reason error) {
	j.err = p.JoinGroup("g")
}

func TestAProcessThatEndsDoesNotJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		j := &joiner{}
		r, _ := distributed.SpawnHandler(n, j)
		r.Send(nil)
		synctest.Wait()
		if j.err != distributed.ErrProcessNotFound || n.Members("g") != nil {
			t.Errorf("%v, members %v", j.err, n.Members("g"))
		}
	})
}

func TestAGroupTakesMessagesOfAllTypesThatItsMembersTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		ints, anys, texts := 0, 0, 0
		distributed.Spawn(n, func(_ *distributed.Process, m int) error { ints += m; return nil }, distributed.WithGroups("g"))
		distributed.Spawn(n, func(_ *distributed.Process, m any) error { anys++; return nil }, distributed.WithGroups("g"))
		distributed.Spawn(n, func(_ *distributed.Process, m string) error { texts++; return nil }, distributed.WithGroups("g"))
		if got := distributed.SendGroup(n, "g", 3); got != 2 {
			t.Errorf("%d took the number", got)
		}
		if got := n.SendGroup("g", 4); got != 2 {
			t.Errorf("%d took the number as any", got)
		}
		if got := distributed.SendGroup[any](n, "g", nil); got != 1 {
			t.Errorf("%d took nil", got)
		}
		synctest.Wait()
		if ints != 7 || anys != 3 || texts != 0 {
			t.Errorf("ints %d, anys %d, texts %d", ints, anys, texts)
		}
	})
}

func TestWhoHasNoRoomForAMessageToItsGroupIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		hold := make(chan struct{})
		distributed.Spawn(n, func(_ *distributed.Process, m int) error { <-hold; return nil },
			distributed.WithMailbox(1, distributed.RejectNew), distributed.WithGroups("g"))
		sink(t, n, distributed.WithGroups("g"))
		taken := 0
		for range 4 {
			taken += n.SendGroup("g", 1)
			synctest.Wait()
		}
		if s := n.Stats(); taken != 6 || s.Dropped != 2 {
			t.Errorf("taken %d, dropped %d", taken, s.Dropped)
		}
		close(hold)
	})
}

func TestSendingToAGroupAllocatesNothingPerMember(t *testing.T) {
	n := newNode(t)
	const members = 10000
	hold := make(chan struct{})
	var started sync.WaitGroup
	started.Add(members)
	for range members {
		r, err := distributed.Spawn(n, func(_ *distributed.Process, m [2]int) error {
			started.Done()
			<-hold
			return distributed.ErrNormal
		}, distributed.WithGroups("g"), distributed.WithMailbox(1, distributed.DropNewest))
		if err != nil {
			t.Fatal(err)
		}
		r.Send([2]int{})
	}
	started.Wait()
	distributed.SendGroup(n, "g", [2]int{1, 2}) // fills all mailboxes: what counts is the way there
	got := testing.AllocsPerRun(20, func() {
		if got := distributed.SendGroup(n, "g", [2]int{1, 2}); got != members {
			t.Errorf("sent to %d", got)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for %d members", got, members)
	}
	close(hold)
	n.Stop()
}

func TestWatchersOfAGroupLearnOfEachChangeOnce(t *testing.T) {
	n := newNode(t)
	const processes, changes = 50, 4000
	var ids []distributed.ProcessID
	for range processes {
		ids = append(ids, sink(t, n).ID())
	}
	var others sync.WaitGroup
	others.Go(func() {
		r := rand.New(rand.NewPCG(1, 2))
		for range changes {
			id := ids[r.IntN(processes)]
			if r.IntN(2) == 0 {
				n.JoinGroup("g", id)
			} else {
				n.LeaveGroup("g", id)
			}
		}
	})
	// Each watches from somewhere in the middle, and sees in the end what there is.
	type view struct {
		mu   sync.Mutex
		have []distributed.ProcessID
	}
	var views []*view
	for range 10 {
		v := new(view)
		v.mu.Lock() // an event may come before WatchGroup has returned
		v.have, _ = n.WatchGroup("g", func(e distributed.GroupEvent) {
			v.mu.Lock()
			defer v.mu.Unlock()
			switch e.Type {
			case distributed.MemberJoined:
				v.have = append(v.have, e.Process)
			case distributed.MemberLeft:
				i := slices.Index(v.have, e.Process)
				if i < 0 {
					t.Errorf("%s has left and was not there", e.Process)
					return
				}
				v.have = slices.Delete(v.have, i, i+1)
			case distributed.GroupMembers:
				v.have = e.Members
			}
		})
		v.mu.Unlock()
		views = append(views, v)
	}
	others.Wait()
	distributed.AwaitGroupWatchers(n, "g")
	want := fmt.Sprint(sorted(n.Members("g")))
	for i, v := range views {
		v.mu.Lock()
		if got := fmt.Sprint(sorted(v.have)); got != want {
			t.Errorf("watcher %d has %s, want %s", i, got, want)
		}
		v.mu.Unlock()
	}
	n.Stop()
}

func TestAWatcherThatIsLateIsToldTheMembersInstead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		sink(t, n, distributed.WithName("a"))
		hold := make(chan struct{})
		var got []string
		members, stop := n.WatchGroup("g", func(e distributed.GroupEvent) {
			<-hold
			got = append(got, fmt.Sprint(e.Type, " ", e.Process, e.Members))
		})
		if members != nil {
			t.Errorf("members %v", members)
		}
		n.JoinGroup("g", "a")
		synctest.Wait() // the first is on its way
		for range 5000 {
			n.JoinGroup("g", "a")
			n.LeaveGroup("g", "a")
		}
		close(hold)
		synctest.Wait()
		n.LeaveGroup("g", "a")
		synctest.Wait()
		stop()
		n.JoinGroup("g", "a")
		synctest.Wait()
		if want := "[member_joined a[] group_members [a] member_left a[]]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
	})
}

func TestAProcessWatchesAGroupByItsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		sink(t, n, distributed.WithName("a"), distributed.WithGroups("g"))
		var first []distributed.ProcessID
		var got []string
		var stop func()
		hold := make(chan struct{})
		w, _ := distributed.SpawnHandler[any](n, &watcher{
			init: func(p *distributed.Process) { first, stop = p.WatchGroup("g") },
			on: func(p *distributed.Process, m any) error {
				if e, ok := m.(distributed.GroupEvent); ok {
					got = append(got, fmt.Sprint(e.Type, " ", e.Process))
				} else {
					<-hold
				}
				return nil
			},
		}, distributed.WithMailbox(1, distributed.RejectNew))
		w.Send("hold")
		sink(t, n, distributed.WithName("b"), distributed.WithGroups("g"))
		n.Kill("a")
		synctest.Wait()
		n.Kill("b")
		synctest.Wait()
		close(hold) // the events have waited for room
		synctest.Wait()
		if want := "[a] [member_joined b member_left a member_left b]"; fmt.Sprint(first, " ", got) != want {
			t.Errorf("got %v %v, want %s", first, got, want)
		}
		stop()
		got = nil
		sink(t, n, distributed.WithGroups("g"))
		synctest.Wait()
		if got != nil {
			t.Errorf("got %v after the watch", got)
		}
	})
}

func TestAWatchEndsWithItsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		hold := make(chan struct{})
		w, _ := distributed.SpawnHandler[any](n, &watcher{
			init: func(p *distributed.Process) { p.WatchGroup("g") },
			on:   func(p *distributed.Process, m any) error { <-hold; return nil },
		}, distributed.WithMailbox(1, distributed.RejectNew))
		for range 10 {
			sink(t, n, distributed.WithGroups("g"))
		}
		synctest.Wait() // events wait for room in its mailbox
		n.Kill(w.ID())
		close(hold)
		n.Stop()
		synctest.Wait()
		if left := distributed.GroupsLeft(n); left != 0 {
			t.Errorf("%d groups are remembered", left)
		}
	})
}

func TestAWatchOfAGroupNeedsAHandlerThatTakesItsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		r, _ := distributed.Spawn(n, func(p *distributed.Process, m int) error {
			time.Sleep(time.Second) // until it is waited for
			p.WatchGroup("g")
			return nil
		})
		r.Send(1)
		var pe *distributed.PanicError
		if err := n.Wait(context.Background(), r.ID()); !errors.As(err, &pe) {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestGroupsAgreeWithAModel joins, leaves, ends and sends at random, and compares.
func TestGroupsAgreeWithAModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		n := newNode(t)
		model := make(map[string]map[distributed.ProcessID]int)
		for i := range 30 {
			model[fmt.Sprint("g", i)] = make(map[distributed.ProcessID]int)
		}
		var ids []distributed.ProcessID
		for step := range 2000 {
			group := fmt.Sprint("g", r.IntN(30))
			if len(ids) == 0 || r.IntN(20) == 0 {
				ids = append(ids, sink(t, n).ID())
			}
			i := r.IntN(len(ids))
			id, k := ids[i], r.IntN(100)
			switch {
			case k < 50:
				if err := n.JoinGroup(group, id); err != nil {
					t.Fatal(err)
				}
				model[group][id]++
			case k < 90:
				err := n.LeaveGroup(group, id)
				if (err == nil) != (model[group][id] > 0) {
					t.Fatalf("seed %d, step %d: leave: %v, was in it %d times", seed, step, err, model[group][id])
				}
				if err == nil {
					model[group][id]--
				}
			case k < 94:
				n.Kill(id)
				n.Wait(t.Context(), id)
				ids = slices.Delete(ids, i, i+1)
				for _, g := range model {
					delete(g, id)
				}
			default:
				var want []distributed.ProcessID
				for id, times := range model[group] {
					for range times {
						want = append(want, id)
					}
				}
				if sent := n.SendGroup(group, 1); sent != len(want) {
					t.Fatalf("seed %d, step %d: sent to %d of %d", seed, step, sent, len(want))
				}
				if got := n.Members(group); fmt.Sprint(sorted(got)) != fmt.Sprint(sorted(want)) {
					t.Fatalf("seed %d, step %d: members %v, want %v", seed, step, got, want)
				}
			}
		}
		n.Stop()
		if left := distributed.GroupsLeft(n); left != 0 {
			t.Errorf("seed %d: %d groups are remembered", seed, left)
		}
	}
}

func TestGroupsUnderRace(t *testing.T) {
	n := newNode(t)
	var all sync.WaitGroup
	for w := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(w, 7))
			for i := range 500 {
				ref, err := distributed.Spawn(n, func(*distributed.Process, any) error { return nil }, distributed.WithGroups("g", "h"))
				if err != nil {
					t.Error(err)
					return
				}
				n.JoinGroup("g", ref.ID())
				n.SendGroup("g", i)
				n.Members("h")
				if r.IntN(2) == 0 {
					n.LeaveGroup("g", ref.ID())
				}
				go n.Kill(ref.ID())
				if i%50 == 0 {
					_, stop := n.WatchGroup("g", func(distributed.GroupEvent) {})
					defer stop()
				}
			}
		})
	}
	all.Wait()
	n.Stop()
	if left := distributed.GroupsLeft(n); left != 0 {
		t.Errorf("%d groups are remembered", left)
	}
}
