package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// The picture is a column of panels, one for each series.
const (
	svgWidth, panelHeight = 760, 130
	left, right           = 70, 20
	above, below          = 34, 18 // of a panel's curve
	title                 = 40
)

// writeSVG draws the run.
func writeSVG(file string, o options, samples []sample) error {
	return os.WriteFile(file, []byte(svg(o, samples)), 0o644)
}

func svg(o options, samples []sample) string {
	var b strings.Builder
	height := title + len(series)*panelHeight + 30
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12" fill="#222">`+"\n",
		svgWidth, height, svgWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", svgWidth, height)
	fmt.Fprintf(&b, `<text x="%d" y="26" font-size="15">%d connections, %d active, %d replaced each second, %d rooms</text>`+"\n",
		left, o.conns, o.active, o.churn, o.rooms)
	for i, s := range series {
		v := make([]float64, len(samples))
		for j := range samples {
			v[j] = s.value(samples[j])
		}
		panel(&b, title+i*panelHeight, s.name, v, samples)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d">0 s</text>`+"\n", left, height-14)
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%.0f s</text>`+"\n</svg>\n", svgWidth-right, height-14, samples[len(samples)-1].at.Seconds())
	return b.String()
}

// panel draws one series from 0 up.
func panel(b *strings.Builder, y int, name string, v []float64, samples []sample) {
	from, to := y+panelHeight-below, y+above
	top, end := slices.Max(v), samples[len(samples)-1].at.Seconds()
	if top <= 0 {
		top = 1
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left, y+above-10, name)
	for _, tick := range []struct {
		at    int
		value float64
	}{{from, 0}, {(from + to) / 2, top / 2}, {to, top}} {
		fmt.Fprintf(b, `<path d="M%d %dH%d" stroke="#ddd"/><text x="%d" y="%d" text-anchor="end" fill="#666">%s</text>`+"\n",
			left, tick.at, svgWidth-right, left-8, tick.at+4, number(tick.value))
	}
	b.WriteString(`<polyline fill="none" stroke="#06c" stroke-width="1.5" points="`)
	for i, x := range v {
		px := left + samples[i].at.Seconds()/end*float64(svgWidth-left-right)
		fmt.Fprintf(b, "%.1f,%.1f ", px, float64(from)-max(x, 0)/top*float64(from-to))
	}
	b.WriteString("\"/>\n")
}
