package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"
	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	nbio "github.com/lesismal/nbio/nbhttp/websocket"
	"github.com/lxzan/gws"
)

// bufferPool has buffers for the messages of all connections of a server.
type bufferPool struct{ sync.Pool }

func (p *bufferPool) get() *bytes.Buffer {
	b, ok := p.Get().(*bytes.Buffer)
	if !ok {
		return new(bytes.Buffer)
	}
	b.Reset()
	return b
}

// gorillaServer: one goroutine for each connection, buffers from a pool, a mutex
// around writes of broadcasts.
type gorillaServer struct{}

type gorillaConn struct {
	*gorilla.Conn
	mu sync.Mutex
}

func (gorillaServer) serve(l net.Listener, row workload) error {
	mode := row.mode()
	u := gorilla.Upgrader{WriteBufferPool: &sync.Pool{}, EnableCompression: row.deflate != notDeflated}
	var all members[*gorillaConn]
	var buffers bufferPool
	return httpServe(l, func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		c := &gorillaConn{Conn: conn}
		if mode != "echo" {
			all.add(c)
			defer all.remove(c)
		}
		for {
			typ, r, err := c.NextReader()
			if err != nil {
				return
			}
			buf := buffers.get()
			if _, err := buf.ReadFrom(r); err != nil {
				return
			}
			if mode == "echo" {
				c.WriteMessage(typ, buf.Bytes())
				buffers.Put(buf)
				continue
			}
			m, err := gorilla.NewPreparedMessage(typ, buf.Bytes())
			if err != nil {
				return
			}
			all.each(func(c *gorillaConn) {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.WritePreparedMessage(m)
			})
			buffers.Put(buf)
		}
	})
}

// coderServer: one goroutine for each connection, buffers from a pool.
type coderServer struct{}

func (coderServer) serve(l net.Listener, row workload) error {
	mode := row.mode()
	var all members[*coder.Conn]
	var buffers bufferPool
	ctx := context.Background()
	opts := coder.AcceptOptions{CompressionThreshold: compressFrom}
	switch row.deflate {
	case alone:
		opts.CompressionMode = coder.CompressionNoContextTakeover
	case takeover:
		opts.CompressionMode = coder.CompressionContextTakeover
	}
	return httpServe(l, func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, &opts)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 20)
		if mode != "echo" {
			all.add(c)
			defer all.remove(c)
		}
		for {
			typ, r, err := c.Reader(ctx)
			if err != nil {
				return
			}
			buf := buffers.get()
			if _, err := buf.ReadFrom(r); err != nil {
				return
			}
			if mode == "echo" {
				c.Write(ctx, typ, buf.Bytes())
			} else {
				all.each(func(c *coder.Conn) { c.Write(ctx, typ, buf.Bytes()) })
			}
			buffers.Put(buf)
		}
	})
}

// gobwasServer: a goroutine for each connection over the low-level functions of
// the library, which are what it is chosen for. What is read is buffered, messages
// lie in buffers from a pool, answers leave before more is waited for, a broadcast
// is compiled once. The load sends no control frames and no fragments.
type gobwasServer struct{}

type gobwasConn struct {
	net.Conn
	mu  sync.Mutex    // guards writes of broadcasts
	out *bufio.Writer // answers
}

// Read writes what has been answered before it waits.
func (c *gobwasConn) Read(p []byte) (int, error) {
	if err := c.out.Flush(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (gobwasServer) serve(l net.Listener, row workload) error {
	mode := row.mode()
	var all members[*gobwasConn]
	var buffers bufferPool
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if _, err := ws.Upgrade(conn); err != nil {
				return
			}
			c := &gobwasConn{Conn: conn, out: bufio.NewWriter(conn)}
			if mode != "echo" {
				all.add(c)
				defer all.remove(c)
			}
			in := bufio.NewReader(c)
			for {
				h, err := ws.ReadHeader(in)
				if err != nil || !h.Fin || !h.OpCode.IsData() || h.Length > 1<<20 {
					return
				}
				buf := buffers.get()
				buf.Grow(int(h.Length))
				p := buf.AvailableBuffer()[:h.Length]
				if _, err := io.ReadFull(in, p); err != nil {
					return
				}
				ws.Cipher(p, h.Mask, 0)
				if h.OpCode == ws.OpText && !utf8.Valid(p) {
					return
				}
				frame := ws.NewFrame(h.OpCode, true, p)
				if mode == "echo" {
					err := ws.WriteFrame(c.out, frame)
					buffers.Put(buf)
					if err != nil {
						return
					}
					continue
				}
				compiled := ws.MustCompileFrame(frame)
				all.each(func(c *gobwasConn) {
					c.mu.Lock()
					defer c.mu.Unlock()
					c.Write(compiled)
				})
				buffers.Put(buf)
			}
		}()
	}
}

// compressFrom is the size of the smallest message that servers compress, bytes.
const compressFrom = 128

// gwsServer with its own Broadcaster.
type gwsServer struct{}

type gwsHandler struct {
	gws.BuiltinEventHandler
	mode string
	all  members[*gws.Conn]
}

func (h *gwsHandler) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if h.mode == "echo" {
		c.WriteMessage(m.Opcode, m.Bytes())
		return
	}
	b := gws.NewBroadcaster(m.Opcode, append([]byte(nil), m.Bytes()...))
	h.all.each(func(c *gws.Conn) { b.Broadcast(c) })
	b.Close()
}

func (h *gwsHandler) OnClose(c *gws.Conn, _ error) {
	if h.mode != "echo" {
		h.all.remove(c)
	}
}

func (gwsServer) serve(l net.Listener, row workload) error {
	mode := row.mode()
	h := &gwsHandler{mode: mode}
	u := gws.NewUpgrader(h, &gws.ServerOption{CheckUtf8Enabled: true, PermessageDeflate: gws.PermessageDeflate{
		Enabled: row.deflate != notDeflated, Threshold: compressFrom, // windows of 12 bits with takeover
		ServerContextTakeover: row.deflate == takeover, ClientContextTakeover: row.deflate == takeover,
	}})
	return httpServe(l, func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r)
		if err != nil {
			return
		}
		if mode != "echo" {
			h.all.add(c)
		}
		go c.ReadLoop() // so that the request is not kept
	})
}

// nbioServer with its own poller.
type nbioServer struct{}

func (nbioServer) serve(l net.Listener, row workload) error {
	mode := row.mode()
	logging.SetLevel(logging.LevelNone) // standard output is for our answers
	var all members[*nbio.Conn]
	u := nbio.NewUpgrader()
	u.KeepaliveTime = time.Hour // members of a room may say nothing for long
	if row.deflate != notDeflated {
		u.EnableCompression(true)
		u.OnOpen(func(c *nbio.Conn) { c.EnableWriteCompression(true) })
	}
	if mode != "echo" {
		u.OnOpen(func(c *nbio.Conn) { all.add(c) })
		u.OnClose(func(c *nbio.Conn, _ error) { all.remove(c) })
	}
	u.OnMessage(func(c *nbio.Conn, typ nbio.MessageType, p []byte) {
		if mode == "echo" {
			c.WriteMessage(typ, p)
			return
		}
		all.each(func(c *nbio.Conn) { c.WriteMessage(typ, p) })
	})
	e := nbhttp.NewEngine(nbhttp.Config{
		Listen:  func(string, string) (net.Listener, error) { return l, nil },
		Network: "tcp", Addrs: []string{l.Addr().String()}, ReadBufferSize: 64 << 10,
		// By default it sends messages of more than 32 KiB in pieces.
		MaxWebsocketFramePayloadSize: 1 << 20,
		Handler:                      http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.Upgrade(w, r, nil) }),
	})
	if err := e.Start(); err != nil {
		return err
	}
	select {}
}
