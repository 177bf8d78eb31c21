package distributed

import (
	"reflect"
	"sync"
)

// kind is what the processes of a node have in common that take messages of one type.
type kind[M any] struct {
	node   *Node
	any    bool // M is an interface that everything satisfies
	blocks sync.Pool
}

// kindOf returns the kind of M.
func kindOf[M any](n *Node) *kind[M] {
	t := reflect.TypeFor[M]()
	if k, ok := n.kinds.Load(t); ok {
		return k.(*kind[M])
	}
	k := &kind[M]{node: n, any: t.Kind() == reflect.Interface && t.NumMethod() == 0}
	other, _ := n.kinds.LoadOrStore(t, k)
	return other.(*kind[M])
}

// block returns a block with room for blockLen messages.
func (k *kind[M]) block() *block[M] {
	if b, ok := k.blocks.Get().(*block[M]); ok {
		return b
	}
	return new(block[M])
}

// free takes back a block whose messages are all zero.
func (k *kind[M]) free(b *block[M]) { k.blocks.Put(b) }
