package wsproto

import "math"

// Limits bounds what a peer can make the decoder do. Zero means the default,
// negative unlimited.
type Limits struct {
	// Message is the size of a message in bytes, after decompression. The
	// default is 64 KiB. Passing it is close code 1009.
	Message int

	// Fragments is the number of frames of one message. The default is 1,024.
	// Passing it is close code 1008.
	Fragments int

	// EmptyFragments is the number of frames in a row that bring a message
	// neither payload nor its end. The default is 16. Passing it is close code
	// 1008.
	EmptyFragments int

	// InflateRatio is how many times larger than its compressed form a message
	// may be that is larger than 64 KiB. The default is 100. Passing it is close
	// code 1009.
	InflateRatio int
}

const (
	defaultMessage        = 64 << 10
	defaultFragments      = 1024
	defaultEmptyFragments = 16
	defaultInflateRatio   = 100

	// ratioFrom is the size up to which a message may be of any ratio, bytes.
	ratioFrom = 64 << 10
)

// limit32 is n as a limit, with the given default.
func limit32(n, byDefault int) int32 {
	switch {
	case n == 0:
		return int32(byDefault)
	case n < 0 || n > math.MaxInt32:
		return math.MaxInt32
	}
	return int32(n)
}

// limit16 is limit32 for limits of which every great one means none.
func limit16(n, byDefault int) uint16 {
	return uint16(min(limit32(n, byDefault), math.MaxUint16))
}

// messageLimit is the limit on a message's bytes. Without one, streaming counts
// as far as frame lengths go, and assembly as far as a slice does.
func (c *DecoderConfig) messageLimit() uint64 {
	switch {
	case c.Limits.Message == 0:
		return defaultMessage
	case c.Limits.Message > 0:
		return uint64(c.Limits.Message)
	case c.Streaming:
		return math.MaxInt64
	}
	return math.MaxInt
}

// wireLimit is the limit on the compressed bytes of a message whose
// decompressed size may be limit. Data that does not compress grows by a few
// bytes for each stored block, a sender that flushes often by a little more.
func wireLimit(limit uint64) uint64 {
	return min(limit+limit>>6+64, math.MaxInt)
}
