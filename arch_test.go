// Package socketgo_test holds the rules that the whole module keeps: which package may import which, what a pure
// package may not touch, what the exported API is. The rules read the source with go/parser and start no tool.
package socketgo_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/api.txt anew from the source")

const modulePath = "github.com/kleeedolinux/socket.go"

// purePackages compute values from values: time, randomness and I/O are arguments and results.
// A package that is not there yet is fine; once it is there, it keeps the rules.
var purePackages = []string{
	"socket/internal/envelope",
	"socket/internal/poll",
	"socket/internal/session",
	"socket/internal/wsproto",
	"socket/internal/wsproto/deflate",
	"distributed/internal/crdt",
	"distributed/internal/restart",
	"distributed/internal/swim",
	"distributed/internal/wire",
}

// impureImports name what a pure package must not import; each stands for everything below it too.
var impureImports = []string{"crypto/rand", "log", "math/rand", "net/http", "os", "sync", "syscall"}

// clockFuncs are the functions of package time that read the clock or wait for it.
var clockFuncs = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// forbiddenArrows: no file in or below from imports to, or, when below is set, anything below it.
var forbiddenArrows = []struct {
	from, to string
	below    bool
}{
	{"", "examples", true},
	{"", "benchmarks", true},
	{"", "fuzz", true},
	{"", "socket/sockettest", true}, // tests import it, and nothing else
	{"socket", "distributed", true},
	{"socket/transport", "socket", false},
	{"socket/transport", "socket/internal/envelope", true},
	{"socket/transport", "socket/internal/pollhttp", true},
	{"socket/internal", "socket", false},
	{"socket/internal", "socket/transport", true},
	{"distributed/internal", "distributed", false},
	{"distributed/internal", "socket", true},
}

func TestModuleRequiresNothing(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := "module " + modulePath + "\n\ngo 1.25.0\n"
	if string(mod) != want {
		t.Errorf("go.mod = %q, want %q: the module is the standard library and nothing else", mod, want)
	}
	if _, err := os.Stat("go.sum"); err == nil {
		t.Error("go.sum exists: the module requires nothing")
	}
}

func TestNoUnsafeCgoAssemblyLinkname(t *testing.T) {
	tree := loadTree(t)
	for _, name := range tree.others {
		switch filepath.Ext(name) {
		case ".s", ".S", ".c", ".cc", ".cpp", ".h", ".m", ".syso":
			t.Errorf("%s: only Go files, no assembly and no C", name)
		}
	}
	for _, f := range tree.files {
		for _, imp := range f.imports() {
			if imp == "unsafe" || imp == "C" {
				t.Errorf("%s imports %q", f.path, imp)
			}
		}
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				if strings.HasPrefix(c.Text, "//go:linkname") {
					t.Errorf("%s: %s", f.path, c.Text)
				}
			}
		}
	}
}

func TestPurePackagesTouchNothingOutside(t *testing.T) {
	tree := loadTree(t)
	for _, f := range tree.files {
		if f.isTest() || !slices.Contains(purePackages, f.dir()) {
			continue
		}
		for _, imp := range f.imports() {
			inside, ours := strings.CutPrefix(imp, modulePath+"/")
			switch {
			case ours && !slices.Contains(purePackages, inside):
				t.Errorf("%s imports %s: a pure package imports only pure packages", f.path, inside)
			case imp == "net" || slices.ContainsFunc(impureImports, func(root string) bool { return under(imp, root) }):
				t.Errorf("%s imports %s: a pure package does not", f.path, imp)
			}
		}
		clock := f.nameOf("time")
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a pure package starts no goroutine", tree.fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && clock != "" && x.Name == clock && slices.Contains(clockFuncs, n.Sel.Name) {
					t.Errorf("%s: time.%s: in a pure package time is an argument", tree.fset.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestImportsPointDown(t *testing.T) {
	var bridges []string // files of distributed that know package socket
	for _, f := range loadTree(t).files {
		if f.isTest() {
			continue
		}
		for _, imp := range f.imports() {
			to, ours := strings.CutPrefix(imp, modulePath+"/")
			if !ours {
				continue
			}
			if under(f.dir(), "distributed") && under(to, "socket") && !slices.Contains(bridges, f.path) {
				bridges = append(bridges, f.path)
			}
			for _, rule := range forbiddenArrows {
				hit := to == rule.to
				if rule.below {
					hit = under(to, rule.to) && !under(f.dir(), rule.to)
				}
				if hit && under(f.dir(), rule.from) {
					t.Errorf("%s imports %s: imports point down only", f.path, to)
				}
			}
		}
	}
	if len(bridges) > 1 {
		t.Errorf("%v import package socket: one file of distributed does", bridges)
	}
}

// knownToSockettest are the packages of the module that the test kit is made of: what its users have, and the network.
var knownToSockettest = []string{"socket", "socket/transport", "socket/internal/memnet"}

func TestSockettestKnowsWhatItsUsersKnow(t *testing.T) {
	for _, f := range loadTree(t).files {
		if f.dir() != "socket/sockettest" {
			continue
		}
		for _, imp := range f.imports() {
			to, ours := strings.CutPrefix(imp, modulePath+"/")
			if ours && !slices.Contains(knownToSockettest, to) && !(f.isTest() && to == f.dir()) {
				t.Errorf("%s imports %s: the test kit is made of %v", f.path, to, knownToSockettest)
			}
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	tree := loadTree(t)
	for _, f := range tree.files {
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init: set up in a constructor", tree.fset.Position(fn.Pos()))
			}
		}
	}
}

func TestEveryPackageHasDocFile(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range loadTree(t).files {
		if f.isTest() || under(f.dir(), "examples") {
			continue
		}
		documented[f.dir()] = documented[f.dir()] || path.Base(f.path) == "doc.go" && f.syntax.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no doc.go with the package's comment", dir)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, f := range loadTree(t).files {
		limit := 500
		if f.isTest() {
			limit = 800
		}
		if n := bytes.Count(f.text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines, the wall is %d: it holds a second noun", f.path, n, limit)
		}
	}
}

// backticked finds what may be a file's name in a Markdown text.
var backticked = regexp.MustCompile("`([A-Za-z0-9_./-]+)`")

func TestArchitectureNamesRealFiles(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	tree := loadTree(t)
	exists := map[string]bool{}
	for _, name := range tree.others {
		exists[path.Base(name)] = true
	}
	for _, f := range tree.files {
		exists[path.Base(f.path)] = true
	}
	for _, m := range backticked.FindAllStringSubmatch(string(text), -1) {
		name := m[1]
		top, _, slash := strings.Cut(name, "/")
		_, topErr := os.Stat(top)
		isFile := slices.Contains([]string{".go", ".js", ".md", ".mod", ".sh", ".txt"}, path.Ext(name))
		switch {
		case slash && (isFile || topErr == nil): // net/http is no path of ours
			if _, err := os.Stat(filepath.FromSlash(name)); err != nil {
				t.Errorf("ARCHITECTURE.md names `%s`, which is not there", name)
			}
		case !slash && isFile:
			if !exists[name] {
				t.Errorf("ARCHITECTURE.md names `%s`, and no file has that name", name)
			}
		}
	}
}

func TestExportedAPIMatchesGoldenFile(t *testing.T) {
	got := strings.Join(exportedAPI(t), "\n") + "\n"
	golden := filepath.Join("testdata", "api.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	have, want := strings.Split(got, "\n"), strings.Split(string(text), "\n")
	for _, line := range want {
		if !slices.Contains(have, line) {
			t.Errorf("gone from the API: %s", line)
		}
	}
	for _, line := range have {
		if !slices.Contains(want, line) {
			t.Errorf("new in the API: %s", line)
		}
	}
	if t.Failed() {
		t.Log("if this is meant: go test . -run ExportedAPI -update, and a line in CHANGELOG.md that says what users get")
	}
}

// tree is the root module's source: nested modules, testdata and dot directories are not part of it.
type tree struct {
	fset   *token.FileSet
	files  []source
	others []string // all other files, slash-separated
}

// source is one Go file.
type source struct {
	path   string // slash-separated, relative to the module's root
	text   []byte
	syntax *ast.File
}

func (s source) dir() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) imports() []string {
	var out []string
	for _, spec := range s.syntax.Imports {
		out = append(out, importPath(spec))
	}
	return out
}

// nameOf reports under which name the file uses an imported package, "" when it does not import it.
func (s source) nameOf(imported string) string {
	for _, spec := range s.syntax.Imports {
		if importPath(spec) != imported {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imported)
	}
	return ""
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err) // the parser has accepted it
	}
	return p
}

// under reports whether the slash-separated name is root or lies below it. The empty root holds everything.
func under(name, root string) bool {
	root = strings.TrimSuffix(root, "/")
	return root == "" || name == root || strings.HasPrefix(name, root+"/")
}

func loadTree(t *testing.T) tree {
	t.Helper()
	tr := tree{fset: token.NewFileSet()}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(name, d.Name())
		}
		slashed := filepath.ToSlash(name)
		if filepath.Ext(name) != ".go" {
			tr.others = append(tr.others, slashed)
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(tr.fset, slashed, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		tr.files = append(tr.files, source{path: slashed, text: text, syntax: syntax})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// skipDir returns [fs.SkipDir] for what the go command does not count to the root module.
func skipDir(name, base string) error {
	if name == "." {
		return nil
	}
	if base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// exportedAPI lists what users of the module can name, one line each, sorted. Parameter names do not count.
// It reads the files of one fixed platform, so that the golden file is the same on all of them.
func exportedAPI(t *testing.T) []string {
	t.Helper()
	platform := build.Default
	platform.GOOS, platform.GOARCH, platform.ToolTags = "linux", "amd64", nil
	packages := map[string][]*ast.File{}
	for _, f := range loadTree(t).files {
		internal := slices.Contains(strings.Split(f.path, "/"), "internal")
		outside := under(f.dir(), "examples") || under(f.dir(), "benchmarks") || under(f.dir(), "fuzz")
		if f.isTest() || internal || outside || f.syntax.Name.Name == "main" {
			continue
		}
		match, err := platform.MatchFile(f.dir(), path.Base(f.path))
		if err != nil {
			t.Fatal(err)
		}
		if match {
			packages[f.dir()] = append(packages[f.dir()], f.syntax)
		}
	}
	var lines []string
	for dir, files := range packages {
		p := apiPrinter{dir: dir, visible: visibleTypes(files)}
		for _, f := range files {
			for _, decl := range f.Decls {
				p.decl(decl)
			}
		}
		lines = append(lines, p.lines...)
	}
	slices.Sort(lines)
	return lines
}

// visibleTypes are the exported types, and the unexported ones whose methods users reach because an exported
// struct embeds them.
func visibleTypes(files []*ast.File) map[string]bool {
	visible := map[string]bool{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			visible[spec.Name.Name] = true
			if st, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range st.Fields.List {
					if name := baseName(field.Type); len(field.Names) == 0 && name != "" {
						visible[name] = true
					}
				}
			}
			return true
		})
	}
	return visible
}

// baseName is the name of a type of the same package, without pointer and type arguments, or "".
func baseName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return baseName(e.X)
	case *ast.IndexExpr:
		return baseName(e.X)
	case *ast.IndexListExpr:
		return baseName(e.X)
	}
	return ""
}

type apiPrinter struct {
	dir     string
	visible map[string]bool
	lines   []string
}

func (p *apiPrinter) add(format string, args ...any) {
	p.lines = append(p.lines, p.dir+": "+fmt.Sprintf(format, args...))
}

func (p *apiPrinter) decl(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		switch {
		case !d.Name.IsExported():
		case d.Recv == nil:
			p.add("func %s%s%s", d.Name.Name, typeParams(d.Type.TypeParams), signature(d.Type))
		case p.visible[baseName(d.Recv.List[0].Type)]:
			p.add("method (%s) %s%s", types.ExprString(d.Recv.List[0].Type), d.Name.Name, signature(d.Type))
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				p.values(d.Tok, s)
			case *ast.TypeSpec:
				if p.visible[s.Name.Name] {
					p.typ(s)
				}
			}
		}
	}
}

func (p *apiPrinter) values(tok token.Token, s *ast.ValueSpec) {
	for i, name := range s.Names {
		if !name.IsExported() {
			continue
		}
		line := tok.String() + " " + name.Name
		if s.Type != nil {
			line += " " + types.ExprString(s.Type)
		}
		if tok == token.CONST && i < len(s.Values) {
			line += " = " + types.ExprString(s.Values[i])
		}
		p.add("%s", line)
	}
}

func (p *apiPrinter) typ(s *ast.TypeSpec) {
	name := s.Name.Name + typeParams(s.TypeParams)
	switch typ := s.Type.(type) {
	case *ast.StructType:
		p.add("type %s struct", name)
		p.members(name, "field", typ.Fields)
	case *ast.InterfaceType:
		p.add("type %s interface", name)
		p.members(name, "method", typ.Methods)
	default:
		equals := ""
		if s.Assign.IsValid() {
			equals = "= "
		}
		p.add("type %s %s%s", name, equals, typeString(typ))
	}
}

func (p *apiPrinter) members(of, kind string, list *ast.FieldList) {
	for _, m := range list.List {
		if len(m.Names) == 0 {
			p.add("type %s, embeds %s", of, typeString(m.Type))
		}
		for _, name := range m.Names {
			fn, isFunc := m.Type.(*ast.FuncType)
			switch {
			case !name.IsExported():
			case kind == "method" && isFunc:
				p.add("type %s, method %s%s", of, name.Name, signature(fn))
			default:
				p.add("type %s, %s %s %s", of, kind, name.Name, typeString(m.Type))
			}
		}
		if kind == "method" && len(m.Names) == 1 && !m.Names[0].IsExported() {
			p.add("type %s, unexported methods", of)
		}
	}
}

func typeParams(list *ast.FieldList) string {
	if list == nil {
		return ""
	}
	var out []string
	for _, f := range list.List {
		for _, name := range f.Names {
			out = append(out, name.Name+" "+types.ExprString(f.Type))
		}
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func signature(fn *ast.FuncType) string {
	return strings.TrimPrefix(typeString(fn), "func")
}

// typeString prints a type without the names of parameters.
func typeString(e ast.Expr) string {
	ast.Inspect(e, func(n ast.Node) bool {
		if fn, ok := n.(*ast.FuncType); ok {
			fn.Params, fn.Results = withoutNames(fn.Params), withoutNames(fn.Results)
			fn.TypeParams = nil
		}
		return true
	})
	return types.ExprString(e)
}

func withoutNames(list *ast.FieldList) *ast.FieldList {
	if list == nil {
		return nil
	}
	bare := &ast.FieldList{}
	for _, f := range list.List {
		for range max(1, len(f.Names)) {
			bare.List = append(bare.List, &ast.Field{Type: f.Type})
		}
	}
	return bare
}
