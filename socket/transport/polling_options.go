package transport

import "time"

// longPollingOptions are the settings of a long-polling transport.
type longPollingOptions struct {
	sharedOptions
	interval    time.Duration
	timeout     time.Duration
	compression bool
}

// longPollingOption is an option of long polling only.
type longPollingOption func(*longPollingOptions)

func (o longPollingOption) applyLongPolling(l *longPollingOptions) { o(l) }

// WithPollInterval sets the pause after a poll that failed or brought nothing; by
// default 1 s. A poll that brought messages is followed by the next at once, and
// the server answers a poll that waits as soon as there is a message: the
// interval is not a delay of messages that follow on each other. It must be
// shorter than the server's ping interval and ping timeout together, or the
// session expires between two polls. Zero means the default, a negative interval
// no pause.
func WithPollInterval(interval time.Duration) LongPollingOption {
	return longPollingOption(func(o *longPollingOptions) { o.interval = interval })
}

// WithTimeout sets how long one HTTP request may take, and how long Send waits
// for room in the queue; by default 30 s. The server is asked to hold polls for
// less than that. Zero means the default, a negative timeout panics.
func WithTimeout(timeout time.Duration) LongPollingOption {
	if timeout < 0 {
		panic("transport: WithTimeout: negative timeout")
	}
	return longPollingOption(func(o *longPollingOptions) { o.timeout = timeout })
}

func (o *longPollingOptions) setDefaults() {
	if o.interval == 0 {
		o.interval = time.Second
	}
	if o.timeout == 0 {
		o.timeout = 30 * time.Second
	}
}
