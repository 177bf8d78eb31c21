package main

import (
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

func newSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	}))
}

func protoCounter(s *actor.ActorSystem, n int) (*actor.PID, chan struct{}) {
	done := make(chan struct{})
	return s.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := c.Message().(int); ok {
			if n--; n == 0 {
				close(done)
			}
		}
	})), done
}

func protoSend(n int) uint64 {
	s := newSystem()
	pid, done := protoCounter(s, n)
	for i := range n {
		s.Root.Send(pid, i)
	}
	<-done
	return 0
}

func protoFanIn(n int) uint64 {
	s := newSystem()
	const senders = 1000
	pid, done := protoCounter(s, n/senders*senders)
	for range senders {
		sender := s.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
			if count, ok := c.Message().(int); ok {
				for i := range count {
					c.Send(pid, i)
				}
			}
		}))
		s.Root.Send(sender, n/senders)
	}
	<-done
	return 0
}

func protoWake(n int) uint64 {
	s := newSystem()
	done := make(chan struct{})
	var ping, pong *actor.PID
	ping = s.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if m, ok := c.Message().(int); ok {
			if m <= 0 {
				close(done)
				return
			}
			c.Send(pong, m-1)
		}
	}))
	pong = s.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if m, ok := c.Message().(int); ok {
			c.Send(ping, m-1)
		}
	}))
	s.Root.Send(ping, n)
	<-done
	return 0
}

func protoCall(n int) uint64 {
	s := newSystem()
	pid := s.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := c.Message().(int); ok {
			c.Respond(1)
		}
	}))
	for i := range n {
		must(s.Root.RequestFuture(pid, i, 5*time.Second).Result())
	}
	return 0
}

func protoIdleActor(actor.Context) {}

func protoSpawn(n int) uint64 {
	s := newSystem()
	props := actor.PropsFromFunc(protoIdleActor)
	for range n {
		s.Root.Spawn(props)
	}
	runtime.KeepAlive(s)
	return 0
}

func protoDown(n int) uint64 {
	s := newSystem()
	var left int
	var done chan struct{}
	watcher := s.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		switch m := c.Message().(type) {
		case *actor.PID:
			c.Watch(m)
		case string:
			c.Respond(m)
		case *actor.Terminated:
			if left--; left == 0 {
				close(done)
			}
		}
	}))
	props := actor.PropsFromFunc(protoIdleActor)
	all := make([]*actor.PID, wave)
	for range n / wave {
		prepare(func() {
			left, done = wave, make(chan struct{})
			for i := range all {
				all[i] = s.Root.Spawn(props)
				s.Root.Send(watcher, all[i])
			}
			must(s.Root.RequestFuture(watcher, "all are watched", time.Minute).Result())
		})
		for _, pid := range all {
			s.Root.Stop(pid)
		}
		<-done
	}
	return 0
}

func protoIdle(n int) uint64 {
	before := memory()
	s := newSystem()
	props := actor.PropsFromFunc(protoIdleActor)
	for range n {
		s.Root.Spawn(props)
	}
	bytes := memory() - before
	runtime.KeepAlive(s)
	return bytes
}

// protoSupervised has an actor spawn its children.
func protoSupervised(n int) uint64 {
	s := newSystem()
	props := actor.PropsFromFunc(protoIdleActor)
	parent := s.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := c.Message().(int); ok {
			c.Respond(c.Spawn(props))
		}
	}))
	for i := range n {
		must(s.Root.RequestFuture(parent, i, 5*time.Second).Result())
	}
	return 0
}

// protoCrash has one actor panic and restart again and again.
func protoCrash(n int) uint64 {
	s := newSystem()
	done := make(chan struct{})
	strategy := actor.NewOneForOneStrategy(1<<30, time.Second, func(any) actor.Directive { return actor.RestartDirective })
	child := actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := c.Message().(int); ok {
			if n--; n == 0 {
				close(done)
				return
			}
			c.Send(c.Self(), 0)
			panic("crash")
		}
	})
	s.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := c.Message().(*actor.Started); ok {
			c.Send(c.Spawn(child), 0)
		}
	}, actor.WithSupervisor(strategy)))
	<-done
	return 0
}
