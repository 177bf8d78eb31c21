package distributed_test

import (
	"log"
	"net/http"
	"os"

	"github.com/kleeedolinux/socket.go/distributed"
)

// The processes of a node as text, for a log or a terminal.
func ExampleNode_WriteTree() {
	node := distributed.NewNode("shop")
	for _, name := range []distributed.ProcessID{"orders", "mail"} {
		distributed.Spawn(node, func(p *distributed.Process, m string) error { return nil }, distributed.WithName(name))
	}
	node.WriteTree(os.Stdout)
	// Output:
	// shop: 2 processes, 0 running, 0 messages wait
	// ever: 2 spawned, 0 ended, 0 crashed; 0 messages dropped; 0 zombies
	//
	// without a supervisor
	// ├─ orders  distributed_test.ExampleNode_WriteTree.func1, idle
	// └─ mail    distributed_test.ExampleNode_WriteTree.func1, idle
}

// The same as a page that keeps itself up to date. It listens where only this machine can
// reach it.
func ExampleNode_Handler() {
	node := distributed.NewNode("shop")
	operators := http.NewServeMux()
	operators.Handle("/processes", node.Handler())
	log.Fatal(http.ListenAndServe("localhost:6060", operators))
}
