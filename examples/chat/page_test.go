package main

import (
	"testing"

	"github.com/kleeedolinux/socket.go/examples/internal/page/pagetest"
)

func TestPageHasSecurityHeaders(t *testing.T)  { pagetest.HasSecurityHeaders(t, pageHandler()) }
func TestPageIsOnlyRead(t *testing.T)          { pagetest.IsOnlyRead(t, pageHandler()) }
func TestPageKeepsToItsOwnPolicy(t *testing.T) { pagetest.KeepsToItsOwnPolicy(t, web) }
