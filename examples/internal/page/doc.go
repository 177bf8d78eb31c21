// Package page serves the pages of the examples, to be read and under a policy that lets
// nothing in which does not belong to them.
package page
