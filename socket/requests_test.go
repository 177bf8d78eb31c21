package socket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// pair is a server and a client of it, each of which can ask the other.
type pair struct {
	server *socket.Server
	client *socket.Client
	socket socket.Socket
}

// pair connects a client to a server. The handlers are added by add, before that.
func (e *env) pair(add func(s *socket.Server, c *socket.Client), opts ...socket.ClientOption) pair {
	e.t.Helper()
	e.t.Cleanup(func() { time.Sleep(time.Hour) }) // for responders that are at work still
	p := pair{server: e.serve(), client: e.client(opts...)}
	sockets := make(chan socket.Socket, 1)
	p.server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
		select {
		case sockets <- s:
		default:
		}
	})
	if add != nil {
		add(p.server, p.client)
	}
	e.connect(p.client)
	p.socket = <-sockets
	return p
}

// wantNothingPending checks that no end has kept anything of a request.
func (p pair) wantNothingPending(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if n := socket.Pending(p.client); n != 0 {
		t.Errorf("%d requests of the client are pending", n)
	}
	if n := socket.Pending(p.socket); n != 0 {
		t.Errorf("%d requests of the socket are pending", n)
	}
}

// answerBoth registers an answer to the requests of both ends.
func answerBoth[Req, Resp any](s *socket.Server, c *socket.Client, event socket.Event, f func(context.Context, Req) (Resp, error)) {
	socket.HandleRequest(s, event, func(ctx context.Context, _ socket.Socket, req Req) (Resp, error) { return f(ctx, req) })
	socket.OnRequest(c, event, f)
}

// callers are both ends, by name.
func (p pair) callers() map[string]socket.Caller {
	return map[string]socket.Caller{"client": p.client, "socket": p.socket}
}

func sum(_ context.Context, xs []int) (total int, err error) {
	for _, x := range xs {
		total += x
	}
	return total, nil
}

func TestEachEndAsksTheOtherAndGetsItsReply(t *testing.T) {
	type question struct{ Name string }
	type answer struct{ Text string }
	run(t, func(t *testing.T, e *env) {
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			answerBoth(s, c, "sum", sum)
			answerBoth(s, c, "greet", func(_ context.Context, q question) (*answer, error) { return &answer{"hello " + q.Name}, nil })
			answerBoth(s, c, "nothing", func(context.Context, any) (any, error) { return nil, nil })
			answerBoth(s, c, socket.EventMessage, func(_ context.Context, b []byte) (string, error) { return string(b), nil })
		})
		for who, caller := range p.callers() {
			if got, err := socket.Call[int](t.Context(), caller, "sum", []int{1, 2, 3}); got != 6 || err != nil {
				t.Errorf("%s: sum = %d, %v", who, got, err)
			}
			if got, err := socket.Call[answer](t.Context(), caller, "greet", question{"Ann"}); got.Text != "hello Ann" || err != nil {
				t.Errorf("%s: greet = %v, %v", who, got, err)
			}
			r, err := caller.Call(t.Context(), "nothing", nil)
			if string(r.Data) != "null" || err != nil {
				t.Errorf("%s: nothing = %q, %v", who, r.Data, err)
			}
			if got, err := socket.Call[string](t.Context(), caller, socket.EventMessage, []byte("bytes")); got != "bytes" || err != nil {
				t.Errorf("%s: bytes = %q, %v", who, got, err)
			}
			var merr *socket.MessageError
			if _, err := socket.Call[string](t.Context(), caller, "sum", []int{1}); !errors.As(err, &merr) || !errors.Is(err, socket.ErrInvalidMessage) || merr.Event != "sum" {
				t.Errorf("%s: a reply of another type: %v", who, err)
			}
			if _, err := caller.Call(t.Context(), "sum", make(chan int)); !errors.As(err, &merr) {
				t.Errorf("%s: data that cannot be encoded: %v", who, err)
			}
			if _, err := caller.Call(t.Context(), "", nil); !errors.As(err, &merr) {
				t.Errorf("%s: a request without an event: %v", who, err)
			}
		}
		p.wantNothingPending(t)
	}, websocket, polling)
}

func TestRequestsAreHandledInTheirPlaceAmongTheMessages(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var atServer, atClient []int // not guarded: the race detector sees handlers that overlap
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			socket.Handle(s, "n", func(_ socket.Socket, n int) { atServer = append(atServer, n) })
			socket.HandleRequest(s, "seen", func(context.Context, socket.Socket, any) ([]int, error) { return slices.Clone(atServer), nil })
			socket.On(c, "n", func(n int) { atClient = append(atClient, n) })
			socket.OnRequest(c, "seen", func(context.Context, any) ([]int, error) { return slices.Clone(atClient), nil })
		})
		var want []int
		for n := range 100 {
			want = append(want, n)
			p.client.Send("n", n)
			p.socket.Send("n", n)
			for who, caller := range p.callers() {
				if got, err := socket.Call[[]int](t.Context(), caller, "seen", nil); !slices.Equal(got, want) || err != nil {
					t.Fatalf("%s: %v, %v had been handled before a request behind %d", who, got, err, n)
				}
			}
		}
	}, websocket, polling)
}

func TestARequestIsForItsResponderAndAnEventForItsHandlers(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			s.HandleFunc("x", func(socket.Socket, interface{}) { tr.add("handler of the server") })
			c.On("x", func(interface{}) { tr.add("handler of the client") })
			answerBoth(s, c, "x", func(context.Context, any) (any, error) { tr.add("responder"); return nil, nil })
			s.HandleFunc("only handled", func(socket.Socket, interface{}) { t.Error("a handler ran for a request") })
			c.On("only handled", func(interface{}) { t.Error("a handler ran for a request") })
		})
		for who, caller := range p.callers() {
			if _, err := caller.Call(t.Context(), "x", nil); err != nil {
				t.Errorf("%s: %v", who, err)
			}
			for _, event := range []string{"only handled", "connect", "disconnect", "error", "message", "?"} {
				var rerr *socket.ReplyError
				if _, err := caller.Call(t.Context(), event, nil); !errors.As(err, &rerr) || rerr.Code != socket.CodeUnknownEvent {
					t.Errorf("%s: a request without a responder: %v", who, err)
				}
			}
		}
		tr.want(t, "responder", "responder")
		p.client.Send("x", nil)
		e.settle()
		p.socket.Send("x", nil)
		e.settle()
		tr.want(t, "responder", "responder", "handler of the server", "handler of the client")
		p.client.Off("x")
		if _, err := p.socket.Call(t.Context(), "x", nil); err == nil {
			t.Error("a responder that was removed has answered")
		}
	}, websocket, polling)
}

// What a responder returns as a ReplyError is told as it is. Of any other error the
// other end hears nothing, and this end all of it.
func TestErrorsOfAResponderReachTheOtherEndWithoutAnythingInternal(t *testing.T) {
	const secret = "password of the database"
	for _, tt := range []struct {
		name    string
		respond func(context.Context, int) (any, error)
		data    any
		code    string
		message string
		report  string // part of what EventError gets; "": nothing
	}{
		{"a ReplyError", func(context.Context, int) (any, error) {
			return nil, &socket.ReplyError{Code: "not_found", Message: "no such <thing>"}
		}, 1, "not_found", "no such <thing>", ""},
		{"one inside another error", func(context.Context, int) (any, error) {
			return 1, fmt.Errorf("%s: %w", secret, &socket.ReplyError{Code: "gone", Message: "it is gone"})
		}, 1, "gone", "it is gone", ""},
		{"any other", func(context.Context, int) (any, error) { return 1, errors.New(secret) }, 1, socket.CodeInternal, "the request could not be answered", secret},
		{"a result that cannot be encoded", func(context.Context, int) (any, error) { return func() {}, nil }, 1, socket.CodeInternal, "the request could not be answered", `message "x"`},
		{"data of another type", func(context.Context, int) (any, error) { return nil, nil }, "text", socket.CodeInvalidData, "the data is not what the event takes", `message "x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				var reports trace
				p := e.pair(func(s *socket.Server, c *socket.Client) {
					answerBoth(s, c, "x", tt.respond)
					report := func(err *socket.MessageError) {
						reports.add("%s", err.Event)
						if tt.report == "" || !strings.Contains(err.Error(), tt.report) {
							t.Errorf("reported: %v, want %q", err, tt.report)
						}
					}
					socket.Handle(s, socket.EventError, func(_ socket.Socket, err *socket.MessageError) { report(err) })
					socket.On(c, socket.EventError, report)
				})
				for who, caller := range p.callers() {
					var rerr *socket.ReplyError
					_, err := caller.Call(t.Context(), "x", tt.data)
					if !errors.As(err, &rerr) || rerr.Code != tt.code || rerr.Message != tt.message {
						t.Errorf("%s: the error is %v, want %s: %s", who, err, tt.code, tt.message)
					}
				}
				synctest.Wait()
				if tt.report == "" {
					reports.want(t)
				} else {
					reports.want(t, "x", "x")
				}
				if !p.client.IsConnected() || !p.socket.IsConnected() {
					t.Error("the connection has ended")
				}
				p.wantNothingPending(t)
			}, websocket, polling)
		})
	}
}

func TestAResponderThatPanicsClosesItsSocketAndTheRequesterGetsAnError(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		reason := make(chan error, 1)
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			answerBoth(s, c, "x", func(context.Context, any) (any, error) { panic("no") })
			socket.Handle(s, socket.EventDisconnect, func(_ socket.Socket, err error) { reason <- err })
		}, socket.WithReconnectAttempts(-1))
		var rerr *socket.ReplyError
		if _, err := p.client.Call(t.Context(), "x", nil); !errors.As(err, &rerr) || rerr.Code != socket.CodeInternal {
			t.Errorf("the requester gets %v", err)
		}
		var perr *socket.PanicError
		if err := <-reason; !errors.As(err, &perr) || perr.Value != "no" {
			t.Errorf("the socket was closed for %v", err)
		}
	}, websocket, polling)
}

func TestAPanicOfAClientsResponderIsAnErrorForTheServer(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			answerBoth(s, c, "x", func(context.Context, any) (any, error) { panic("no") })
		}, socket.WithReconnectAttempts(0))
		e.settle() // the client has shown that it has the session
		var rerr *socket.ReplyError
		if _, err := p.socket.Call(t.Context(), "x", nil); !errors.As(err, &rerr) || rerr.Code != socket.CodeInternal {
			t.Errorf("the requester gets %v", err)
		}
	}, websocket, polling)
}

// The wire format, as a client knows it that has nothing but JSON.
func TestAPlainClientAsksAndAnswers(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var reports trace
		server := e.serve()
		socket.HandleRequest(server, "sum", func(ctx context.Context, _ socket.Socket, xs []int) (int, error) { return sum(ctx, xs) })
		socket.HandleRequest(server, "no", func(context.Context, socket.Socket, any) (any, error) {
			return nil, &socket.ReplyError{Code: "not_found", Message: "no"}
		})
		socket.Handle(server, socket.EventError, func(_ socket.Socket, err error) { reports.add("%t", errors.Is(err, socket.ErrInvalidMessage)) })
		server.HandleFunc("plain", func(s socket.Socket, _ interface{}) { s.Send("plain", nil) })
		socket.Handle(server, "ask", func(s socket.Socket, _ any) {
			name, err := socket.Call[string](t.Context(), s, "name", 1)
			s.Send("asked", fmt.Sprint(name, " ", err))
		})
		p := e.raw()
		p.say(`{"req":7,"event":"sum","data":[1,2]}`)
		p.want(`{"re":7,"data":3}`)
		p.say(` {"data":[3] , "event":"sum","other":1, "r\u0065q":0 } `)
		p.want(`{"re":0,"data":3}`)
		p.say(`{"req":9007199254740991,"event":"sum"}`)
		p.want(`{"re":9007199254740991,"data":0}`)
		p.say(`{"req":8,"event":"no"}`)
		p.want(`{"re":8,"error":{"code":"not_found","message":"no"}}`)
		p.say(`{"req":8,"event":"?"}`)
		p.want(`{"re":8,"error":{"code":"unknown_event","message":"nothing answers requests of this event"}}`)
		p.say(`{"req":8,"event":"sum","data":"x"}`)
		p.want(`{"re":8,"error":{"code":"invalid_data","message":"the data is not what the event takes"}}`)
		// Replies to nothing, an event for which there is only a responder, and what is
		// no request: nothing of that is answered.
		p.say(`{"re":1,"data":2}`, `{"re":1,"error":{}}`, `{"event":"sum","data":[1]}`, `{"req":"x","event":"sum","data":[1]}`,
			`{"req":-1,"event":"sum","data":[1]}`, `{"req":1,"req":1,"event":"sum","data":[1]}`, `{"event":"plain"}`)
		p.want(`{"event":"plain","data":null}`)
		reports.want(t, "true", "true", "true", "true") // and that "x" are no numbers

		p.say(`{"event":"ask"}`)
		p.want(`{"req":1,"event":"name","data":1}`)
		p.say(`{"re":2,"data":"wrong"}`, `{ "data": "Ann", "re": 1 }`, `{"re":1,"data":"again"}`)
		p.want(`{"event":"asked","data":"Ann \u003cnil\u003e"}`)
		for reply, want := range map[string]string{
			`"error":{"code":"busy","message":"later"}`: `" socket: reply: busy: later"`,
			`"error":{}`:              `" socket: reply: : "`,
			`"error":null,"data":"x"`: `"x \u003cnil\u003e"`,
		} {
			p.say(`{"event":"ask"}`)
			asked, err := p.Receive()
			if err != nil {
				t.Fatal(err)
			}
			var number int
			fmt.Sscanf(string(asked), `{"req":%d`, &number)
			p.say(fmt.Sprintf(`{"re":%d,%s}`, number, reply))
			p.want(`{"event":"asked","data":` + want + `}`)
		}
		if n := socket.Pending(server); n != 0 {
			t.Errorf("%d requests are pending", n)
		}
	}, websocket, polling)
}

func TestAReplyWhoseErrorIsNoneIsAMessageError(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		failed := make(chan error, 1)
		server.HandleFunc("ask", func(s socket.Socket, _ interface{}) {
			_, err := s.Call(t.Context(), "name", nil)
			failed <- err
		})
		p := e.raw()
		p.say(`{"event":"ask"}`)
		p.want(`{"req":1,"event":"name","data":null}`)
		p.say(`{"re":1,"error":"text"}`)
		var merr *socket.MessageError
		if err := <-failed; !errors.As(err, &merr) || !errors.Is(err, socket.ErrInvalidMessage) {
			t.Errorf("the error is %v", err)
		}
	}, websocket, polling)
}

func TestAThousandRequestsAtATimeGetEachItsOwnReply(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		const n = 1000
		s := e.serve(socket.WithMaxRequests(-1))
		c := e.client(socket.WithClientMaxRequests(-1))
		answerBoth(s, c, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
		e.connect(c)
		synctest.Wait()
		p := pair{s, c, socket.Sockets(s)[0]}
		var right atomic.Int32
		done := make(chan struct{})
		for _, caller := range p.callers() {
			for i := range n {
				go func() {
					got, err := socket.Call[int](t.Context(), caller, "double", i)
					if got == 2*i && err == nil {
						right.Add(1)
					} else {
						t.Errorf("request %d: %d, %v", i, got, err)
					}
					done <- struct{}{}
				}()
			}
		}
		for range 2 * n {
			<-done
		}
		if got := right.Load(); got != 2*n {
			t.Errorf("%d of %d replies are right", got, 2*n)
		}
		p.wantNothingPending(t)
	}, websocket, polling)
}

func TestAResponderIsOneAndForNoReservedEvent(t *testing.T) {
	server, client := socket.NewServer(socket.WithLogger(nil)), socket.NewClient(new(flaky))
	answer := func(context.Context, socket.Socket, any) (any, error) { return nil, nil }
	on := func(context.Context, any) (any, error) { return nil, nil }
	socket.HandleRequest(server, "x", answer)
	socket.OnRequest(client, "x", on)
	for name, f := range map[string]func(){
		"a second one":               func() { socket.HandleRequest(server, "x", answer) },
		"a second one of the client": func() { socket.OnRequest(client, "x", on) },
		"connect":                    func() { socket.HandleRequest(server, socket.EventConnect, answer) },
		"disconnect":                 func() { socket.OnRequest(client, socket.EventDisconnect, on) },
		"error":                      func() { socket.OnRequest(client, socket.EventError, on) },
		"nil":                        func() { socket.HandleRequest[any, any](server, "y", nil) },
		"nil of the client":          func() { socket.OnRequest[any, any](client, "y", nil) },
	} {
		func() {
			defer func() {
				if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "socket: ") {
					t.Errorf("%s: no panic that says so", name)
				}
			}()
			f()
		}()
	}
	client.Off("x")
	socket.OnRequest(client, "x", on)
}

func TestTheContextOfAResponderEndsWithTheSocket(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		ended := make(chan error, 2)
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			answerBoth(s, c, "wait", func(ctx context.Context, _ any) (any, error) {
				<-ctx.Done()
				ended <- ctx.Err()
				return nil, ctx.Err()
			})
		})
		for _, caller := range p.callers() {
			go caller.Call(t.Context(), "wait", nil)
		}
		e.settle()
		p.client.Close()
		for range 2 {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the context ended with %v", err)
			}
		}
	}, websocket, polling)
}

// A batch may wait for long; a request and its reply do not.
func TestRequestsAndRepliesLeaveAtOnceBehindWhatIsBatched(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			socket.Handle(s, "n", func(_ socket.Socket, n int) { tr.add("%d", n) })
			answerBoth(s, c, "x", func(context.Context, any) (any, error) { tr.add("request"); return nil, nil })
		}, socket.WithBatchSend(100, time.Hour))
		p.client.Send("n", 1)
		p.client.Send("n", 2)
		began := time.Now()
		if _, err := p.client.Call(t.Context(), "x", nil); err != nil {
			t.Error(err)
		}
		p.client.Send("n", 3)
		if _, err := p.socket.Call(t.Context(), "x", nil); err != nil {
			t.Error(err)
		}
		e.settle()
		tr.want(t, "1", "2", "request", "request", "3")
		if d := time.Since(began); d > time.Minute {
			t.Errorf("it took %v", d)
		}
	}, websocket, polling)
}

func TestAReplyThatIsTooLargeToBeSentIsAnError(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		reported := make(chan error, 1)
		server := e.serve(socket.WithSendQueue(1<<10, 10))
		socket.HandleRequest(server, "much", func(context.Context, socket.Socket, any) (string, error) {
			return strings.Repeat("x", 10<<10), nil
		})
		socket.Handle(server, socket.EventError, func(_ socket.Socket, err error) { reported <- err })
		c := e.connected()
		var rerr *socket.ReplyError
		if _, err := c.Call(t.Context(), "much", nil); !errors.As(err, &rerr) || rerr.Code != socket.CodeInternal {
			t.Errorf("the requester gets %v", err)
		}
		if err := <-reported; !strings.Contains(err.Error(), "WithSendQueue") {
			t.Errorf("reported: %v", err)
		}
		if !c.IsConnected() {
			t.Error("the connection has ended")
		}
	}, polling) // over WebSocket it leaves alone, however large it is
}
