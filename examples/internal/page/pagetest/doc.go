// Package pagetest has the tests that the page of each example passes.
package pagetest
