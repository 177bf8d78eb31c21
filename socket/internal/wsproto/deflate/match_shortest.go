package deflate

// reference is a match that a place could begin.
type reference struct {
	length   uint8  // less 3
	symbol   uint8  // of the distance
	distance uint16 // less 1
}

func (r reference) bytes() int { return int(r.length) + minMatch }

// step is what a place begins with: a match's length above its distance less 1, or 0 for
// a literal.
type step uint32

const (
	// At most so many earlier places are compared with one, and in all.
	shortestDepth = 256
	shortestWork  = 128 << 10

	// Within a match that has so much left, fewer are.
	knownLength = 12
	knownDepth  = 32

	shortestNice  = 128 // length of a match than which none longer is looked for
	shortestPlace = 8   // references of one place

	// Of a match longer than this, only its whole length is tried, and lengths up to this.
	shortestLengths = 40
)

// find lists the references of buf[from:]: of each place those that are longer than all
// nearer ones, the nearest first.
func (s *shortest) find(c *chains, buf []byte, from, window int, mask uint32) {
	// Three bytes are hashed, and places are numbered from 1: an empty head is out of
	// reach. What is searched has fewer than 64 Ki, so that numbers are unique.
	for i := range min(from, len(buf)-3) {
		c.insert(load4(buf, i)<<8, uint16(i+1), mask)
	}
	size := len(buf) - from
	depth := min(shortestDepth, shortestWork/size)
	most := min(shortestPlace, shortestReferences/size)
	n, before := 0, s.references[:0]
	for i := from; i < len(buf); i++ {
		first := n
		s.start[i-from] = uint16(first)
		if i+4 > len(buf) {
			continue
		}
		left := depth
		if k := len(before); k > 0 && before[k-1].bytes() > knownLength {
			left = min(left, knownDepth)
		}
		var (
			x      = load4(buf, i) << 8
			at     = uint16(i + 1)
			head   = c.insert(x, at, mask)
			reach  = min(window, i)
			length = minMatch - 1
			next   = buf[i+length] // the byte that would make a match longer
			nearer = 0
		)
		for back := int(at - head); uint(back-1) < uint(reach) && back > nearer && left > 0; left-- {
			nearer = back
			j := i - back
			if buf[j+length] == next && load4(buf, j)<<8 == x {
				if end := min(matchEnd(buf, j+3, i+3), i+maxMatch); end-i > length {
					length = end - i
					n = s.add(n, first, most, length, back-1)
					if length >= shortestNice || end == len(buf) {
						break
					}
					next = buf[end]
				}
			}
			head = c.links[int(head)&(len(c.links)-1)]
			back = int(at - head)
		}
		// What the place before had farther away goes on here.
		for _, r := range before {
			if int(r.distance) >= nearer && int(r.distance) < reach && r.bytes()-1 > length {
				length = r.bytes() - 1
				n = s.add(n, first, most, length, int(r.distance))
			}
		}
		before = s.references[first:n]
	}
	s.start[size] = uint16(n)
}

// add adds a reference behind the n that there are, or in place of the last one if the
// place has as many as it may, and returns how many there are.
func (s *shortest) add(n, first, most, length, distance int) int {
	if n-first == most {
		n--
	}
	symbol, _ := distanceCode(uint(distance))
	s.references[n] = reference{uint8(length - minMatch), uint8(symbol), uint16(distance)}
	return n + 1
}

// path finds the cheapest way through the text, by the prices.
func (s *shortest) path(text []byte) {
	p := &s.prices
	s.cost[len(text)] = 0
	for i := len(text) - 1; i >= 0; i-- {
		cost, best := p.literal[text[i]]+s.cost[i+1], step(0)
		list := s.references[s.start[i]:s.start[i+1]]
		cheapest, distance := int32(priceless), step(0)
		for k := len(list) - 1; k >= 0; k-- {
			length := list[k].bytes()
			if d := p.distance[list[k].symbol]; d < cheapest {
				cheapest, distance = d, step(list[k].distance)
			}
			if length > shortestLengths {
				if c := cheapest + p.length[length] + s.cost[i+length]; c < cost {
					cost, best = c, step(length)<<16|distance
				}
				length = shortestLengths
			}
			// The shorter ones are as well had of the nearer reference, but for its
			// price: the cheapest so far is kept for them.
			least := minMatch
			if k > 0 {
				least = list[k-1].bytes() + 1
			}
			if length < least {
				continue
			}
			lengths := p.length[least : length+1]
			behind := s.cost[i+least:][:len(lengths)]
			for l, x := range lengths {
				if c := cheapest + x + behind[l]; c <= cost {
					cost, best = c, step(least+l)<<16|distance
				}
			}
		}
		s.cost[i], s.step[i] = cost, best
	}
}

// fill makes a block of the way that was found.
func (s *shortest) fill(b *block, text []byte) {
	b.reset()
	done := 0
	for i := 0; i < len(text); {
		x := s.step[i]
		if x == 0 {
			i++
			continue
		}
		b.match(text[done:i], int(x>>16), int(x&0xffff)+1)
		i += int(x >> 16)
		done = i
	}
	b.literals(text[done:])
}
