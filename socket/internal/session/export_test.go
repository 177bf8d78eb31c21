package session

// SetLast makes n the last message that has come, and was handled.
func (i *Inbox) SetLast(n uint64) { i.last = n }
