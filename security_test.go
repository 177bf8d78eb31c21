package socketgo_test

import (
	"fmt"
	"go/ast"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPack prints how many conformance cases, threat tests and fuzz
// targets there are, and holds docs/security.md to it: each row of its table of
// threats has at least one test, and no test names a row that is not there. Each
// family of rules has conformance cases for both roles.
func TestSecurityPack(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]int)
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-E][0-9]+) \|`).FindAllStringSubmatch(string(page), -1) {
		rows[m[1]] = 0
	}
	threat := regexp.MustCompile(`(?m)^func TestThreat([A-E][0-9]+)_`)
	target := regexp.MustCompile(`(?m)^func (Fuzz[A-Z]\w*)\(`)
	threats, targets := 0, 0
	for _, f := range loadTree(t).files {
		if !f.isTest() {
			continue
		}
		targets += len(target.FindAll(f.text, -1))
		for _, m := range threat.FindAllSubmatch(f.text, -1) {
			row := string(m[1])
			if _, ok := rows[row]; !ok {
				t.Errorf("%s: TestThreat%s names no row of docs/security.md", f.path, row)
			}
			rows[row]++
			threats++
		}
	}
	for row, n := range rows {
		if n == 0 {
			t.Errorf("row %s of docs/security.md has no test", row)
		}
	}
	if targets < 16 {
		t.Errorf("%d fuzz targets, want at least 16", targets)
	}
	server, client := conformanceCases(t, "server"), conformanceCases(t, "client")
	t.Logf("conformance cases: %d for a server, %d for a client; threats: %d rows, %d tests; fuzz targets: %d",
		server, client, len(rows), threats, targets)
}

// conformanceFamilies are those of the Autobahn test suite, and the opening
// handshake, which has a number that the suite leaves free.
var conformanceFamilies = map[int]string{
	1: "framing", 2: "pings and pongs", 3: "reserved bits", 4: "opcodes", 5: "fragmentation", 6: "UTF-8", 7: "closing",
	8: "opening handshake", 9: "limits", 10: "miscellaneous", 12: "compression", 13: "parameters of compression",
}

// conformanceCases returns how many cases are played against a role. The tests that
// play them, in socket/transport, fail if the file with the count is not exact.
func conformanceCases(t *testing.T, role string) (total int) {
	t.Helper()
	const name = "socket/transport/testdata/conformance-count.txt"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	families := make(map[int]int)
	for line := range strings.Lines(string(text)) {
		var of string
		var family, n int
		if _, err := fmt.Sscan(line, &of, &family, &n); err != nil {
			t.Fatalf("%s: %q: %v", name, line, err)
		}
		if of == role {
			families[family] += n
			total += n
		}
	}
	for family, about := range conformanceFamilies {
		if families[family] == 0 {
			t.Errorf("no conformance case for a %s about %s, family %d", role, about, family)
		}
	}
	return total
}

func TestThreatA8_MaskKeysComeFromCryptoRand(t *testing.T) {
	made := 0
	for _, f := range loadTree(t).files {
		if f.isTest() || !under(f.path, "socket/transport") && !under(f.path, "socket/internal/wsproto") {
			continue
		}
		for _, imp := range f.imports() {
			if under(imp, "math/rand") {
				t.Errorf("%s imports %s: nothing here may be random and predictable", f.path, imp)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "newMaskKey" && f.nameOf("crypto/rand") != "rand" {
					t.Errorf("%s: newMaskKey does not use crypto/rand", f.path)
				}
			case *ast.CallExpr:
				if name, ok := n.Fun.(*ast.Ident); ok && name.Name == "newMaskKey" {
					made++
				}
			}
			return true
		})
	}
	if made != 1 {
		t.Errorf("mask keys are made at %d places, want 1", made)
	}
}

func TestThreatC11_CVE_2016_10536_NothingSwitchesVerificationOff(t *testing.T) {
	for _, f := range loadTree(t).files {
		if !f.isTest() && strings.Contains(string(f.text), "InsecureSkipVerify") {
			t.Errorf("%s names InsecureSkipVerify", f.path)
		}
	}
}
