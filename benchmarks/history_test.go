//go:build unix

package benchmarks

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// BenchmarkRoomWire is what a broadcast to a room of 200 members takes on the wire and
// of the processor: members that are replaced by newcomers now and then, 600 messages.
// "wire" are the bytes of all frames, headers included, as a share of those of the
// messages. "cpu-us" is what it takes to compress a message and to queue it for all; they
// are written outside of that, to a network that takes everything and does nothing.
//
// shared=level1 is what other libraries do: one frame for all, by compress/flate at
// level 1; it is not queued, so its time is that for compressing alone. shared=ours is
// one frame by NoTakeover, common=8KiB a history by CommonTakeover, thorough with
// Thorough.
func BenchmarkRoomWire(b *testing.B) {
	for _, shape := range []string{"ticker", "chat", "presence"} {
		for _, size := range []int{100, 500, 2000} {
			messages := feed(shape, size, 600)
			name := fmt.Sprintf("%s/size=%d/", shape, size)
			b.Run(name+"shared=level1", func(b *testing.B) { level1(b, messages) })
			b.Run(name+"shared=ours", func(b *testing.B) {
				roomWire(b, messages, 0, &transport.Compression{Threshold: 64})
			})
			for _, churn := range []int{1, 10} {
				b.Run(fmt.Sprintf("%scommon=8KiB/replaced=%d.%d%%", name, churn/10, churn%10), func(b *testing.B) {
					roomWire(b, messages, churn, &transport.Compression{Takeover: transport.CommonTakeover})
				})
				b.Run(fmt.Sprintf("%scommon=8KiB,thorough/replaced=%d.%d%%", name, churn/10, churn%10), func(b *testing.B) {
					roomWire(b, messages, churn, &transport.Compression{Takeover: transport.CommonTakeover, Thorough: true})
				})
			}
		}
	}
}

// level1 compresses each message as a library does that has compress/flate and sends one
// frame to all.
func level1(b *testing.B, messages [][]byte) {
	var out bytes.Buffer
	var cpu time.Duration
	w, err := flate.NewWriter(&out, 1)
	if err != nil {
		b.Fatal(err)
	}
	wire, plain := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		wire, plain = 0, 0
		start := cpuTime(b)
		for _, m := range messages {
			out.Reset()
			w.Reset(&out)
			_, _ = w.Write(m) // to memory
			_ = w.Flush()
			n := out.Len() - len("\x00\x00\xff\xff")
			plain += len(m)
			wire += n + 2
			if n > 125 {
				wire += 2
			}
		}
		cpu = cpuTime(b) - start
	}
	b.ReportMetric(float64(wire)/float64(plain), "wire/plain")
	b.ReportMetric(float64(cpu.Microseconds())/float64(len(messages)), "cpu-us")
	b.ReportMetric(0, "ns/op")
}

const roomMembers = 200

// roomWire sends messages to a room. Of the members, churn in a thousand are replaced
// with each message.
func roomWire(b *testing.B, messages [][]byte, churn int, z *transport.Compression) {
	u := transport.NewUpgrader(&transport.AcceptOptions{Compression: z, Limits: transport.Limits{MaxQueueMessages: 1 << 20}})
	plain := 0
	for _, m := range messages {
		plain += len(m)
	}
	var wire atomic.Int64
	var cpu time.Duration
	b.ReportAllocs()
	for b.Loop() {
		wire.Store(0)
		cpu = 0
		rng := rand.New(rand.NewPCG(1, 2))
		h := u.NewHistory()
		var members [roomMembers]*transport.Conn
		for i := range members {
			members[i] = sink(b, u, &wire)
		}
		wire.Store(0)
		for _, payload := range messages {
			for i := range members {
				if rng.IntN(1000) < churn {
					_ = members[i].CloseNow() // never fails
					before := wire.Load()
					members[i] = sink(b, u, &wire)
					wire.Add(before - wire.Load())
				}
			}
			start := cpuTime(b)
			m := transport.NewPreparedMessage(transport.MessageText, payload)
			h.Add(m)
			for _, c := range members {
				var list transport.PreparedBatch
				list.Append(m)
				if _, err := c.StagePrepared(&list); err != nil {
					b.Fatal(err)
				}
			}
			cpu += cpuTime(b) - start
			flush(members[:])
		}
		for _, c := range members {
			_ = c.CloseNow() // never fails
		}
		h.Close()
	}
	b.ReportMetric(float64(wire.Load())/float64(plain*roomMembers), "wire/plain")
	b.ReportMetric(float64(cpu.Microseconds())/float64(len(messages)), "cpu-us")
	b.ReportMetric(0, "ns/op")
}

// flush writes what is queued, and waits until it is written.
func flush(conns []*transport.Conn) {
	for _, c := range conns {
		c.Flush()
	}
	for _, c := range conns {
		for {
			if _, frames := c.Buffered(); frames == 0 {
				break
			}
			_ = c.WaitQueue(context.Background()) // fails for no reason here
		}
	}
}

// sink returns a connection whose peer agrees to everything and reads nothing.
func sink(b *testing.B, u *transport.Upgrader, wire *atomic.Int64) *transport.Conn {
	c, err := u.Accept(newDrain(wire), handshake(), nil)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// handshake is the request of a browser.
func handshake() *http.Request {
	r := httptest.NewRequest("GET", "http://server/", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// drain is a network connection that takes everything and from which nothing comes,
// and the ResponseWriter that it is taken from.
type drain struct {
	net.Conn // nil
	http.ResponseWriter
	wire   *atomic.Int64
	closed chan struct{}
	once   *sync.Once
}

func newDrain(wire *atomic.Int64) drain {
	return drain{ResponseWriter: httptest.NewRecorder(), wire: wire, closed: make(chan struct{}), once: new(sync.Once)}
}

func (d drain) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	d.ResponseWriter = nil
	return d, bufio.NewReadWriter(bufio.NewReaderSize(d, 16), bufio.NewWriterSize(d, 16)), nil
}

func (d drain) Write(p []byte) (int, error) {
	d.wire.Add(int64(len(p)))
	return len(p), nil
}

func (d drain) Read([]byte) (int, error) {
	<-d.closed
	return 0, net.ErrClosed
}

func (d drain) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

func (drain) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (drain) RemoteAddr() net.Addr { return &net.TCPAddr{} }

func (drain) SetDeadline(time.Time) error      { return nil }
func (drain) SetReadDeadline(time.Time) error  { return nil }
func (drain) SetWriteDeadline(time.Time) error { return nil }

// cpuTime is what the process has spent so far.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// feed returns messages as a room gets them: prices that move by up to a thousandth,
// a chat, users whose state changes.
func feed(shape string, size, n int) [][]byte {
	rng := rand.New(rand.NewPCG(uint64(size), 91))
	var price, traded [16]float64
	for i := range price {
		price[i], traded[i] = 60000*rng.Float64(), 900*rng.Float64()
	}
	messages := make([][]byte, n)
	for i := range messages {
		var m strings.Builder
		fmt.Fprintf(&m, `{"event":"%s","data":[`, shape)
		for {
			switch shape {
			case "ticker":
				k := rng.IntN(len(coins))
				price[k] *= 1 + (rng.Float64()-0.5)/500
				traded[k] += rng.Float64()
				fmt.Fprintf(&m, `{"s":"%s","p":%.2f,"v":%.3f,"t":%d}`, coins[k], price[k], traded[k], 1700000000000+int64(i)*137)
			case "chat":
				fmt.Fprintf(&m, `{"from":"%s","id":%d,"text":"`, names[rng.IntN(len(names))], 100000+7*i)
				for end := min(m.Len()+300, size-5); m.Len() < end; {
					m.WriteString(words[rng.IntN(len(words))] + " ")
				}
				m.WriteString(`"}`)
			case "presence":
				k := rng.IntN(len(names))
				fmt.Fprintf(&m, `{"user":"%s","id":"%08x","state":"%s","since":%d}`, names[k],
					uint32(k+1)*2654435761, states[rng.IntN(len(states))], 1700000000+137*i+rng.IntN(1000))
			}
			if m.Len() >= size-30 {
				break
			}
			m.WriteByte(',')
		}
		m.WriteString(`]}`)
		messages[i] = []byte(m.String())
	}
	return messages
}

var (
	coins  = strings.Fields("BTC-USD ETH-USD SOL-USD ADA-EUR XRP-USD DOGE-USD LTC-EUR DOT-USD AVAX-USD LINK-USD")
	names  = strings.Fields("alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy rupert sybil trent victor walter")
	states = strings.Fields("online away busy offline typing")
	words  = strings.Fields("the a to and of is in it that you for was on are with have this be not but what all when can said there use each which do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number way could people my than first water been call who its now find long down day did get come made may part well yes no ok lol thanks deploy build server release please check")
)

// BenchmarkRoomMemory is what compression holds for each of 2,000 connections that are
// in step with one room, beside the connections themselves, and for each of 500 rooms.
func BenchmarkRoomMemory(b *testing.B) {
	messages := feed("ticker", 600, 60)
	heap := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	const connections, rooms = 2000, 500
	var alive []any // until the end: what is freed meanwhile would count
	perConn := func(z *transport.Compression) (held int64) {
		u := transport.NewUpgrader(&transport.AcceptOptions{Compression: z})
		h := u.NewHistory()
		conns := make([]*transport.Conn, connections)
		before := heap()
		for i := range conns {
			conns[i] = sink(b, u, new(atomic.Int64))
		}
		for _, payload := range messages {
			m := transport.NewPreparedMessage(transport.MessageText, payload)
			h.Add(m)
			for _, c := range conns {
				var list transport.PreparedBatch
				list.Append(m)
				if _, err := c.StagePrepared(&list); err != nil {
					b.Fatal(err)
				}
			}
			flush(conns)
		}
		alive = append(alive, conns, h)
		return (heap() - before) / connections
	}
	common := &transport.Compression{Takeover: transport.CommonTakeover}
	for b.Loop() {
		perConn(common) // fills the pools
		bare := perConn(nil)
		b.ReportMetric(float64(perConn(new(transport.Compression))-bare), "alone-B/conn")
		b.ReportMetric(float64(perConn(common)-bare), "common-B/conn")
		b.ReportMetric(float64(perConn(&transport.Compression{Takeover: transport.WindowTakeover})-bare), "window-B/conn")
		u := transport.NewUpgrader(&transport.AcceptOptions{Compression: common})
		histories := make([]*transport.History, rooms)
		before := heap()
		for i := range histories {
			histories[i] = u.NewHistory()
			for _, payload := range messages {
				histories[i].Add(transport.NewPreparedMessage(transport.MessageText, payload))
			}
		}
		b.ReportMetric(float64(heap()-before)/rooms, "B/room")
		runtime.KeepAlive(histories)
	}
	runtime.KeepAlive(alive)
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSendBesideRoom is a Send to one socket while another goroutine broadcasts to
// a room of 200 others, which it has to wait for: half of the Sends take at most
// "p50-us", one in a hundred more than "p99-us".
func BenchmarkSendBesideRoom(b *testing.B) {
	for _, tt := range []struct {
		name string
		z    *transport.Compression
	}{
		{"compression=off", nil},
		{"compression=alone", &transport.Compression{}},
		{"compression=common", &transport.Compression{Takeover: transport.CommonTakeover}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			opts := []socket.ServerOption{socket.WithMaxConcurrency(0), socket.WithLogger(nil)}
			if tt.z != nil {
				opts = append(opts, socket.WithCompressionOptions(*tt.z))
			}
			server := socket.NewServer(opts...)
			connected := make(chan socket.Socket, 1)
			server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) { connected <- s })
			var wire atomic.Int64
			var alone socket.Socket
			for range roomMembers + 1 {
				server.ServeHTTP(newDrain(&wire), handshake())
				if alone != nil {
					if err := alone.Join("room"); err != nil {
						b.Fatal(err)
					}
				}
				alone = <-connected
			}
			messages := feed("ticker", 600, 600)
			stop := make(chan struct{})
			var publisher sync.WaitGroup
			publisher.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					_ = server.BroadcastToRoom("room", "news", string(messages[i%len(messages)])) // it is text
				}
			})
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if err := alone.Send("x", "alone"); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
				time.Sleep(50 * time.Microsecond)
			}
			close(stop)
			publisher.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-us")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "p99-us")
			b.ReportMetric(0, "ns/op")
			_ = server.Shutdown(context.Background()) // there is no deadline
		})
	}
}
