package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// bar is one line of the benchmark.
type bar struct {
	size, kind string
	bytes      float64
}

func main() {
	bars, err := read(os.Stdin)
	if err == nil {
		_, err = os.Stdout.WriteString(svg(bars))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func read(r io.Reader) (bars []bar, err error) {
	in := bufio.NewScanner(r)
	for in.Scan() {
		rest, ok := strings.CutPrefix(in.Text(), "BenchmarkCompression/size=")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		size, kind, _ := strings.Cut(fields[0], "/")
		if i := strings.LastIndexByte(kind, '-'); i >= 0 {
			kind = kind[:i] // the number of processors
		}
		for i, unit := range fields {
			if unit == "wire-B/op" {
				b, err := strconv.ParseFloat(fields[i-1], 64)
				if err != nil {
					return nil, err
				}
				bars = append(bars, bar{size, kind, b})
			}
		}
	}
	if len(bars) == 0 && in.Err() == nil {
		return nil, fmt.Errorf("there is no line of BenchmarkCompression")
	}
	return bars, in.Err()
}

// Where things are, in pixels.
const (
	width, rowHeight = 760, 20
	labels           = 280 // of kinds, on the left
	longest          = 400 // bar
	top              = 46
	heading          = 34 // above the bars of a size
)

// svg draws the bars in groups by size, each as a share of the group's first, which is
// what is not compressed.
func svg(bars []bar) string {
	var b strings.Builder
	y, group, whole := top, "", 0.0
	for _, r := range bars {
		if r.size != group {
			y += heading
			group, whole = r.size, r.bytes
			fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">messages of %s bytes</text>\n", labels, y-8, r.size)
		}
		color := "#2a7ab0"
		switch {
		case r.kind == "off":
			color = "#999"
		case strings.HasPrefix(r.kind, "alone"):
			color = "#7fb4d6"
		}
		length := longest * r.bytes / whole
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", labels-8, y+13, name(r.kind))
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>", labels, y+2, length, rowHeight-5, color)
		fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%d\">%.0f</text>\n", labels+length+6, y+13, r.bytes)
		y += rowHeight
	}
	head := fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"+
		"<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n<text x=\"%d\" y=\"28\" font-size=\"15\">Bytes on the wire for each message to one client</text>\n",
		width, y+14, width, y+14, width, y+14, labels)
	return head + b.String() + "</svg>\n"
}

// name is what the documentation calls a kind.
func name(kind string) string {
	kind = strings.Replace(kind, "alone", "NoTakeover", 1)
	kind = strings.Replace(kind, "window=", "WindowTakeover, Window: ", 1)
	kind = strings.Replace(kind, "table=", "TableTakeover, Window: ", 1)
	return strings.Replace(kind, "-thorough", ", Thorough", 1)
}
