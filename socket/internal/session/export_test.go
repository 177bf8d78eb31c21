package session

// SetLast makes n the last message that has come, and was handled.
func (i *Inbox) SetLast(n uint64) { i.last = n }

// SetSum has an empty room count its bytes from n on.
func (r *Room) SetSum(n uint32) { r.sum, r.before = n, n }

// Holds returns how many messages a room keeps, and how many it still refers to.
func (r *Room) Holds() (kept, apart int) {
	for _, a := range r.apart[:cap(r.apart)] {
		if a.list != nil {
			apart += max(int(a.count), 1)
		}
	}
	return int(r.count), apart
}

// SetNumber makes the token of number n the only one that is good.
func (c *Claim) SetNumber(n uint32) { c.first, c.latest = n, n }
