package policy

import "iter"

// list is a doubly linked list; container/list without the interface boxing.
// The zero value is an empty list.
type list[T any] struct {
	front, back *node[T]
	len         int
}

type node[T any] struct {
	prev, next *node[T]
	value      T
}

func (l *list[T]) pushBack(v T) *node[T] {
	n := &node[T]{value: v}
	l.link(n)
	return n
}

func (l *list[T]) link(n *node[T]) {
	n.prev, n.next = l.back, nil
	if l.back != nil {
		l.back.next = n
	} else {
		l.front = n
	}
	l.back = n
	l.len++
}

func (l *list[T]) remove(n *node[T]) {
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		l.front = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		l.back = n.prev
	}
	n.prev, n.next = nil, nil
	l.len--
}

func (l *list[T]) moveToBack(n *node[T]) {
	if l.back == n {
		return
	}
	l.remove(n)
	l.link(n)
}

// all yields the values from front to back.
func (l *list[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for n := l.front; n != nil; n = n.next {
			if !yield(n.value) {
				return
			}
		}
	}
}
