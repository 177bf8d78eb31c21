// Command peers measures this module beside other WebSocket libraries of Go, in
// the CPU time that a server spends on a message.
//
//	go run .                       # the table, about a quarter of an hour
//	go run . -row echo -rounds 3   # only rows whose name contains "echo"
//	go run . -servers socket.go,gws
//
// Each server runs in a process of its own on the first processor, the load in
// another on the second; the server's CPU time is read before and after each
// round. The servers take turns round by round, so that what changes on the
// machine meets all of them. A cell is the median of the rounds, as a ratio to
// the server that -base names: 2.00x spends half the time.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "server":
			exit(runServer(os.Args[2], os.Args[3]))
		case "load":
			exit(runLoad(os.Args[2], findWorkload(os.Args[3])))
		}
	}
	row := flag.String("row", "", "only rows whose name contains this")
	only := flag.String("servers", "", "only these servers, separated by commas")
	base := flag.String("base", "gws", "the server that the ratios refer to")
	rounds := flag.Int("rounds", 5, "rounds of each cell")
	length := flag.Duration("time", time.Second, "length of a round")
	idle := flag.Int("idle", 10000, "connections for the row about memory, 0: leave it out")
	flag.Parse()

	names := []string{"gws", "gorilla", "coder", "gobwas", "nbio", "socket.go", "socket.go events"}
	if *only != "" {
		names = strings.Split(*only, ",")
	}
	t := newTable(names, *base)
	for _, w := range workloads {
		if strings.Contains(w.name, *row) {
			exitOn(t.measure(w, *rounds, *length))
		}
	}
	if *idle > 0 && strings.Contains("memory", *row) {
		exitOn(t.memory(*idle))
	}
}

func findWorkload(name string) workload {
	i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })
	if i < 0 {
		exit(fmt.Errorf("no workload named %q", name))
	}
	return workloads[i]
}

func exitOn(err error) {
	if err != nil {
		exit(err)
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
