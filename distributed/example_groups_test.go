package distributed_test

import (
	"fmt"

	"github.com/kleeedolinux/socket.go/distributed"
)

// Workers are members of a group as long as they live, whoever starts and ends them; who
// has work for all of them needs to know the group only.
func ExampleSendGroup() {
	node := distributed.NewNode("n", distributed.WithLogger(nil))
	done := make(chan string)
	for range 3 {
		distributed.Spawn(node, func(p *distributed.Process, work string) error {
			done <- work
			return distributed.ErrNormal
		}, distributed.WithGroups("workers"))
	}
	members, stop := node.WatchGroup("workers", func(e distributed.GroupEvent) {
		if e.Type == distributed.MemberLeft {
			done <- "one has left"
		}
	})
	defer stop()
	fmt.Println(len(members), "members")
	fmt.Println(distributed.SendGroup(node, "workers", "paint"), "have the message")

	for range 6 {
		fmt.Println(<-done)
	}
	node.Stop()
	fmt.Println(len(node.Members("workers")), "members")
	// Unordered output:
	// 3 members
	// 3 have the message
	// 0 members
	// paint
	// paint
	// paint
	// one has left
	// one has left
	// one has left
}
