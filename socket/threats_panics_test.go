package socket_test

import (
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

func TestThreatA9_CVE_2023_31125_PanicInAnyHandlerOfAServerHarmsNobodyElse(t *testing.T) {
	handlers := []struct {
		name    string
		install func(s *socket.Server)
		message string // what makes the handler run; "" for connecting and leaving
	}{
		{"connect", func(s *socket.Server) { s.HandleFunc(socket.EventConnect, panics) }, ""},
		{"disconnect", func(s *socket.Server) { s.HandleFunc(socket.EventDisconnect, panics) }, ""},
		{"an event", func(s *socket.Server) { s.HandleFunc("boom", panics) }, `{"event":"boom"}`},
		{"messages without an event", func(s *socket.Server) { s.HandleFunc(socket.EventMessage, panics) }, `"boom"`},
		{"data of a type", func(s *socket.Server) { socket.Handle(s, "boom", func(socket.Socket, string) { panic("oh") }) }, `{"event":"boom","data":"x"}`},
		{"errors", func(s *socket.Server) { s.HandleFunc(socket.EventError, panics) }, `{"event":`},
		{"errors of a handler that panicked", func(s *socket.Server) {
			s.HandleFunc("boom", panics)
			s.HandleFunc(socket.EventError, panics)
		}, `{"event":"boom"}`},
	}
	for _, tt := range handlers {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				s := e.serve()
				s.HandleFunc("echo", func(sock socket.Socket, data any) { sock.Send("echo", data) })
				witness := e.raw()
				witness.say(`{"event":"echo","data":0}`)
				witness.want(`{"event":"echo","data":0}`)
				tt.install(s)
				for range 3 {
					victim := e.raw()
					if tt.message != "" {
						victim.say(tt.message)
					}
					e.settle()
					victim.Close()
				}
				e.settle()
				if !e.logged("panic") {
					t.Error("no panic was logged: the handler did not run")
				}
				witness.say(`{"event":"echo","data":1}`)
				witness.want(`{"event":"echo","data":1}`)
				if n := s.Count(); n != 1 {
					t.Errorf("%d connections are left, want the one that did nothing", n)
				}
			}, websocket, polling)
		})
	}
}

func panics(socket.Socket, any) { panic("oh") }

func TestThreatA9_CVE_2023_31125_PanicInAnyHandlerOfAClientDoesNotEndTheProcess(t *testing.T) {
	for name, install := range map[string]func(c *socket.Client){
		"connect":      func(c *socket.Client) { c.On(socket.EventConnect, func(any) { panic("oh") }) },
		"disconnect":   func(c *socket.Client) { c.On(socket.EventDisconnect, func(any) { panic("oh") }) },
		"an event":     func(c *socket.Client) { c.On("hello", func(any) { panic("oh") }) },
		"data of type": func(c *socket.Client) { socket.On(c, "hello", func(string) { panic("oh") }) },
		"errors": func(c *socket.Client) {
			c.On("hello", func(any) { panic("oh") })
			c.On(socket.EventError, func(any) { panic("oh") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				s := e.serve()
				s.HandleFunc("bye", func(sock socket.Socket, _ any) { sock.Close() })
				c := e.client()
				install(c)
				e.connect(c)
				s.Broadcast("hello", "x")
				e.settle()
				c.Send("bye", nil) // it may be gone already
				e.settle()
				c.Close()
			}, websocket, polling)
		})
	}
}

func TestThreatA9_CVE_2022_41940_PanicsLeaveNoGoroutineAndNoDescriptor(t *testing.T) {
	// No ping comes in place of what is waited for.
	s := newSite(t, socket.WithMaxConcurrency(0), socket.WithPingInterval(-1))
	s.server.HandleFunc("boom", panics)
	s.start()
	healthy := s.upgrade()
	const boom = "\x81\x90\x00\x00\x00\x00" + `{"event":"boom"}`
	attack := func(n int) {
		conns := make([]net.Conn, n)
		for i := range conns {
			conns[i] = s.upgrade()
			if _, err := conns[i].Write([]byte(boom)); err != nil {
				t.Fatal(err)
			}
		}
		for _, nc := range conns {
			b := make([]byte, 4)
			if _, err := nc.Read(b); err != nil || b[0] != 0x88 || string(b[2:]) != "\x03\xf3" {
				t.Fatalf("the peer of a handler that panicked got %x, %v, want close frame 1011", b, err)
			}
			nc.Close()
		}
	}
	attack(10) // what is made once
	settled := func() (fds, goroutines int) {
		for range 1000 {
			if s.server.Count() == 1 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		return descriptors(), runtime.NumGoroutine()
	}
	fds, goroutines := settled()
	attack(100)
	for range 5000 {
		nowFDs, nowGoroutines := settled()
		if nowFDs <= fds && nowGoroutines <= goroutines {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if nowFDs, nowGoroutines := settled(); nowFDs > fds || nowGoroutines > goroutines {
		t.Errorf("100 panics left %d descriptors and %d goroutines", nowFDs-fds, nowGoroutines-goroutines)
	}
	if _, err := healthy.Write([]byte("\x89\x80\x00\x00\x00\x00")); err != nil {
		t.Fatal(err)
	}
	pong := make([]byte, 2)
	if _, err := healthy.Read(pong); err != nil || string(pong) != "\x8a\x00" {
		t.Errorf("a connection beside them got %x, %v", pong, err)
	}
}

// descriptors returns how many sockets the process has open, or 0 where it cannot
// be told.
func descriptors() (n int) {
	entries, _ := os.ReadDir("/proc/self/fd") // is Linux's
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
