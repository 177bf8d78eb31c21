package socket_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// TestThreatE6_StalledReadersHoldUpNobodyAndAreGoneIn15Seconds has one reader in
// ten stop reading. Time is virtual and passes only while everybody waits, so that
// a message that had to wait for a stalled reader would arrive later than it was
// sent.
func TestThreatE6_StalledReadersHoldUpNobodyAndAreGoneIn15Seconds(t *testing.T) {
	readers, messages := 500, 300
	if testing.Short() || raceEnabled {
		readers = 100
	}
	stalled := readers / 10
	text := strings.Repeat("x", 4<<10)
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, socket.WithMaxConcurrency(0), socket.WithPingInterval(-1))
		l := memnet.Listen("site.test:80")
		go s.http.Serve(l) // ends with Close
		open := func() (net.Conn, *bufio.Reader) {
			nc, err := l.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(nc, upgradeRequest+"\r\n"); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReaderSize(nc, 8<<10)
			if r, err := http.ReadResponse(in, nil); err != nil || r.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("handshake: %v, %v", r, err)
			}
			return nc, in
		}
		var conns []net.Conn
		var reading sync.WaitGroup
		var sentAt atomic.Int64 // of the last message
		var late, received atomic.Int64
		for i := range readers {
			nc, in := open()
			conns = append(conns, nc)
			if i%10 == 0 {
				continue // reads nothing from now on
			}
			reading.Go(func() {
				frame := make([]byte, 4+len(fmt.Sprintf(`{"event":"n","data":"%s"}`, text)))
				for range messages {
					if _, err := io.ReadFull(in, frame); err != nil || frame[0] != 0x81 {
						t.Errorf("got %x, %v", frame[:4], err)
						return
					}
					received.Add(1)
					if time.Now().UnixNano() != sentAt.Load() {
						late.Add(1)
					}
				}
			})
		}
		synctest.Wait()
		before := heapInUse()
		begin, gone := time.Now(), time.Duration(0)
		for range messages {
			sentAt.Store(time.Now().UnixNano())
			if err := s.server.Broadcast("n", text); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if gone == 0 && s.server.Count() == readers-stalled {
				gone = time.Since(begin)
			}
			time.Sleep(50 * time.Millisecond)
		}
		// What one of them may have waiting is a mebibyte, and they share it.
		if grown := heapInUse() - before; grown > int64(stalled)*1<<20 {
			t.Errorf("%d stalled readers hold %d bytes", stalled, grown)
		}
		reading.Wait()
		if want := int64(readers-stalled) * int64(messages); received.Load() != want || late.Load() != 0 {
			t.Errorf("%d messages arrived, %d of them late, want %d at once", received.Load(), late.Load(), want)
		}
		if gone == 0 {
			t.Errorf("after 15 s %d of %d connections are left, want %d", s.server.Count(), readers, readers-stalled)
		}
		t.Logf("the stalled are gone after %v", gone)
		for _, nc := range conns {
			nc.Close()
		}
		s.http.Close()
		if err := s.server.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
