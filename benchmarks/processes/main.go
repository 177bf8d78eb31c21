// Processes measures package distributed beside a goroutine with a channel, protoactor-go,
// and Erlang where erl and erlc are installed. It prints a Markdown table:
//
//	go run . -rounds 9
//
// A figure is CPU time of the whole operating-system process per operation, garbage
// collection and all threads included: the median of the rounds, with the quartiles. The
// implementations take turns in every round, each in a process of its own.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// row is one thing that is measured.
type row struct {
	name  string
	about string
	unit  string
	n     int // operations in one round
}

var rows = []row{
	{"send", "send and handle, one to one", "ns", 2_000_000},
	{"fan-in", "send and handle, 1,000 to one", "ns", 2_000_000},
	{"wake", "wake a process that is idle, per message", "ns", 500_000},
	{"call", "call and reply", "ns", 300_000},
	{"spawn", "spawn", "ns", 300_000},
	{"supervised", "spawn under a supervisor", "ns", 200_000},
	{"down", "stop a process that is watched, and handle its DOWN", "ns", 200_000},
	{"done", "a message ends a process that is watched, and its DOWN is handled", "ns", 200_000},
	{"crash", "crash and restart under a supervisor", "ns", 100_000},
	{"idle", "memory of an idle process, of 1,000,000", "B", 1_000_000},
}

// implementation measures rows: each function does n operations, and returns the bytes that
// they have taken if that is what the row asks for.
type implementation struct {
	name string
	rows map[string]func(n int) (bytes uint64)
}

// result is what one process has measured.
type result struct{ PerOp float64 }

func main() {
	rounds := flag.Int("rounds", 5, "`rounds` of each column")
	only := flag.String("only", "", "measure only the rows whose names contain this `text`")
	profile := flag.String("profile", "", "with -one, write a CPU profile to this `file`")
	one := flag.String("one", "", "measure `implementation/row/n` in this process, and print it as JSON")
	flag.Parse()
	if *one != "" {
		measure(*one, *profile)
		return
	}
	var columns []func(row) (float64, bool)
	var names []string
	for _, impl := range implementations {
		names = append(names, impl.name)
		columns = append(columns, func(r row) (float64, bool) { return inProcess(impl, r) })
	}
	if beam := newErlang(); beam != nil {
		defer beam.close()
		names = append(names, "Erlang")
		columns = append(columns, beam.measure)
	}
	fmt.Printf("| CPU per operation | %s |\n|---%s|\n", strings.Join(names, " | "), strings.Repeat("|---", len(names)))
	for _, r := range rows {
		if !strings.Contains(r.name, *only) {
			continue
		}
		measured := make([][]float64, len(columns))
		for range *rounds {
			for i, column := range columns {
				if v, ok := column(r); ok {
					measured[i] = append(measured[i], v)
				}
			}
		}
		fmt.Printf("| %s |", r.about)
		for _, list := range measured {
			fmt.Printf(" %s |", spread(list, r.unit))
		}
		fmt.Println()
	}
}

// spread writes the median, and the quartiles around it.
func spread(list []float64, unit string) string {
	if len(list) == 0 {
		return "–"
	}
	slices.Sort(list)
	at := func(q float64) float64 { return list[int(q*float64(len(list)-1)+0.5)] }
	return fmt.Sprintf("**%.0f** %s (%.0f–%.0f)", at(0.5), unit, at(0.25), at(0.75))
}

// inProcess measures a row in a process of its own.
func inProcess(impl implementation, r row) (float64, bool) {
	if impl.rows[r.name] == nil {
		return 0, false
	}
	self, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	cmd := exec.Command(self, "-one", fmt.Sprint(impl.name, "/", r.name, "/", r.n))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		log.Fatalf("%s, %s: %v", impl.name, r.name, err)
	}
	var res result
	if err := json.Unmarshal(out, &res); err != nil {
		log.Fatal(err)
	}
	return res.PerOp, true
}

// measure is what the process does that inProcess starts.
func measure(one, profile string) {
	parts := strings.Split(one, "/")
	n, err := strconv.Atoi(parts[len(parts)-1])
	if err != nil || len(parts) != 3 {
		log.Fatalf("-one %s", one)
	}
	for _, impl := range implementations {
		f := impl.rows[parts[1]]
		if impl.name != parts[0] || f == nil {
			continue
		}
		f(max(n/20, 1)) // what happens once has happened
		if profile != "" {
			file, err := os.Create(profile)
			if err != nil {
				log.Fatal(err)
			}
			if err := pprof.StartCPUProfile(file); err != nil {
				log.Fatal(err)
			}
			defer pprof.StopCPUProfile()
		}
		apart = 0
		before := cpu()
		bytes := f(n)
		took := float64(cpu() - before - apart)
		if bytes > 0 {
			took = float64(bytes)
		}
		if err := json.NewEncoder(os.Stdout).Encode(result{took / float64(n)}); err != nil {
			log.Fatal(err)
		}
		return
	}
	log.Fatalf("-one %s: there is none", one)
}

// apart is CPU time that a row has spent on what is not measured.
var apart time.Duration

// prepare runs f, which only prepares what is measured.
func prepare(f func()) {
	before := cpu()
	f()
	apart += cpu() - before
}

// cpu is the CPU time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// erlang runs bench.erl.
type erlang struct {
	dir   string
	start time.Duration // CPU time of a run that does nothing
}

// newErlang returns nil where there is no Erlang.
func newErlang() *erlang {
	if _, err := exec.LookPath("erlc"); err != nil {
		return nil
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		log.Fatal(err)
	}
	source, err := filepath.Abs("bench.erl")
	if err != nil {
		log.Fatal(err)
	}
	if out, err := exec.Command("erlc", "-o", dir, source).CombinedOutput(); err != nil {
		log.Fatalf("erlc: %v\n%s", err, out)
	}
	e := &erlang{dir: dir}
	var starts []time.Duration
	for range 5 {
		took, _ := e.run("nothing", 1)
		starts = append(starts, took)
	}
	slices.Sort(starts)
	e.start = starts[2]
	return e
}

func (e *erlang) close() { _ = os.RemoveAll(e.dir) } // it is in a directory for what is temporary

func (e *erlang) run(row string, n int) (cpu time.Duration, out string) {
	cmd := exec.Command("erl", "-noshell", "+sbwt", "none", "+P", "2000000", "-pa", e.dir,
		"-run", "bench", "run", row, strconv.Itoa(n), "-s", "init", "stop")
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		log.Fatalf("erl, %s: %v", row, err)
	}
	s := cmd.ProcessState
	return s.UserTime() + s.SystemTime(), strings.TrimSpace(string(b))
}

func (e *erlang) measure(r row) (float64, bool) {
	if r.name == "down" || r.name == "done" {
		return 0, false // what comes before cannot be told apart from outside
	}
	took, out := e.run(r.name, r.n)
	if r.unit == "B" {
		bytes, err := strconv.ParseFloat(out, 64)
		if err != nil {
			log.Fatalf("erl, %s: %q", r.name, out)
		}
		return bytes / float64(r.n), true
	}
	return float64(took-e.start) / float64(r.n), true
}
