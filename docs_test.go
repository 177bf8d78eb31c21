package socketgo_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// The pages for users. Each block of Go in them is compiled: a whole program as it is, a fragment inside a function
// or a file of its own. What a fragment needs besides [docPackages] and [docDeclarations] is declared in a comment on
// the line above it, which readers do not see:
//
//	<!-- go: var token string; var data any -->
func docPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	return append(pages, "README.md", "distributed.md")
}

// docPackages are the packages that a fragment uses without an import.
var docPackages = map[string]string{
	"socket":    modulePath + "/socket",
	"transport": modulePath + "/socket/transport",
	"bufio":     "bufio",
	"bytes":     "bytes",
	"context":   "context",
	"errors":    "errors",
	"fmt":       "fmt",
	"http":      "net/http",
	"httptest":  "net/http/httptest",
	"io":        "io",
	"json":      "encoding/json",
	"log":       "log",
	"net":       "net",
	"os":        "os",
	"rand":      "math/rand/v2",
	"signal":    "os/signal",
	"slog":      "log/slog",
	"strings":   "strings",
	"synctest":  "testing/synctest",
	"testing":   "testing",
	"sync":      "sync",
	"time":      "time",
	"tls":       "crypto/tls",
	"url":       "net/url",
	"x509":      "crypto/x509",

	"sockettest":  modulePath + "/socket/sockettest",
	"distributed": modulePath + "/distributed",
}

// docDeclarations are the variables that a fragment uses without a declaration.
var docDeclarations = map[string]string{
	"client": "*socket.Client",
	"ctx":    "context.Context",
	"mux":    "*http.ServeMux",
	"node":   "*distributed.Node",
	"server": "*socket.Server",
}

func TestGoBlocksOfTheDocsCompile(t *testing.T) {
	var blocks []docBlock
	for _, page := range docPages(t) {
		blocks = append(blocks, goBlocks(t, page)...)
	}
	fset := token.NewFileSet()
	compiled := exportData(t, fset)
	for _, b := range blocks {
		if formatted, err := format.Source([]byte(b.text)); err != nil {
			t.Errorf("%s: %v", b.at, err)
			continue
		} else if strings.TrimSpace(string(formatted)) != strings.TrimSpace(b.text) {
			t.Errorf("%s: not as gofmt has it:\n%s", b.at, formatted)
		}
		source, isProgram := b.program()
		file, err := parser.ParseFile(fset, "block.go", source, parser.ParseComments)
		if err != nil {
			t.Errorf("%v in\n%s", err, source)
			continue
		}
		var wrong []string
		check := types.Config{Importer: compiled, Error: func(err error) {
			// A fragment need not use what it declares.
			var te types.Error
			if errors.As(err, &te) && (isProgram || !te.Soft) {
				wrong = append(wrong, err.Error())
			}
		}}
		if pkg, _ := check.Check("doc", fset, []*ast.File{file}, nil); isProgram && pkg.Name() == "main" && pkg.Scope().Lookup("main") == nil {
			wrong = append(wrong, b.at+": package main without func main")
		}
		if len(wrong) > 0 {
			t.Errorf("does not compile (names are declared in docDeclarations, docPackages, or <!-- go: … --> above the block):\n%s", strings.Join(wrong, "\n"))
		}
	}
}

// docBlock is a block of Go in a page.
type docBlock struct {
	at       string // page and line, for error messages
	text     string
	declares string // by the comment above it
	line     string // the directive that makes the compiler count like the page
}

func goBlocks(t *testing.T, page string) []docBlock {
	t.Helper()
	text := readDoc(t, page)
	lines := strings.Split(text, "\n")
	var blocks []docBlock
	for i := 0; i < len(lines); i++ {
		if lines[i] != "```go" {
			continue
		}
		b := docBlock{at: fmt.Sprintf("%s:%d", page, i+1), line: fmt.Sprintf("//line %s:%d\n", page, i+2)}
		if i > 0 {
			if d, ok := strings.CutPrefix(lines[i-1], "<!-- go: "); ok {
				b.declares = strings.TrimSuffix(d, " -->")
			}
		}
		end := i + 1
		for end < len(lines) && lines[end] != "```" {
			end++
		}
		b.text = strings.Join(lines[i+1:end], "\n")
		blocks = append(blocks, b)
		i = end
	}
	return blocks
}

// program returns the file that is compiled for b, and whether it is one that b holds as a whole.
func (b docBlock) program() (source string, isProgram bool) {
	if strings.HasPrefix(b.text, "package ") {
		return b.line + b.text, true
	}
	own := b.line + b.text
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+own, parser.SkipObjectResolution)
	if err != nil {
		own = "func _() {\n" + own + "\n}"
		file, err = parser.ParseFile(token.NewFileSet(), "", "package p\n"+own, parser.SkipObjectResolution)
		if err == nil && isValue(file) {
			own = "var _ =\n" + b.line + b.text
		}
	}
	if err != nil {
		return "package p\n" + own, false // the caller finds the error again
	}
	var all strings.Builder
	all.WriteString("package p\n")
	declared := map[string]bool{}
	for _, decl := range file.Decls {
		for _, name := range declaredNames(decl) {
			declared[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(docPackages)) {
		if !hasImport(file, docPackages[name]) {
			fmt.Fprintf(&all, "import %q\n", docPackages[name])
		}
	}
	all.WriteString(own + "\n//line declarations:1\n" + b.declares + "\n")
	for _, name := range slices.Sorted(maps.Keys(docDeclarations)) {
		if !declared[name] && !strings.Contains(b.declares, "var "+name+" ") {
			fmt.Fprintf(&all, "var %s %s\n", name, docDeclarations[name])
		}
	}
	return all.String(), false
}

// isValue reports whether the one function in file holds nothing but a value, as no function may.
func isValue(file *ast.File) bool {
	body := file.Decls[0].(*ast.FuncDecl).Body.List
	if len(body) != 1 {
		return false
	}
	s, ok := body[0].(*ast.ExprStmt)
	if !ok {
		return false
	}
	switch s.X.(type) {
	case *ast.CallExpr, *ast.UnaryExpr:
		u, ok := s.X.(*ast.UnaryExpr)
		return ok && u.Op == token.AND
	}
	return true
}

func declaredNames(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		names = append(names, d.Name.Name)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

func hasImport(file *ast.File, imported string) bool {
	return slices.ContainsFunc(file.Imports, func(s *ast.ImportSpec) bool { return importPath(s) == imported })
}

// exportData imports the packages of the docs from what the go command has compiled of them.
func exportData(t *testing.T, fset *token.FileSet) types.Importer {
	t.Helper()
	args := []string{"list", "-deps", "-export", "-f", "{{.ImportPath}}\t{{.Export}}"}
	var stderr bytes.Buffer
	cmd := exec.Command("go", append(args, slices.Collect(maps.Values(docPackages))...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		imported, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files[imported] = file
	}
	return importer.ForCompiler(fset, "gc", func(imported string) (io.ReadCloser, error) {
		file, ok := files[imported]
		if !ok {
			return nil, fmt.Errorf("the docs use only packages that docPackages names: %w", fs.ErrNotExist)
		}
		return os.Open(file)
	})
}

func TestLinksOfTheDocsLeadSomewhere(t *testing.T) {
	anchors := map[string]map[string]bool{}
	for _, page := range loadTree(t).others {
		if path.Ext(page) != ".md" {
			continue
		}
		for _, m := range docLink.FindAllStringSubmatch(prose(readDoc(t, page)), -1) {
			target, anchor, hasAnchor := strings.Cut(m[1], "#")
			if strings.Contains(target, ":") {
				continue // of the web
			}
			name := page
			if target != "" {
				name = path.Join(path.Dir(page), target)
			}
			if _, err := os.Stat(filepath.FromSlash(name)); err != nil {
				if !slices.Contains(pagesToCome, name) {
					t.Errorf("%s links to %s, which is not there", page, m[1])
				}
				continue
			}
			if !hasAnchor {
				continue
			}
			if anchors[name] == nil {
				anchors[name] = headings(readDoc(t, name))
			}
			if !anchors[name][anchor] {
				t.Errorf("%s links to %s, and no heading there has that anchor", page, m[1])
			}
		}
	}
}

// pagesToCome may be linked to before they are there. A page that is there leaves this list.
var pagesToCome = []string{"benchmarks/README.md"}

var (
	docLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docFence   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	docComment = regexp.MustCompile(`(?s)<!--.*?-->`)
	docCode    = regexp.MustCompile("`([^`]+)`")
)

// prose returns a page without its blocks of code, comments and pieces of code.
func prose(text string) string { return docCode.ReplaceAllString(withoutBlocks(text), "") }

func withoutBlocks(text string) string {
	return docComment.ReplaceAllString(docFence.ReplaceAllString(text, ""), "")
}

// headings returns the anchors that GitHub gives to the headings of a page.
func headings(text string) map[string]bool {
	anchors := map[string]bool{}
	for line := range strings.Lines(withoutBlocks(text)) {
		title := strings.TrimLeft(line, "#")
		if title == line || title[0] != ' ' {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))
		unique := anchor
		for n := 1; anchors[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", anchor, n)
		}
		anchors[unique] = true
	}
	return anchors
}

func TestNamesInTheDocsExist(t *testing.T) {
	api := readAPI(t)
	for _, page := range docPages(t) {
		for _, m := range docCode.FindAllStringSubmatch(withoutBlocks(readDoc(t, page)), -1) {
			for _, name := range api.unknown(m[1]) {
				t.Errorf("%s: %s in `%s` is not in the API", page, name, m[1])
			}
		}
	}
}

func TestGuideNamesEveryOption(t *testing.T) {
	guide := readDoc(t, filepath.Join("docs", "guide.md"))
	api := readAPI(t)
	for _, pkg := range []string{"socket", "transport"} {
		for name := range api[pkg] {
			if !strings.HasPrefix(name, "With") {
				continue
			}
			want := name
			if api["socket"][name] != nil && api["transport"][name] != nil {
				want = pkg + "." + name // both packages have one
			}
			if !regexp.MustCompile(`\b` + regexp.QuoteMeta(want) + `\b`).MatchString(guide) {
				t.Errorf("docs/guide.md does not name %s", want)
			}
		}
	}
}

func TestLogLinesInTheDocsAreTheServers(t *testing.T) {
	var source strings.Builder
	for _, f := range loadTree(t).files {
		if f.dir() == "socket" && !f.isTest() {
			source.Write(f.text)
		}
	}
	for _, page := range docPages(t) {
		for _, m := range docCode.FindAllStringSubmatch(withoutBlocks(readDoc(t, page)), -1) {
			if strings.HasPrefix(m[1], "socket: ") && !strings.Contains(source.String(), `"`+m[1]+`"`) {
				t.Errorf("%s quotes `%s`, which package socket does not log", page, m[1])
			}
		}
	}
}

// api are the exported names of the user's packages and of each its members: fields and methods.
type api map[string]map[string]map[string]bool

var (
	apiLine      = regexp.MustCompile(`^(\S+): (?:func|const|var|type) (\w+)(?:\[[^\]]*\])?(?:, (?:field|method|embeds) (\w+))?`)
	apiMethod    = regexp.MustCompile(`^(\S+): method \(\*?(\w+)(?:\[[^\]]*\])?\) (\w+)`)
	docName      = regexp.MustCompile(`(?:\b([a-z]\w*)\.)?\b([A-Z]\w*)(?:\.([A-Z]\w*))?`)
	optionPrefix = regexp.MustCompile(`^With[A-Z]`)
)

func readAPI(t *testing.T) api {
	t.Helper()
	names := api{}
	for line := range strings.Lines(readDoc(t, filepath.Join("testdata", "api.txt"))) {
		m := apiMethod.FindStringSubmatch(line)
		if m == nil {
			m = apiLine.FindStringSubmatch(line)
		}
		if m == nil {
			continue
		}
		pkg := path.Base(m[1])
		if names[pkg] == nil {
			names[pkg] = map[string]map[string]bool{}
		}
		if names[pkg][m[2]] == nil {
			names[pkg][m[2]] = map[string]bool{}
		}
		names[pkg][m[2]][m[3]] = true
	}
	return names
}

// unknown returns the names in a piece of code that claim to be of the API and are not: socket.X, transport.X, the
// options WithX, and members of types as in Conn.Close.
func (a api) unknown(code string) []string {
	var unknown []string
	for _, m := range docName.FindAllStringSubmatch(code, -1) {
		qualifier, name, member := m[1], m[2], m[3]
		var members map[string]bool
		switch {
		case a[qualifier] != nil:
			members = a[qualifier][name]
		case qualifier != "":
			continue // another package's
		default:
			for _, pkg := range []string{"socket", "transport", "distributed"} {
				if members = a[pkg][name]; members != nil {
					break
				}
			}
		}
		isOurs := a[qualifier] != nil || optionPrefix.MatchString(name)
		if members == nil && isOurs || members != nil && member != "" && !members[member] {
			unknown = append(unknown, m[0])
		}
	}
	return unknown
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
