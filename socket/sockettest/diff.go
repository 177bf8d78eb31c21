package sockettest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// maxDifferences is how many differences are told.
const maxDifferences = 10

// diff returns where two JSON texts say different things, a line each: the path, and
// what is there and what should be.
func diff(got, want []byte) []string {
	var d differences
	d.value("", decode(got), decode(want))
	if n := len(d.lines) - maxDifferences; n > 0 {
		d.lines = append(d.lines[:maxDifferences], fmt.Sprintf("and %d more", n))
	}
	return d.lines
}

// decode decodes JSON that is known to be valid, with its numbers as they are.
func decode(text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic("BUG: sockettest: " + err.Error())
	}
	return v
}

type differences struct{ lines []string }

// missing is where there is no value.
type missing struct{}

func (d *differences) value(path string, got, want any) {
	switch want := want.(type) {
	case map[string]any:
		if got, ok := got.(map[string]any); ok {
			d.object(path, got, want)
			return
		}
	case []any:
		if got, ok := got.([]any); ok {
			d.array(path, got, want)
			return
		}
	case json.Number:
		if got, ok := got.(json.Number); ok && sameNumber(got, want) {
			return
		}
	default: // string, bool, nil, missing: these compare
		if got == nil || !isComposite(got) {
			if got == want {
				return
			}
		}
	}
	if path == "" {
		path = "the value"
	}
	d.lines = append(d.lines, fmt.Sprintf("%s: got %s, want %s", path, show(got), show(want)))
}

func (d *differences) object(path string, got, want map[string]any) {
	names := maps.Clone(got)
	maps.Copy(names, want)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		g, inGot := got[name]
		if !inGot {
			g = missing{}
		}
		w, inWant := want[name]
		if !inWant {
			w = missing{}
		}
		d.value(path+"."+name, g, w)
	}
}

func (d *differences) array(path string, got, want []any) {
	for i := range max(len(got), len(want)) {
		var g, w any = missing{}, missing{}
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		d.value(path+"["+strconv.Itoa(i)+"]", g, w)
	}
}

func isComposite(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// sameNumber reports whether two numbers are the same, however they are written.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	i, aErr := a.Int64()
	j, bErr := b.Int64()
	if aErr == nil && bErr == nil {
		return i == j // a float64 may not tell them apart
	}
	x, xErr := a.Float64()
	y, yErr := b.Float64()
	return xErr == nil && yErr == nil && x == y
}

func show(v any) string {
	if v == (missing{}) {
		return "nothing"
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic("BUG: sockettest: " + err.Error())
	}
	return clip(text)
}
