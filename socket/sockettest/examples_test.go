package sockettest_test

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/sockettest"
)

// An example has no t to run with. What runs is a test of the same name, and
// TestExamplesAreTheirTests sees to it that it is the same.

func TestExampleNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newChat())
		ann, bob := net.Connect("ann"), net.ConnectPolling("bob")
		ann.Send("join", "lobby")
		ann.Expect("userJoined", ann.ID())
		bob.Send("chat", "hello")
		bob.Expect("error", "join a room first")
		bob.Send("join", "lobby")
		ann.Expect("userJoined", bob.ID())
		bob.Send("chat", "hello")
		ann.Expect("chat", "hello")
		ann.ExpectNothing(time.Hour)
	})
}

func TestExampleFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newChat())
		ann, bob := net.Connect("ann", socket.WithReconnectAttempts(0)), net.Connect("bob")
		ann.Send("join", "lobby")
		ann.Expect("userJoined", ann.ID())
		bob.Send("join", "lobby")
		ann.Expect("userJoined", bob.ID())

		// The train is in a tunnel for ten seconds.
		ann.Faults().Down(nil)
		bob.Send("chat", "are you there?")
		ann.ExpectDisconnect()
		time.Sleep(10 * time.Second)
		ann.Faults().Up()
		ann.Within(time.Minute).ExpectConnect()
		ann.Expect("chat", "are you there?")
	})
}

func TestExampleNetwork_Browser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newChat())
		page := net.Browser("page")
		page.SendText(`{"event": "join", "data": "lobby"}`)
		page.SendText(`this is no JSON`)
		page.SendText(`{"event": "chat", "data": "still here"}`)
		page.Expect("chat", "still here")
	})
}

func TestExampleRun(t *testing.T) {
	sockettest.Run(t, newChat, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann") // over WebSocket first, then over long polling
		ann.Join("lobby")
		if id := sockettest.Expect[string](ann, "userJoined"); id != ann.ID() {
			t.Errorf("%q joined, want %q", id, ann.ID())
		}
	})
}

func TestExamplesAreTheirTests(t *testing.T) {
	files, err := filepath.Glob("example*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]string{}
	fset := token.NewFileSet()
	for _, name := range files {
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				bodies[fn.Name.Name] = body(t, fn)
			}
		}
	}
	examples := 0
	for name, example := range bodies {
		if !strings.HasPrefix(name, "Example") {
			continue
		}
		examples++
		example, declares := strings.CutPrefix(example, "var t *testing.T\n")
		if test := bodies["Test"+name]; !declares || example != test {
			t.Errorf("%s declares t: %v, and then does:\n%s\nTest%s does:\n%s", name, declares, example, name, test)
		}
	}
	if examples < 4 {
		t.Errorf("%d examples were found in %v", examples, files)
	}
}

// body prints the statements of a function, one after the other.
func body(t *testing.T, fn *ast.FuncDecl) string {
	t.Helper()
	var out bytes.Buffer
	for _, s := range fn.Body.List {
		if err := format.Node(&out, token.NewFileSet(), s); err != nil {
			t.Fatal(err)
		}
		out.WriteByte('\n')
	}
	return out.String()
}
