package poll

// Limits bounds what one body may hold. A zero field means the default, a
// negative one no limit.
type Limits struct {
	// Messages is the number of records; by default 64.
	Messages int
	// Body is the size of the body in bytes, after decompression; by default what
	// the largest message needs, and 1 MiB at least.
	Body int
	// Message is the size of one message in bytes, decoded; by default 64 KiB.
	Message int
}

// The defaults of [Limits] and [QueueLimits].
const (
	DefaultMessages      = 64
	DefaultBody          = 1 << 20
	DefaultMessage       = 64 << 10
	DefaultQueueMessages = 1024
	DefaultQueueBytes    = 1 << 20
)

// WithDefaults returns l with the defaults in place of zeros.
func (l Limits) WithDefaults() Limits {
	l.Messages = limit(l.Messages, DefaultMessages)
	l.Message = limit(l.Message, DefaultMessage)
	if l.Body == 0 {
		l.Body = -1
		if l.Message >= 0 {
			l.Body = max(DefaultBody, 1+encoding.EncodedLen(l.Message))
		}
	}
	return l
}

// QueueLimits bounds the messages that wait to be acknowledged. A zero field
// means the default, a negative one no limit.
type QueueLimits struct {
	// Messages is their number; by default 1024.
	Messages int
	// Bytes is the sum of their payloads; by default 1 MiB.
	Bytes int
}

// WithDefaults returns l with the defaults in place of zeros.
func (l QueueLimits) WithDefaults() QueueLimits {
	return QueueLimits{
		Messages: limit(l.Messages, DefaultQueueMessages),
		Bytes:    limit(l.Bytes, DefaultQueueBytes),
	}
}

func limit(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}

// exceeds reports whether n is past the limit, where a negative limit is none.
func exceeds(n, limit int) bool { return limit >= 0 && n > limit }
