package socket_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// A client that stops reading is reported with code 1013 at once, to its disconnect
// handlers and the log. If it reads again within the close timeout it gets whole
// messages without a gap, the close frame as the very next, and then the end.
func TestSlowConsumerIsReportedAtOnceAndLearnsWhyWhenItReadsAgain(t *testing.T) {
	for _, tt := range slowCases {
		t.Run(tt.name+"/memory", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := memnet.Listen("server:80")
				tt.run(t, l, func() (net.Conn, error) { return l.Dial(t.Context()) })
			})
		})
		t.Run(tt.name+"/tcp", func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			tt.run(t, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
		})
	}
}

// slowCase is a way to find out that a client does not read.
type slowCase struct {
	name         string
	queue        int // bytes
	writeTimeout time.Duration
	option       string // that the log names
	// send sends text as the event "n" until the client is disconnected, which gone
	// tells.
	send func(server *socket.Server, s socket.Socket, text string, gone func() bool) error
}

var slowCases = []slowCase{
	{
		name: "broadcasts that fill the queue", queue: 512 << 10, writeTimeout: time.Minute, option: "WithSendQueue",
		send: func(server *socket.Server, _ socket.Socket, text string, gone func() bool) error {
			for i := 0; !gone(); i++ {
				if err := server.Broadcast("n", fmt.Sprint(i, text)); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		name: "few broadcasts", queue: 8 << 20, writeTimeout: 200 * time.Millisecond, option: "WithWriteTimeout",
		send: func(server *socket.Server, _ socket.Socket, text string, _ func() bool) error {
			for i := range 256 {
				if err := server.BroadcastParallel("n", fmt.Sprint(i, text)); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		name: "Send", queue: 512 << 10, writeTimeout: 200 * time.Millisecond, option: "WithWriteTimeout",
		send: func(_ *socket.Server, s socket.Socket, text string, _ func() bool) error {
			for i := 0; ; i++ {
				err := s.Send("n", fmt.Sprint(i, text))
				if err == nil {
					continue
				}
				if !errors.Is(err, socket.ErrTimeout) || errors.Is(err, socket.ErrConnectionClosed) {
					return err
				}
				return nil
			}
		},
	},
}

func (tt *slowCase) run(t *testing.T, l net.Listener, dial func() (net.Conn, error)) {
	lines := newEnv(t, websocket) // keeps the log
	server := socket.NewServer(socket.WithLogger(slog.New(slog.NewTextHandler(lines, nil))), socket.WithPingInterval(-1),
		socket.WithSendQueue(tt.queue, 1<<20), socket.WithWriteTimeout(tt.writeTimeout), socket.WithCloseTimeout(20*time.Second))
	sockets, reasons := make(chan socket.Socket, 1), make(chan error, 2)
	server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
		_ = s.Join("room") // which is never full
		sockets <- s
	})
	server.HandleFunc(socket.EventDisconnect, func(s socket.Socket, reason interface{}) {
		if len(s.Rooms()) != 1 {
			t.Errorf("rooms %q while the disconnect handlers run", s.Rooms())
		}
		reasons <- reason.(error)
	})
	web := httptest.NewUnstartedServer(server)
	web.Listener.Close()
	web.Listener = l
	web.Start()
	defer web.Close()
	nc, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, upgradeRequest+"\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(nc)
	if r, err := http.ReadResponse(in, nil); err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %v, %v", r, err)
	}
	s := <-sockets
	if err := tt.send(server, s, strings.Repeat("x", 8<<10), func() bool { return len(reasons) > 0 }); err != nil {
		t.Fatalf("sending: %v", err)
	}
	reason := <-reasons
	if !errors.Is(reason, socket.ErrTimeout) || transport.CloseStatus(reason) != transport.StatusTryAgainLater {
		t.Errorf("disconnect got %v, want ErrTimeout with close code 1013", reason)
	}
	if n := server.Count(); n != 1 || s.IsConnected() {
		t.Errorf("%d connections, connected = %t: want the handlers to be told before the connection ends", n, s.IsConnected())
	}
	if !lines.logged("level=WARN", "slow consumer closed", s.ID(), "code=1013", tt.option) {
		t.Errorf("the log has no slow consumer closed for %s", tt.option)
	}
	for i := 0; ; i++ {
		op, p, err := readFrame(in)
		if err != nil {
			t.Fatalf("behind %d messages: %v", i, err)
		}
		if op == 8 {
			if code := binary.BigEndian.Uint16([]byte(p)); code != 1013 || !strings.Contains(p, "slow consumer") || i == 0 {
				t.Errorf("behind %d messages: close %d %q, want 1013", i, code, p[2:])
			}
			break
		}
		if !strings.HasPrefix(p, fmt.Sprintf(`{"event":"n","data":"%dx`, i)) {
			t.Fatalf("message %d is %.40q", i, p)
		}
	}
	if _, _, err := readFrame(in); err != io.EOF {
		t.Errorf("behind the close frame: %v, want the end of the connection", err)
	}
	nc.Close()
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if len(reasons) > 0 {
		t.Error("the disconnect handlers ran twice")
	}
	if len(server.In("room")) > 0 {
		t.Error("it is in its room still")
	}
}

// readFrame reads one frame of a server.
func readFrame(in *bufio.Reader) (opcode byte, payload string, err error) {
	var h [2]byte
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return 0, "", err
	}
	n := int(h[1])
	if n == 126 {
		var more [2]byte
		if _, err := io.ReadFull(in, more[:]); err != nil {
			return 0, "", err
		}
		n = int(binary.BigEndian.Uint16(more[:]))
	}
	p := make([]byte, n)
	_, err = io.ReadFull(in, p)
	return h[0] & 0xf, string(p), err
}
