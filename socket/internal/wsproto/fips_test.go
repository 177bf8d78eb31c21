//go:build go1.26 && !js && !wasip1

package wsproto_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestHandshakeInEachFIPSMode runs the handshake of both roles again in a process
// of each mode. In the mode "only" SHA-1 panics unless it is exempt.
func TestHandshakeInEachFIPSMode(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	for _, mode := range []string{"off", "on", "only"} {
		t.Run(mode, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), executable,
				"-test.run=^(TestRFC6455_1_3_AcceptKey|TestHandshakeBothWays)$", "-test.v", "-test.count=1")
			cmd.Env = append(os.Environ(), "GODEBUG=fips140="+mode)
			out, err := cmd.CombinedOutput()
			if strings.Contains(string(out), "fips140: FIPS 140-3 mode is ") {
				t.Skipf("%s", out)
			}
			if err != nil || strings.Count(string(out), "--- PASS: ") != 2 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
