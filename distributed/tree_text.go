package distributed

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// What WriteTree shows at most.
var textLimits = treeLimits{children: 50, all: 2000}

// WriteTree writes the processes of the node as text, for people: the supervisors and who
// is below them, in the order of their start, and then all others, the oldest first. Of
// the children of one process at most 50 are shown, and 2000 processes in all: the others
// are counted. It looks at each process of the node, without stopping any. The form of the
// text is not promised. The error is that of w.
func (n *Node) WriteTree(w io.Writer) error {
	return writeTree(w, n.tree(textLimits))
}

func writeTree(w io.Writer, t *tree) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s: %s, %d running, %s\n", printable(t.Node), count(t.Totals.Processes, "process", "processes"),
		t.Totals.Running, waiting(t.Totals.Waiting))
	fmt.Fprintf(out, "ever: %d spawned, %d ended, %d crashed; %s dropped; %s\n",
		t.Stats.Spawned, t.Stats.Ended, t.Stats.Crashed,
		count(int(t.Stats.Dropped), "message", "messages"), count(t.Stats.Zombies, "zombie", "zombies"))
	columns := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(t.Trees.Shown) > 0 || t.Trees.More != nil {
		fmt.Fprintln(columns)
		writeBranch(columns, &t.Trees, "")
	}
	if len(t.Others.Shown) > 0 || t.Others.More != nil {
		fmt.Fprintln(columns, "\nwithout a supervisor")
		writeBranch(columns, &t.Others, "")
	}
	_ = columns.Flush() // out keeps the error
	return out.Flush()
}

// writeBranch writes processes with the same parent, each as a line of two columns.
func writeBranch(w io.Writer, b *branch, indent string) {
	for i, node := range b.Shown {
		twig, below := "├─ ", "│  "
		if i == len(b.Shown)-1 && b.More == nil {
			twig, below = "└─ ", "   "
		}
		fmt.Fprintf(w, "%s%s%s\t%s\n", indent, twig, node.title(), node.words())
		if node.Children != nil {
			writeBranch(w, node.Children, indent+below)
		}
	}
	if m := b.More; m != nil {
		fmt.Fprintf(w, "%s└─ and %d more\t%d running, %s\n", indent, m.Processes, m.Running, waiting(m.Waiting))
	}
}

// title is what a node is called.
func (t *treeNode) title() string {
	switch {
	case t.ID == "":
		return printable(t.Name)
	case t.Name != "":
		return printable(t.Name) + " " + printable(string(t.ID))
	}
	return printable(string(t.ID))
}

// words are what else there is to say of it.
func (t *treeNode) words() string {
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if t.What != "" {
		add("%s", printable(t.What))
	}
	if t.BusyFor > 0 {
		add("%s for %v", t.State, time.Duration(t.BusyFor*float64(time.Second)).Round(time.Millisecond))
	} else {
		add("%s", printable(string(t.State)))
	}
	if t.Waiting > 0 {
		add("%s", waiting(t.Waiting))
	}
	if t.Handled > 0 {
		add("%d handled", t.Handled)
	}
	if t.Errors > 0 {
		add("%s", count(int(t.Errors), "error", "errors"))
	}
	if t.Restarted > 0 {
		add("restarted %s", count(int(t.Restarted), "time", "times"))
	}
	if t.Restarts > 0 {
		add("%s of children", count(int(t.Restarts), "restart", "restarts"))
	}
	return strings.Join(words, ", ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func waiting(n int) string {
	if n == 1 {
		return "1 message waits"
	}
	return strconv.Itoa(n) + " messages wait"
}

// printable returns s if a terminal shows it as what it is, and otherwise quoted.
func printable(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return strconv.QuoteToGraphic(s)
		}
	}
	return s
}
