// Package session holds what outlives a connection, as values: when to try
// again ([Backoff]), when to ask whether the peer still lives ([Heartbeat]),
// what waits for which moment ([Wheel]), what waits to be sent ([Batch]), how a
// session is called ([NewID], [NewToken]), and all that one needs to go on over
// another connection: numbers and what is kept for them ([Outbox], [Inbox]), in which
// memory ([Room]), who may go on ([Claim]), and how it is said ([Offer], [Answer]).
//
// # Time
//
// A moment is the [time.Duration] since a start that the caller chose once, as
// time.Since(start) gives it: it is monotonic, takes eight bytes in every
// connection and fits an atomic. Moments of different starts must not meet.
// [Never] is the moment that does not come. Time is an argument and a deadline
// is a result: the caller owns the clock and the one timer.
//
//	wheel := session.NewWheel(session.WheelOptions{})
//	wheel.Add(&conn.entry, conn.heartbeat.Deadline())
//	…
//	wheel.Advance(time.Since(start), func(e *session.Entry) {
//		due = append(due, e.Owner.(*conn)) // act on them when the lock is released
//	})
//
// # Goroutines
//
// Nothing here starts a goroutine, takes a lock, reads a clock or draws a random
// number, and nothing is safe for concurrent use: whoever owns a value guards
// it. Apart from making an id, nothing allocates once its slices have grown.
package session

import (
	"math"
	"time"
)

// Never is the deadline of a thing that is not going to happen.
const Never time.Duration = math.MaxInt64
