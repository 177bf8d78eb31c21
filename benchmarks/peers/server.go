package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
)

// A server answers each message with itself in the mode "echo", and sends it to
// every connection in the mode "broadcast".
type server interface {
	serve(l net.Listener, mode string) error
}

// servers are those that can be measured, by name.
var servers = map[string]server{
	"socket.go":        messageServer{},
	"socket.go events": eventServer{},
	"gorilla":          gorillaServer{},
	"coder":            coderServer{},
	"gobwas":           gobwasServer{},
	"gws":              gwsServer{},
	"nbio":             nbioServer{},
}

// runServer is the whole of a server process: it prints the address it listens
// on, and then its own CPU time and memory for each line that it reads.
func runServer(name, mode string) error {
	s, ok := servers[name]
	if !ok {
		return fmt.Errorf("no server named %q", name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go answerQuestions()
	return s.serve(l, mode)
}

// answerQuestions prints the microseconds of CPU that this process has used, and
// after "memory" its resident bytes without garbage.
func answerQuestions() {
	for {
		var question string
		if _, err := fmt.Scanln(&question); err != nil {
			os.Exit(0)
		}
		if question == "memory" {
			fmt.Println(residentBytes())
			continue
		}
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			panic(err)
		}
		fmt.Println(u.Utime.Nano()/1000 + u.Stime.Nano()/1000)
	}
}

// members are the connections of a server that has no broadcast of its own, as a
// slice: the order of a map costs time.
type members[C comparable] struct {
	mu    sync.RWMutex
	conns []C
}

func (m *members[C]) add(c C) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns = append(m.conns, c)
}

func (m *members[C]) remove(c C) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.conns, c); i >= 0 {
		m.conns = slices.Delete(m.conns, i, i+1)
	}
}

func (m *members[C]) each(f func(C)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, c := range m.conns {
		f(c)
	}
}

// httpServe serves one handler on every path.
func httpServe(l net.Listener, h http.HandlerFunc) error { return http.Serve(l, h) }
