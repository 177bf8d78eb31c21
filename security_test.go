package socketgo_test

import (
	"go/ast"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPack prints how many conformance cases, threat tests and fuzz
// targets there are, and holds docs/security.md to it: each row of its table of
// threats has at least one test, and no test names a row that is not there.
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
	t.Logf("threats: %d rows, %d tests; fuzz targets: %d", len(rows), threats, targets)
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
