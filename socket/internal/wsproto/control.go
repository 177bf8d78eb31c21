package wsproto

// controlPayload takes the payload of a control frame, which makes an event only
// when it is whole.
func (d *Decoder) controlPayload(b []byte, e *Event) (int, error) {
	n := int(min(uint64(len(b)), d.remaining))
	p := b[:n:n]
	d.unmask(p)
	d.remaining -= uint64(n)
	if d.remaining > 0 || d.got > 0 {
		if d.controls == nil {
			d.controls = new([MaxControlPayload]byte)
		}
		d.got += byte(copy(d.controls[d.got:], p))
		if d.remaining > 0 {
			return n, nil
		}
		p = d.controls[:d.got:d.got]
		d.got = 0
	}
	d.phase = phaseHeader
	if d.opcode == OpContinuation {
		d.phase = phaseIdle
	}
	switch d.control {
	case OpPing:
		e.Kind, e.Payload = KindPing, p
	case OpPong:
		e.Kind, e.Payload = KindPong, p
	default:
		code, reason, err := ParseClose(p)
		if err != nil {
			return n, err
		}
		d.phase = phaseClosed
		e.Kind, e.Code, e.Reason = KindClose, code, reason
	}
	return n, nil
}
