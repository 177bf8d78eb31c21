package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// process is a server or a load that runs beside us.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start runs this program again, on one processor.
func start(cpu int, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	name, all := self, args
	if runtime.NumCPU() > 1 {
		if name, err = exec.LookPath("taskset"); err != nil {
			return nil, fmt.Errorf("servers and load need a processor each: %w", err)
		}
		all = append([]string{"-c", strconv.Itoa(cpu), self}, args...)
	}
	cmd := exec.Command(name, all...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{cmd, in, bufio.NewScanner(out)}, cmd.Start()
}

// stop ends the process by ending its input, and if that does not help, by force.
func (p *process) stop() {
	p.in.Close()
	force := time.AfterFunc(3*time.Second, func() { p.cmd.Process.Kill() })
	defer force.Stop()
	p.cmd.Wait() // how a server ends is of no interest
}

// line returns the next line that the process prints.
func (p *process) line() (string, error) {
	if !p.out.Scan() {
		return "", fmt.Errorf("%s ended: %w", strings.Join(p.cmd.Args[1:], " "), io.ErrUnexpectedEOF)
	}
	return p.out.Text(), nil
}

// ask sends a line and returns the numbers that come back.
func (p *process) ask(question string) ([]int64, error) {
	if _, err := fmt.Fprintln(p.in, question); err != nil {
		return nil, err
	}
	line, err := p.line()
	if err != nil {
		return nil, err
	}
	var numbers []int64
	for _, field := range strings.Fields(line) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("no answer to %q", question)
	}
	return numbers, nil
}

// pair is a server and its load.
type pair struct{ server, load *process }

// startPair starts both. The server writes a profile of itself to that file, if
// there is a name.
func startPair(name string, w workload, profile string) (*pair, error) {
	s, err := start(0, "server", name, w.name, profile)
	if err != nil {
		return nil, err
	}
	addr, err := s.line()
	if err != nil {
		s.stop()
		return nil, err
	}
	l, err := start(1, "load", addr, name, w.name)
	if err != nil {
		s.stop()
		return nil, err
	}
	p := &pair{server: s, load: l}
	if _, err := l.line(); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *pair) stop() {
	p.load.stop()
	p.server.stop()
}
