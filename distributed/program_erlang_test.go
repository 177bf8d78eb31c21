package distributed_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// needErlang is set where a test that is skipped would not do.
const needErlang = "SOCKETGO_NEED_ERLANG"

// erlang runs an escript of testdata with a file, and returns the lines that it prints.
func erlang(t *testing.T, script, input string) []string {
	t.Helper()
	escript, err := exec.LookPath("escript")
	if err != nil {
		if os.Getenv(needErlang) != "" {
			t.Fatalf("%s is set: %v", needErlang, err)
		}
		t.Skipf("there is no Erlang here (Debian: erlang-base): %v", err)
	}
	file := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(file, []byte(input), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, escript, filepath.Join("testdata", script), file)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("escript: %v\n%s%s", err, errs.String(), out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// programTerm is a program as the escript reads it.
func programTerm(seed uint64, p program) string {
	return fmt.Sprintf("{%d,%d,%d,%s}.\n", seed, programRoots, programNames, p.erlang())
}

// playErlang has Erlang run programs, and returns what has become of everybody.
func playErlang(t *testing.T, input string) map[uint64]string {
	t.Helper()
	results := make(map[uint64]string)
	var seed uint64
	var all []outcome
	for _, line := range erlang(t, "programs.escript", input) {
		names, last := strings.CutPrefix(line, "names: ")
		_, fate, process := strings.Cut(line, " | ")
		switch {
		case last:
			results[seed] = canonical(all, strings.Fields(names))
			all = nil
		case process:
			all = append(all, parseOutcome(t, line, fate))
		default:
			n, err := strconv.ParseUint(line, 10, 64)
			if err != nil {
				t.Fatalf("Erlang printed %q", line)
			}
			seed = n
		}
	}
	return results
}

func parseOutcome(t *testing.T, line, fate string) (o outcome) {
	t.Helper()
	fields := strings.Fields(strings.TrimSuffix(line, "| "+fate))
	for _, f := range append(fields[1:], fate) {
		at, text, _ := strings.Cut(f, "/")
		step, err := strconv.Atoi(at)
		if err != nil {
			t.Fatalf("Erlang printed %q", line)
		}
		o.notes = append(o.notes, note{step, text})
	}
	end := o.notes[len(o.notes)-1]
	o.notes = o.notes[:len(o.notes)-1]
	o.died, o.reason = end.step, end.text
	return o
}

func TestRandomProgramsDoWhatErlangDoes(t *testing.T) {
	from, to := seeds()
	var input strings.Builder
	for seed := from; seed < to; seed++ {
		input.WriteString(programTerm(seed, newProgram(seed)))
	}
	results := playErlang(t, input.String())
	if len(results) != int(to-from) {
		t.Fatalf("Erlang has run %d programs of %d", len(results), to-from)
	}
	wrong := 0
	for seed := from; seed < to; seed++ {
		p := newProgram(seed)
		if got := play(t, p); got != results[seed] {
			t.Errorf("-program %d:\n%vgot\n%sErlang:\n%s", seed, p, got, results[seed])
			if wrong++; wrong == 3 {
				t.FailNow()
			}
		}
	}
	t.Logf("%d programs", len(results))
}
