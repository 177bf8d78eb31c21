package deflate_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// mix makes the messages of one connection, all of about the given size: chat,
// ticker and presence as JSON, one after another.
type mix struct {
	rng  *rand.Rand
	size int
	n    int
}

func newMix(size int) *mix { return &mix{rng: rand.New(rand.NewPCG(uint64(size), 1)), size: size} }

// messages returns n of them.
func (m *mix) messages(n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = m.next()
	}
	return list
}

func (m *mix) next() []byte {
	m.n++
	var b strings.Builder
	switch m.n % 3 {
	case 0:
		m.chat(&b)
	case 1:
		m.ticker(&b)
	default:
		m.presence(&b)
	}
	return []byte(b.String())
}

var (
	mixNames = strings.Fields("alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy rupert sybil trent victor walter")
	mixWords = strings.Fields("the a to and of is in it that you for was on are with have this be not but what all when can said there use each which do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number way could people my than first water been call who its now find long down day did get come made may part well yes no ok lol thanks deploy build server release please check")
	mixCoins = strings.Fields("BTC-USD ETH-USD SOL-USD ADA-EUR XRP-USD DOGE-USD LTC-EUR DOT-USD AVAX-USD LINK-USD")
	mixState = strings.Fields("online away busy offline typing")
)

func pick(rng *rand.Rand, list []string) string { return list[rng.IntN(len(list))] }

func (m *mix) chat(b *strings.Builder) {
	fmt.Fprintf(b, `{"event":"chat","data":{"room":"general","from":"%s","id":%d,"text":"`, pick(m.rng, mixNames), 100000+m.n*7)
	for {
		b.WriteString(pick(m.rng, mixWords))
		if b.Len() >= m.size-12 {
			break
		}
		b.WriteByte(' ')
	}
	b.WriteString(`"}}`)
}

func (m *mix) ticker(b *strings.Builder) {
	b.WriteString(`{"event":"ticker","data":[`)
	for {
		price := m.rng.Float64() * 60000
		fmt.Fprintf(b, `{"s":"%s","p":%.2f,"v":%.3f,"t":%d}`, pick(m.rng, mixCoins), price, m.rng.Float64()*900, 1700000000000+int64(m.n)*137)
		if b.Len() >= m.size-20 {
			break
		}
		b.WriteByte(',')
	}
	b.WriteString(`]}`)
}

func (m *mix) presence(b *strings.Builder) {
	b.WriteString(`{"event":"presence","data":[`)
	for {
		name := pick(m.rng, mixNames)
		fmt.Fprintf(b, `{"user":"%s","id":"%08x","state":"%s","since":%d}`, name, m.rng.Uint32(), pick(m.rng, mixState), 1700000000+m.rng.IntN(100000))
		if b.Len() >= m.size-30 {
			break
		}
		b.WriteByte(',')
	}
	b.WriteString(`]}`)
}

// german returns n bytes of words as long as those of German, drawn as unevenly
// as words are.
func german(rng *rand.Rand, n int) []byte {
	parts := strings.Fields("der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat dass sie nach wird bei Geist Welt Nacht Himmel Menschen Freiheit Wissen schaft lich keit ung ver ent zer über unter Strom Wasser Feuer Seele Herz Tag Zeit")
	var b strings.Builder
	for b.Len() < n {
		for range 1 + rng.IntN(3) {
			b.WriteString(parts[int(float64(len(parts))*rng.Float64()*rng.Float64())])
		}
		b.WriteString([]string{" ", " ", " ", " ", ", ", ".\n"}[rng.IntN(6)])
	}
	return []byte(b.String()[:n])
}

// noise returns n random bytes.
func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}
