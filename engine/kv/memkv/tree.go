package memkv

import (
	"bytes"
	"math/rand/v2"

	"moln.dev/moln/engine/kv/driver"
)

// node is a treap: a search tree by key that is a heap by weight, which makes
// it balanced as the weights are random. Nodes never change; methods return
// new ones. A nil node is an empty tree.
type node struct {
	key, value  []byte
	weight      uint32
	left, right *node
}

func (n *node) find(key []byte) *node {
	for n != nil {
		switch c := bytes.Compare(key, n.key); {
		case c == 0:
			return n
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil
}

func (n *node) with(left, right *node) *node {
	return &node{n.key, n.value, n.weight, left, right}
}

func (n *node) put(key, value []byte) *node {
	if old := n.find(key); old != nil {
		return n.replace(key, value)
	}
	return n.insert(&node{key: key, value: value, weight: rand.Uint32()})
}

// replace sets the value of a key that is in the tree.
func (n *node) replace(key, value []byte) *node {
	switch c := bytes.Compare(key, n.key); {
	case c < 0:
		return n.with(n.left.replace(key, value), n.right)
	case c > 0:
		return n.with(n.left, n.right.replace(key, value))
	}
	return &node{key, value, n.weight, n.left, n.right}
}

// insert adds a node whose key is not in the tree.
func (n *node) insert(fresh *node) *node {
	if n == nil {
		return fresh
	}
	if fresh.weight > n.weight {
		return fresh.with(n.split(fresh.key))
	}
	if bytes.Compare(fresh.key, n.key) < 0 {
		return n.with(n.left.insert(fresh), n.right)
	}
	return n.with(n.left, n.right.insert(fresh))
}

func (n *node) delete(key []byte) *node {
	if n.find(key) == nil {
		return n
	}
	return n.remove(key)
}

// remove deletes a key that is in the tree.
func (n *node) remove(key []byte) *node {
	switch c := bytes.Compare(key, n.key); {
	case c < 0:
		return n.with(n.left.remove(key), n.right)
	case c > 0:
		return n.with(n.left, n.right.remove(key))
	}
	return join(n.left, n.right)
}

// split returns the nodes before key and those from it on.
func (n *node) split(key []byte) (before, from *node) {
	if n == nil {
		return nil, nil
	}
	if bytes.Compare(n.key, key) < 0 {
		b, f := n.right.split(key)
		return n.with(n.left, b), f
	}
	b, f := n.left.split(key)
	return b, n.with(f, n.right)
}

// join returns a tree of all nodes; those of a come before those of b.
func join(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.weight > b.weight:
		return a.with(a.left, join(a.right, b))
	}
	return b.with(join(a, b.left), b.right)
}

func (n *node) without(r driver.KeyRange) *node {
	before, from := n.split(r.Start)
	if r.End == nil {
		return before
	}
	_, after := from.split(r.End)
	return join(before, after)
}

// walk calls fn with the nodes in r, in its order, until fn returns false.
func (n *node) walk(r driver.Range, fn func(*node) bool) bool {
	if n == nil {
		return true
	}
	fromStart, beforeEnd := inRange(n.key, r)
	left := func() bool { return !fromStart || n.left.walk(r, fn) }
	right := func() bool { return !beforeEnd || n.right.walk(r, fn) }
	if r.Reverse {
		left, right = right, left
	}
	return left() && (!fromStart || !beforeEnd || fn(n)) && right()
}
