// Command processes serves the page of a node with about a thousand processes, for the
// browser step: POST /spawn?name=… and POST /end?name=… change something on it.
//
//	processes ADDRESS
package main

import (
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// hostile is the name of a process that would like to be something else on the page.
const hostile = "<img src=x onerror=\"document.title='owned'\">\u202egpj.exe"

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: processes ADDRESS")
	}
	node := distributed.NewNode("harbour")
	work := func(_ *distributed.Process, d time.Duration) error {
		time.Sleep(d)
		return nil
	}
	spawn := func(opts ...distributed.SpawnOption) error {
		_, err := distributed.Spawn(node, work, opts...)
		return err
	}
	for _, name := range []distributed.ProcessID{"patient", "peer", hostile} {
		if err := spawn(distributed.WithName(name), distributed.WithGroups("named")); err != nil {
			log.Fatal(err)
		}
	}
	if err := node.LinkProcesses("patient", "peer"); err != nil {
		log.Fatal(err)
	}
	for range 200 {
		if err := node.Send("patient", 10*time.Hour); err != nil {
			log.Fatal(err)
		}
	}
	for range 1000 {
		if err := spawn(); err != nil {
			log.Fatal(err)
		}
	}
	go func() {
		for range time.Tick(500 * time.Millisecond) {
			for id := range node.Processes() {
				if id != "patient" && rand.IntN(50) == 0 {
					_ = node.Send(id, time.Duration(rand.IntN(1000))*time.Millisecond) // some come to their end meanwhile
				}
			}
		}
	}()

	mux := http.NewServeMux()
	mux.Handle("/processes", node.Handler())
	answer := func(pattern string, f func(name distributed.ProcessID) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := f(distributed.ProcessID(r.FormValue("name"))); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
			}
		})
	}
	answer("POST /spawn", func(name distributed.ProcessID) error { return spawn(distributed.WithName(name)) })
	answer("POST /end", func(name distributed.ProcessID) error { return node.Exit(name, distributed.ErrShutdown) })
	log.Fatal(http.ListenAndServe(os.Args[1], mux))
}
