package wsproto

// Inflater decompresses the messages that one connection receives, RFC 7692
// section 7.2.2. It keeps the sliding window from one message to the next when
// context takeover was agreed on.
type Inflater interface {
	// Inflate appends to dst what src, the payload of one whole message without
	// the 00 00 ff ff at its end, decompresses to. It appends at most max
	// bytes; a message that needs more is a *LimitError, and one that is no
	// valid data any other error. dst is returned in both cases, so that its
	// memory is not lost. src is not retained and not changed.
	Inflate(dst, src []byte, max int) ([]byte, error)
}

// Deflater compresses the messages that one connection sends, RFC 7692 section
// 7.2.1.
type Deflater interface {
	// Deflate appends to dst the compressed form of src without the
	// 00 00 ff ff at its end. It reports false, and appends nothing, when that
	// would save nothing: the message is then sent as it is, without RSV1.
	Deflate(dst, src []byte) ([]byte, bool)
}
