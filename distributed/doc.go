// Package distributed is an Erlang-like process model.
package distributed
