package socket

import "errors"

// WithJoinPolicy sets a function that every join has to pass, whichever handler calls
// [Socket.Join] or [Server.Join]: it says who may be in which room, in one place. An
// error refuses the join: Join returns the *[RoomError] that the error is or wraps, or
// else one with a fixed Reason, which can be shown to the client, and the error as its
// Err.
//
// The function is asked last, for joins that are within all limits (see [WithMaxRooms]
// and [WithRateLimits]) and would change something, and not again for rooms that the
// socket is in. It runs on the goroutine that calls Join, no lock is held, and it may
// wait. Default and nil: the handlers that call Join decide.
func WithJoinPolicy(f func(s Socket, room string) error) ServerOption {
	return func(o *serverOptions) { o.joinPolicy = f }
}

// askJoin returns why a join is refused by the limits or the policy, nil if it is not. It
// is idle if there is nothing to join.
func (c *conn) askJoin(policy func(Socket, string) error, room string) (idle bool, err error) {
	c.mu.Lock()
	idle = c.reason != nil || c.member(room) >= 0
	if !idle {
		err = c.checkJoin(room, true)
	}
	c.mu.Unlock()
	if idle || err != nil {
		return idle, err
	}
	if err = policy(c, room); err == nil {
		return false, nil
	}
	var re *RoomError
	if !errors.As(err, &re) {
		re = &RoomError{Room: room, Reason: "it is not allowed (WithJoinPolicy)", Err: err}
	}
	return false, re
}
