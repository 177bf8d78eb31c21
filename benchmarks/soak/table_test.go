package main

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBarsShowTheHighestOfWhatTheyStandFor(t *testing.T) {
	got := bars([]float64{0, 1, 8, 4, 16, 2}, 3, 2)
	want := []string{
		"        16 │  █",
		"         0 │▁██",
	}
	if !slices.Equal(got, want) {
		t.Errorf("bars = %q, want %q", got, want)
	}
}

func TestBarsOfNothingAreEmpty(t *testing.T) {
	got := bars([]float64{0, 0}, 60, 2)
	want := []string{"      0.00 │", "         0 │"}
	if !slices.Equal(got, want) {
		t.Errorf("bars = %q, want %q", got, want)
	}
}

func TestSummary(t *testing.T) {
	var ns []int64
	for i := range int64(100) {
		ns = append(ns, (100-i)*1000)
	}
	if got, want := summary(ns), (latency{Count: 100, P50: 51, P99: 100}); got != want {
		t.Errorf("summary = %+v, want %+v", got, want)
	}
	if got := summary(nil); got != (latency{}) {
		t.Errorf("summary of nothing = %+v", got)
	}
}

func TestPictureIsWellFormed(t *testing.T) {
	samples := []sample{{at: time.Second, conns: 10, perConn: 7000}, {at: 2 * time.Second, conns: 10, perConn: 6000}}
	picture := svg(options{conns: 10}, samples)
	lines := 0
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, picture)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != len(series) {
		t.Errorf("%d curves, want %d", lines, len(series))
	}
}

func TestLostConnectionsAndEventsFailTheRun(t *testing.T) {
	for _, tt := range []struct {
		name string
		last report
		want string
	}{
		{"nothing", report{}, ""},
		{"connections", report{Lost: 2}, "2 connections were lost"},
		{"events", report{Missing: 1}, "1 events have not come back"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := lost([]sample{{report: tt.last}}); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("lost = %q, want %q", got, tt.want)
			}
		})
	}
}
