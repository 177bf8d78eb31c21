package main

import (
	"strings"
	"testing"
)

func TestBarsAreAsLongAsMessages(t *testing.T) {
	bars, err := read(strings.NewReader(`goos: linux
BenchmarkCompression/size=100/off-2  	 1617199	 180.7 ns/op	 200.0 wire-B/op	 0 B/op
BenchmarkCompression/size=100/window=12-thorough-2  	 1617199	 180.7 ns/op	 50.00 wire-B/op	 0 B/op
PASS
`))
	if err != nil || len(bars) != 2 || bars[1] != (bar{"100", "window=12-thorough", 50}) {
		t.Fatalf("read = %v, %v", bars, err)
	}
	got := svg(bars)
	for _, want := range []string{`width="400.0"`, `width="100.0"`, ">WindowTakeover, Window: 12, Thorough<", ">messages of 100 bytes<"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("the picture does not have %q once:\n%s", want, got)
		}
	}
}

func TestNothingToDrawIsAnError(t *testing.T) {
	if _, err := read(strings.NewReader("PASS\n")); err == nil {
		t.Error("no error for no bars")
	}
}
