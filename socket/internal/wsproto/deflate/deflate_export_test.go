package deflate

import "math"

// WearOut leaves e with numbers for n more bytes, or with as few as it has.
func (e *Encoder) WearOut(n int) { e.first = max(e.first, math.MaxUint32-uint64(n)) }

// Kept returns how many bytes e holds besides itself.
func (e *Encoder) Kept() int { return cap(e.scratch) + 2*cap(e.chain) }

// Kept returns how many bytes c holds besides itself.
func (c *Context) Kept() int { return cap(c.ring) + 2*cap(c.table) }
