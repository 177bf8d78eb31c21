package distributed_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/kleeedolinux/socket.go/distributed"
)

// BenchmarkSendGroup is the way to the members alone: their mailboxes are full.
func BenchmarkSendGroup(b *testing.B) {
	const members = 10000
	n := distributed.NewNode("n", distributed.WithLogger(nil))
	hold := make(chan struct{})
	for range members {
		r, _ := distributed.Spawn(n, func(_ *distributed.Process, m int) error { <-hold; return distributed.ErrNormal },
			distributed.WithGroups("g"), distributed.WithMailbox(1, distributed.DropNewest))
		r.Send(0)
	}
	b.ReportAllocs()
	for b.Loop() {
		distributed.SendGroup(n, "g", 1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/members, "ns/member")
	close(hold)
	n.Stop()
}

func BenchmarkJoinAndEnd(b *testing.B) {
	n := distributed.NewNode("n", distributed.WithLogger(nil))
	b.ReportAllocs()
	for b.Loop() {
		r, _ := distributed.Spawn(n, func(_ *distributed.Process, m int) error { return nil }, distributed.WithGroups("g"))
		n.Kill(r.ID())
	}
	n.Stop()
}

func BenchmarkWriteTree(b *testing.B) {
	for _, processes := range []int{1000, 1000000} {
		b.Run(fmt.Sprint("processes=", processes), func(b *testing.B) {
			n := distributed.NewNode("n", distributed.WithLogger(nil))
			for range processes {
				distributed.Spawn(n, func(_ *distributed.Process, m int) error { return nil })
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := n.WriteTree(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
