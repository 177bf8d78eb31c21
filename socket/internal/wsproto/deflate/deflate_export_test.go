package deflate

import (
	"math"
	"reflect"
)

// WearOut leaves e with numbers for n more bytes, or with as few as it has.
func (e *Encoder) WearOut(n int) { e.first = max(e.first, math.MaxUint32-uint64(n)) }

// Kept returns how many bytes e holds besides itself.
func (e *Encoder) Kept() int {
	n := cap(e.scratch)
	if e.chains != nil {
		n += 2*len(e.chains.heads) + 2*cap(e.chains.links)
	}
	if e.shortest != nil {
		n += int(reflect.TypeFor[shortest]().Size())
	}
	return n
}

// Kept returns how many bytes c holds besides itself.
func (c *Context) Kept() int { return cap(c.ring) + 2*cap(c.table) }
