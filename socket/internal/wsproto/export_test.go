package wsproto

// Held is the memory that d holds beside itself.
func (d *Decoder) Held() int {
	held := cap(d.buf) + cap(d.out)
	if d.controls != nil {
		held += len(d.controls)
	}
	return held
}
