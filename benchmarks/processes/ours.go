package main

import (
	"context"
	"errors"
	"log"
	"runtime"
	"sync"

	"github.com/kleeedolinux/socket.go/distributed"
)

// implementations are the columns that are Go.
var implementations = []implementation{
	{"distributed", map[string]func(n int) uint64{
		"send":   oursSend,
		"fan-in": oursFanIn,
		"wake":   oursWake,
		"call":   oursCall,
		"spawn":  oursSpawn,
		"down":   oursDown,
		"done":   oursDone,
		"idle":   oursIdle,

		"supervised": oursSupervised,
		"crash":      oursCrash,
	}},
	{"goroutine and channel", map[string]func(n int) uint64{
		"send":   channelSend,
		"fan-in": channelFanIn,
		"wake":   channelWake,
		"call":   channelCall,
		"spawn":  channelSpawn,
		"idle":   channelIdle,
	}},
	{"protoactor-go", map[string]func(n int) uint64{
		"send":   protoSend,
		"fan-in": protoFanIn,
		"wake":   protoWake,
		"call":   protoCall,
		"spawn":  protoSpawn,
		"down":   protoDown,
		"idle":   protoIdle,

		"supervised": protoSupervised,
		"crash":      protoCrash,
	}},
}

func newNode() *distributed.Node {
	return distributed.NewNode("bench", distributed.WithLogger(nil), distributed.WithMailboxSize(1<<30))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// counter is a process that closes done after n messages.
func counter(node *distributed.Node, n int) (distributed.Ref[int], chan struct{}) {
	done := make(chan struct{})
	return must(distributed.Spawn(node, func(_ *distributed.Process, _ int) error {
		if n--; n == 0 {
			close(done)
		}
		return nil
	})), done
}

func oursSend(n int) uint64 {
	r, done := counter(newNode(), n)
	for i := range n {
		if err := r.Send(i); err != nil {
			log.Fatal(err)
		}
	}
	<-done
	return 0
}

func oursFanIn(n int) uint64 {
	node := newNode()
	const senders = 1000
	r, done := counter(node, n/senders*senders)
	for range senders {
		s := must(distributed.Spawn(node, func(_ *distributed.Process, count int) error {
			for i := range count {
				if err := r.Send(i); err != nil {
					return err
				}
			}
			return nil
		}))
		distributed.Cast(s, n/senders)
	}
	<-done
	return 0
}

func oursWake(n int) uint64 {
	node := newNode()
	done := make(chan struct{})
	var ping, pong distributed.Ref[int]
	ping = must(distributed.Spawn(node, func(_ *distributed.Process, m int) error {
		if m <= 0 {
			close(done)
			return nil
		}
		return pong.Send(m - 1)
	}))
	pong = must(distributed.Spawn(node, func(_ *distributed.Process, m int) error { return ping.Send(m - 1) }))
	distributed.Cast(ping, n)
	<-done
	return 0
}

func oursCall(n int) uint64 {
	r := must(distributed.Spawn(newNode(), func(_ *distributed.Process, m distributed.From[int]) error {
		m.Reply(1)
		return nil
	}))
	ask := func(f distributed.From[int]) distributed.From[int] { return f }
	for range n {
		must(distributed.Call(context.Background(), r, ask))
	}
	return 0
}

func idle(_ *distributed.Process, _ int) error { return nil }

func oursSpawn(n int) uint64 {
	node := newNode()
	for range n {
		must(distributed.Spawn(node, idle))
	}
	runtime.KeepAlive(node)
	return 0
}

// follower watches processes, and closes done once all have ended.
type follower struct {
	left int
	done chan struct{}
}

func (f *follower) Handle(p *distributed.Process, id distributed.ProcessID) error {
	p.Monitor(id)
	return nil
}

func (f *follower) HandleDown(*distributed.Process, distributed.Down) error {
	if f.left--; f.left == 0 {
		close(f.done)
	}
	return nil
}

// wave is how many processes are stopped at a time.
const wave = 1000

// oursDown tells processes to exit that have nothing to do.
func oursDown(n int) uint64 {
	node := newNode()
	return oursEnd(node, n, func(_ distributed.Ref[int], id distributed.ProcessID) {
		if err := node.Exit(id, distributed.ErrShutdown); err != nil {
			log.Fatal(err)
		}
	})
}

// oursDone has processes end by themselves.
func oursDone(n int) uint64 {
	return oursEnd(newNode(), n, func(r distributed.Ref[int], _ distributed.ProcessID) { distributed.Cast(r, 0) })
}

// oursEnd ends processes that one other watches, and waits until it has been told of all.
func oursEnd(node *distributed.Node, n int, end func(distributed.Ref[int], distributed.ProcessID)) uint64 {
	f := &follower{}
	w := must(distributed.SpawnHandler[distributed.ProcessID](node, f))
	all, ids := make([]distributed.Ref[int], wave), make([]distributed.ProcessID, wave)
	for range n / wave {
		prepare(func() {
			f.left, f.done = wave, make(chan struct{})
			before := must(node.GetProcessStats(w.ID())).MessagesTotal
			for i := range all {
				all[i] = must(distributed.Spawn(node, func(*distributed.Process, int) error { return distributed.ErrNormal }))
				ids[i] = all[i].ID()
				distributed.Cast(w, ids[i])
			}
			for must(node.GetProcessStats(w.ID())).MessagesTotal < before+wave {
				runtime.Gosched()
			}
		})
		for i, r := range all {
			end(r, ids[i])
		}
		<-f.done
	}
	return 0
}

func oursIdle(n int) uint64 {
	before := memory()
	node := newNode()
	for range n {
		must(distributed.Spawn(node, idle))
	}
	bytes := memory() - before
	runtime.KeepAlive(node)
	return bytes
}

func oursSupervised(n int) uint64 {
	node := newNode()
	sup := must(distributed.NewSupervisor(distributed.SupervisorSpec{
		ID: "sup", Strategy: distributed.SimpleOneForOne,
		Processes: []distributed.ProcessSpec{{
			Restart: distributed.Temporary,
			Start: func(node *distributed.Node, opts ...distributed.SpawnOption) (distributed.ProcessID, error) {
				r, err := distributed.Spawn(node, idle, opts...)
				return r.ID(), err
			},
		}},
	}, node))
	for range n {
		must(sup.StartChild(context.Background(), distributed.ProcessSpec{}))
	}
	return 0
}

var errCrash = errors.New("crash")

// oursCrash has one process crash in each of its lives, which sends itself what makes it.
func oursCrash(n int) uint64 {
	node := newNode()
	done := make(chan struct{})
	left := n
	must(distributed.NewSupervisor(distributed.SupervisorSpec{
		ID: "sup", MaxRestarts: distributed.UnlimitedRestarts,
		Processes: []distributed.ProcessSpec{{
			ID: "crash",
			Start: func(node *distributed.Node, opts ...distributed.SpawnOption) (distributed.ProcessID, error) {
				r, err := distributed.Spawn(node, func(*distributed.Process, int) error { return errCrash }, opts...)
				if err != nil {
					return "", err
				}
				if left--; left >= 0 {
					return r.ID(), r.Send(0)
				}
				close(done)
				return r.ID(), nil
			},
		}},
	}, node))
	<-done
	node.Stop()
	return 0
}

// memory is the memory in use, stacks included.
func memory() uint64 {
	runtime.GC()
	runtime.GC() // what is in pools survives the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func channelSend(n int) uint64 {
	c, done := make(chan int, 128), make(chan struct{})
	go func() {
		for range c {
		}
		close(done)
	}()
	for i := range n {
		c <- i
	}
	close(c)
	<-done
	return 0
}

func channelFanIn(n int) uint64 {
	c, done := make(chan int, 128), make(chan struct{})
	go func() {
		for range c {
		}
		close(done)
	}()
	var senders sync.WaitGroup
	for range 1000 {
		senders.Go(func() {
			for i := range n / 1000 {
				c <- i
			}
		})
	}
	senders.Wait()
	close(c)
	<-done
	return 0
}

func channelWake(n int) uint64 {
	ping, pong := make(chan int, 128), make(chan int, 128)
	go func() {
		for m := range ping {
			pong <- m
		}
	}()
	for i := range n / 2 {
		ping <- i
		<-pong
	}
	close(ping)
	return 0
}

type question struct{ reply chan int }

func channelCall(n int) uint64 {
	c := make(chan question, 128)
	go func() {
		for q := range c {
			q.reply <- 1
		}
	}()
	for range n {
		q := question{make(chan int, 1)}
		c <- q
		<-q.reply
	}
	close(c)
	return 0
}

func channelSpawn(n int) uint64 {
	end := make(chan int, 128)
	for range n {
		c := make(chan int, 128)
		go func() {
			select {
			case <-c:
			case <-end:
			}
		}()
	}
	close(end)
	return 0
}

func channelIdle(n int) uint64 {
	const part = 10 // of a million they would take 5 GB
	before := memory()
	end := make(chan int)
	for range n / part {
		c := make(chan int, 128)
		go func() {
			select {
			case <-c:
			case <-end:
			}
		}()
	}
	bytes := memory() - before
	close(end)
	return part * bytes
}
