package transport

import (
	"net/http"
	"strconv"
	"time"
)

// maxRetryAfter is the longest that an answer can ask for: what is more is as good as
// this, and sums of it do not overflow.
const maxRetryAfter = 365 * 24 * time.Hour

// retryAfter returns how long the server wants the client to wait before it asks again,
// RFC 9110 section 10.2.3, 0 if it does not say. A date counts from that of the answer, so
// that clocks which differ do no harm, and from now where the answer has none.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		from = time.Now()
	}
	return min(max(at.Sub(from), 0), maxRetryAfter)
}
