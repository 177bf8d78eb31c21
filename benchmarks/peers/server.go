package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A server answers each message with itself in the mode "echo". In the modes
// "broadcast", where one connection sends, and "chat", where many do at once, it
// sends each message to every connection.
type server interface {
	serve(l net.Listener, w workload) error
}

// servers are those that can be measured, by name.
var servers = map[string]server{
	"limit":            limitServer{},
	"socket.go":        messageServer{},
	"socket.go events": eventServer{},
	withSessions:       eventServer{}, // what is another is the load
	"gorilla":          gorillaServer{},
	"coder":            coderServer{},
	"gobwas":           gobwasServer{},
	"gws":              gwsServer{},
	"nbio":             nbioServer{},
}

// runServer is the whole of a server process: it prints the address it listens
// on, and then its own CPU time and memory for each line that it reads.
func runServer(name, row, profile string) error {
	w, err := findWorkload(row)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	stop := func() {}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		stop = func() {
			pprof.StopCPUProfile()
			f.Close()
		}
	}
	fmt.Println(l.Addr())
	go answerQuestions(stop)
	return servers[name].serve(l, w)
}

// answerQuestions prints the microseconds of CPU that this process has used, and
// after "memory" its resident bytes without garbage. The process ends with its
// input.
func answerQuestions(stop func()) {
	for {
		var question string
		if _, err := fmt.Scanln(&question); err != nil {
			stop()
			os.Exit(0)
		}
		if question == "memory" {
			fmt.Println(residentBytes())
			continue
		}
		fmt.Println(cpuMicros())
	}
}

// residentBytes is what the process occupies once the garbage is gone.
func residentBytes() int64 {
	runtime.GC()
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				panic(err)
			}
			return kb << 10
		}
	}
	panic("no VmRSS in /proc/self/status")
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
