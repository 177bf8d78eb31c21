package main

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

// conversation returns the messages of one connection: enough to fill its window
// many times.
func conversation(size int) [][]byte {
	m := mix{rng: rand.New(rand.NewPCG(uint64(size), 1)), size: size}
	list := make([][]byte, max(60, 600_000/size)/3*3)
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
	names  = strings.Fields("alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy rupert sybil trent victor walter")
	words  = strings.Fields("the a to and of is in it that you for was on are with have this be not but what all when can said there use each which do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number way could people my than first water been call who its now find long down day did get come made may part well yes no ok lol thanks deploy build server release please check")
	coins  = strings.Fields("BTC-USD ETH-USD SOL-USD ADA-EUR XRP-USD DOGE-USD LTC-EUR DOT-USD AVAX-USD LINK-USD")
	states = strings.Fields("online away busy offline typing")
)

func (m *mix) pick(list []string) string { return list[m.rng.IntN(len(list))] }

func (m *mix) chat(b *strings.Builder) {
	fmt.Fprintf(b, `{"event":"chat","data":{"room":"general","from":"%s","id":%d,"text":"`, m.pick(names), 100000+m.n*7)
	for {
		b.WriteString(m.pick(words))
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
		fmt.Fprintf(b, `{"s":"%s","p":%.2f,"v":%.3f,"t":%d}`, m.pick(coins), price, m.rng.Float64()*900, 1700000000000+int64(m.n)*137)
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
		fmt.Fprintf(b, `{"user":"%s","id":"%08x","state":"%s","since":%d}`, m.pick(names), m.rng.Uint32(), m.pick(states), 1700000000+m.rng.IntN(100000))
		if b.Len() >= m.size-30 {
			break
		}
		b.WriteByte(',')
	}
	b.WriteString(`]}`)
}
