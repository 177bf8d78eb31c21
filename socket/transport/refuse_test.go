package transport_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// A peer that is refused gets the rest of the frame that has begun to leave, and the
// close frame as the very next one, whatever was taken for the same write.
func TestRefuseLetsNothingOvertakeTheCloseFrameButTheRestOfAFrame(t *testing.T) {
	for _, queued := range []string{"own", "shared", "both"} {
		t.Run(queued, func(t *testing.T) {
			bothRoles(t, func(t *testing.T, role wsproto.Role) { refuseMidway(t, role, queued) })
		})
	}
}

func refuseMidway(t *testing.T, role wsproto.Role, queued string) {
	const room = 16 // what the network takes
	head := 2
	if role == wsproto.RoleClient {
		head = 6
	}
	fits := strings.Repeat("a", room-head)
	for _, tt := range []struct {
		name  string
		texts []string
		left  int // how many have begun to leave
	}{
		{"in the middle of the first", []string{fits + "a", "b", "c"}, 1},
		{"behind the first", []string{fits, "b", "c"}, 1},
		{"in the middle of the second", []string{"a", fits, "c"}, 2},
		{"behind the second", []string{"a", fits[head+1:], "c"}, 2},
		{"in the middle of the last", []string{"a", fits}, 2},
	} {
		ours, theirs := memnet.PipeBuffer(room)
		c, w := testConn(t, ours, role, transport.Limits{}), newWire(t, theirs, role)
		must(t, c.Queue(transport.MessageText, []byte(blocker)))
		synctest.Wait()
		for i, text := range tt.texts {
			if queued == "shared" || queued == "both" && i%2 == 0 {
				must(t, c.QueuePrepared(transport.NewPreparedMessage(transport.MessageText, []byte(text))))
			} else {
				must(t, c.Queue(transport.MessageText, []byte(text)))
			}
		}
		w.buf = make([]byte, head+len(blocker))
		_, err := io.ReadFull(w.nc, w.buf) // and not a byte more
		must(t, err)
		w.want("the message in the way leaves", gotText(blocker))
		synctest.Wait() // all others are being written in one write
		c.Refuse(transport.StatusTryAgainLater, "slow")
		synctest.Wait()
		if b, n := c.Buffered(); n > 2 || b > 2*(room+head) {
			t.Errorf("%s: Buffered() = %d, %d after Refuse, want the rest of a frame and the close frame", tt.name, b, n)
		}
		for _, text := range tt.texts[:tt.left] {
			w.want(tt.name+": what has begun to leave", gotText(text))
		}
		w.want(tt.name+": the close frame is next", gotClose(1013, "slow"))
		w.send(w.close(1013, ""))
		w.wantEnd(tt.name + ": and the last")
	}
}

// The write timeout, which has begun to count long before, does not cut short the time
// that a refused peer has.
func TestRefusedPeerHasTheWholeCloseTimeoutToReadAgain(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		for _, stalled := range []time.Duration{0, transport.DefaultWriteTimeout - time.Second} {
			c, w := blocked(t, role, transport.Limits{})
			must(t, c.Queue(transport.MessageText, []byte("dropped")))
			time.Sleep(stalled)
			begin := time.Now()
			c.Refuse(transport.StatusTryAgainLater, "slow")
			time.Sleep(transport.DefaultCloseTimeout - time.Millisecond)
			w.want("the rest of the frame and the reason", gotText(blocker), gotClose(1013, "slow"))
			<-c.Done()
			if d := since(begin); d != transport.DefaultCloseTimeout {
				t.Errorf("ended after %v, want the close timeout", d)
			}
			w.wantEnd("the end is in order")
		}
	})
}

// stallLog is a log that refuses a peer which takes nothing, if it is to.
type stallLog struct {
	log
	refuses bool
	stalls  chan time.Time
}

func (l *stallLog) OnStall(c *transport.Conn) {
	select {
	case l.stalls <- time.Now():
	default: // the test looks at the first
	}
	if l.refuses {
		c.Refuse(transport.StatusTryAgainLater, "stalled")
	}
}

func newStallLog(refuses bool) *stallLog {
	return &stallLog{log: log{ended: make(chan struct{})}, refuses: refuses, stalls: make(chan time.Time, 1)}
}

func TestHandlerIsToldOfAPeerThatTakesNothingForTheWriteTimeout(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		t.Run(fmt.Sprintf("refuses=%t", refuses), func(t *testing.T) {
			bothRoles(t, func(t *testing.T, role wsproto.Role) {
				c, w := blocked(t, role, transport.Limits{})
				l := newStallLog(refuses)
				c.Start(l)
				must(t, c.Queue(transport.MessageText, []byte("dropped")))
				begin := time.Now()
				at := <-l.stalls
				if d := at.Sub(begin); d < transport.DefaultWriteTimeout || d > transport.DefaultWriteTimeout*5/4 {
					t.Errorf("OnStall after %v, want the write timeout, or a quarter more", d)
				}
				if !refuses {
					if err := l.end(t); !errors.Is(err, os.ErrDeadlineExceeded) || since(at) != 0 {
						t.Errorf("OnClose(%v) after %v, want the timeout at once", err, since(at))
					}
					return
				}
				time.Sleep(transport.DefaultCloseTimeout - time.Millisecond)
				w.want("the rest of the frame and the reason", gotText(blocker), gotClose(1013, "stalled"))
				w.send(w.close(1013, ""))
				w.wantEnd("the end is in order")
			})
		})
	}
}

// The same over real networks: the peer reads again, and finds whole frames, the close
// frame, and then the end.
func TestStoppedPeerThatReadsAgainLearnsWhyItWasClosed(t *testing.T) {
	const size, queue = 20 << 10, 6 << 20
	for _, network := range networks {
		for _, reason := range []string{"queue full", "write timeout"} {
			for _, resumed := range []bool{false, true} {
				if resumed && reason == "write timeout" {
					continue // it could pass while the test is busy
				}
				t.Run(fmt.Sprintf("%s/%s/resumed=%t", network.name, reason, resumed), func(t *testing.T) {
					t.Parallel()
					a, b := network.pair(t)
					limits := transport.Limits{MaxQueueBytes: queue, MaxQueueMessages: -1, CloseTimeout: time.Minute, WriteTimeout: time.Minute}
					if reason == "write timeout" {
						limits.WriteTimeout = 100 * time.Millisecond
					}
					c, w := testConn(t, a, wsproto.RoleServer, limits), newWire(t, b, wsproto.RoleServer)
					l := newStallLog(true)
					c.Start(l)
					sent := 0
					send := func() (err error) {
						for err == nil {
							text := fmt.Sprintf("%d %s", sent, strings.Repeat("x", size))
							if sent%2 == 0 {
								err = c.Queue(transport.MessageText, []byte(text))
							} else {
								err = c.QueuePrepared(transport.NewPreparedMessage(transport.MessageText, []byte(text)))
							}
							if err == nil {
								sent++
							}
						}
						return err
					}
					if err := send(); reason == "queue full" && err != transport.ErrQueueFull {
						t.Fatalf("Queue() = %v, want ErrQueueFull", err)
					}
					read := 0
					next := func() (got, error) {
						g, err := w.next()
						if err == nil && g.op == wsproto.OpText {
							if !strings.HasPrefix(g.payload, fmt.Sprint(read, " ")) || len(g.payload) < size {
								t.Fatalf("message %d is %v", read, g)
							}
							read++
						}
						return g, err
					}
					if resumed {
						// More than the kernel can have taken: all that was queued is being
						// written now.
						for read < 2<<20/size {
							if _, err := next(); err != nil {
								t.Fatal(err)
							}
						}
					}
					if reason == "queue full" {
						c.Refuse(transport.StatusTryAgainLater, "stalled")
					} else {
						<-l.stalls
					}
					before := read
					g, err := next()
					for err == nil && g.op == wsproto.OpText {
						g, err = next()
					}
					if err != nil || g != gotClose(1013, "stalled") {
						t.Fatalf("behind %d messages of %d: %v, %v, want close code 1013", read, sent, g, err)
					}
					if n := (read - before) * size; n > 3<<20 {
						t.Errorf("%d bytes came before the close frame, want no more than the kernel had taken", n)
					}
					if _, err := next(); !errors.Is(err, io.EOF) {
						t.Errorf("behind the close frame: %v, want the end of the connection", err)
					}
				})
			}
		}
	}
}
