package wstest

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Load reads the cases of all files of fsys that match the pattern.
func Load(fsys fs.FS, pattern string) ([]Case, error) {
	names, err := fs.Glob(fsys, pattern)
	if err != nil {
		return nil, err
	}
	var all []Case
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		cases, err := Parse(name, string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, cases...)
	}
	return all, nil
}

// Parse reads the cases of one file. The name is for errors.
func Parse(name, text string) ([]Case, error) {
	var all []Case
	tables := map[string]string{}
	for _, b := range blocks(text) {
		if table, ok := strings.CutPrefix(b.head.text, "table "); ok {
			name, columns, _ := strings.Cut(table, " ")
			tables["@"+name] = columns
			continue
		}
		cases, err := b.expand(tables)
		if err != nil {
			return nil, fmt.Errorf("%s:%w", name, err)
		}
		all = append(all, cases...)
	}
	return all, nil
}

// line is a statement and where it stands.
type line struct {
	number int
	text   string
}

func (l line) errorf(format string, args ...any) error {
	return fmt.Errorf("%d: %q: %w", l.number, l.text, fmt.Errorf(format, args...))
}

// block is a case or a pattern of cases.
type block struct {
	head   line
	tables []line // each, with the rows joined
	body   []line
}

func blocks(text string) (list []block) {
	for i, s := range strings.Split(text, "\n") {
		l := line{i + 1, strings.TrimSpace(s)}
		switch {
		case l.text == "" || l.text[0] == '#':
		case s[0] != ' ' || len(list) == 0:
			list = append(list, block{head: l})
		case strings.HasPrefix(list[len(list)-1].head.text, "table "):
			list[len(list)-1].head.text += " " + l.text
		case strings.HasPrefix(l.text, "each "):
			b := &list[len(list)-1]
			b.tables = append(b.tables, l)
		case strings.HasPrefix(l.text, "| "):
			b := &list[len(list)-1]
			if n := len(b.tables); n > 0 {
				b.tables[n-1].text += " " + l.text
			}
		default:
			b := &list[len(list)-1]
			b.body = append(b.body, l)
		}
	}
	return list
}

// expand makes the cases of a block. Named tables are written with an @.
func (b block) expand(tables map[string]string) ([]Case, error) {
	word, rest, _ := strings.Cut(b.head.text, " ")
	id, title, _ := strings.Cut(rest, " ")
	if word != "case" && word != "cases" || title == "" || (word == "cases") != (len(b.tables) > 0) {
		return nil, b.head.errorf("want case or cases, an ID and a title, and a table if there are several")
	}
	rows := [][]string{nil} // pairs of name and value
	for _, t := range b.tables {
		text := strings.TrimPrefix(t.text, "each ")
		if named, ok := tables[text]; ok {
			text = named
		}
		names, values, ok := strings.Cut(text, " = ")
		if !ok {
			return nil, t.errorf("want each NAMES = ROWS")
		}
		var next [][]string
		for _, row := range rows {
			for _, value := range splitRow(values, " | ") {
				pairs, err := bind(splitRow(names, ";"), value)
				if err != nil {
					return nil, t.errorf("%w", err)
				}
				next = append(next, append(append([]string{}, row...), pairs...))
			}
		}
		rows = next
	}
	var all []Case
	for i, row := range rows {
		r := strings.NewReplacer(append(row, "{n}", strconv.Itoa(i+1))...)
		c := Case{ID: r.Replace(id), Title: r.Replace(title)}
		if err := c.compile(b.body, r); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// bind pairs the names of a table with the values of a row.
func bind(names []string, row string) (pairs []string, err error) {
	values := []string{strings.TrimPrefix(row, "(nothing)")}
	if len(names) > 1 {
		values = splitRow(row, ";")
	}
	if len(values) != len(names) {
		return nil, fmt.Errorf("row %q has %d values, want %d", row, len(values), len(names))
	}
	for i, name := range names {
		pairs = append(pairs, "{"+name+"}", values[i])
	}
	return pairs, nil
}

// splitRow splits s where sep is, but not within quotes, and drops the whitespace
// around the parts.
func splitRow(s, sep string) (parts []string) {
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case !quoted && strings.HasPrefix(s[i:], sep):
			parts = append(parts, strings.TrimSpace(s[start:i]))
			start = i + len(sep)
		}
	}
	return append(parts, strings.TrimSpace(s[start:]))
}
