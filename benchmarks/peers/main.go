// Command peers measures this module beside other WebSocket libraries of Go, in
// the CPU time that a server spends on a message. It needs Linux.
//
//	go run .                          # the table, a quarter of an hour
//	go run . -check                   # the same, coarse: a few minutes
//	go run . -check -row "64 KiB" -servers gws,socket.go
//	go run . -row chat -servers socket.go -profile /tmp/profiles
//	go run . -servers "socket.go events,socket.go sessions" -base "socket.go events"
//
// Each server runs in a process of its own on the first processor, the load in
// another on the second; the server's CPU time is read before and after each
// round. The servers take turns round by round, and rounds are short, so that what
// changes on the machine meets all of them. A cell is the median of the rounds, and
// of their ratios to the server that -base names: 2.00x spends half the time.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 5 && os.Args[1] == "server" {
		exit(runServer(os.Args[2], os.Args[3], os.Args[4]))
	}
	if len(os.Args) == 5 && os.Args[1] == "load" {
		exit(runLoad(os.Args[2], os.Args[3], os.Args[4]))
	}
	row := flag.String("row", "", "only rows whose name matches this regular expression")
	only := flag.String("servers", "", "only these servers, separated by commas")
	base := flag.String("base", "gws", "the server that the ratios refer to")
	rounds := flag.Int("rounds", 21, "rounds of each cell, at most 9 or 11 of long ones")
	length := flag.Duration("time", 250*time.Millisecond, "length of a round")
	check := flag.Bool("check", false, "coarse and fast: 5 rounds of 200 ms, unless -rounds and -time say otherwise")
	verbose := flag.Bool("v", false, "print every round to standard error, and how busy both processors were")
	profile := flag.String("profile", "", "write a CPU profile of each server and row to this folder")
	flag.Parse()
	if *check {
		given := map[string]bool{}
		flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
		if !given["rounds"] {
			*rounds = 5
		}
		if !given["time"] {
			*length = 200 * time.Millisecond
		}
	}
	pattern, err := regexp.Compile("(?i)" + *row)
	if err != nil {
		exit(err)
	}
	names := columns()
	if *only != "" {
		names = strings.Split(*only, ",")
	}
	for _, name := range append(names, *base) {
		if _, ok := servers[name]; !ok {
			exit(fmt.Errorf("no server named %q: there are %s", name, strings.Join(serverNames(), ", ")))
		}
	}
	if *rounds < 1 {
		exit(fmt.Errorf("-rounds %d: there is nothing to measure", *rounds))
	}
	r := &runner{names: names, base: *base, rounds: *rounds, length: *length, verbose: *verbose, profile: *profile}
	r.header()
	for _, w := range workloads {
		if pattern.MatchString(w.name) {
			if err := r.row(w); err != nil {
				exit(err)
			}
		}
	}
	exit(nil)
}

// columns is the order of the columns: peers, what system calls alone cost, this
// module.
func columns() []string {
	return []string{"gws", "gorilla", "coder", "gobwas", "nbio", "limit", "socket.go", "socket.go events"}
}

// serverNames are all that can be measured.
func serverNames() []string { return append(columns(), withSessions) }

func findWorkload(name string) (workload, error) {
	i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })
	if i < 0 {
		return workload{}, fmt.Errorf("no workload named %q", name)
	}
	return workloads[i], nil
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
