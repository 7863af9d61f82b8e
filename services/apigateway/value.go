package apigateway

import "cmp"

// val is what p points at, or the zero value.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// or is p, or a pointer to a default.
func or[T any](p *T, fallback T) *T {
	if p == nil {
		return &fallback
	}
	return p
}

// Pages of lists.
const (
	pageDefault = 25
	pageMax     = 500
)

func pageSize(limit *int32) int {
	if val(limit) <= 0 {
		return pageDefault
	}
	return min(int(*limit), pageMax)
}

// page cuts what is after position, by id, and gives the next position.
func page[T any](items []T, id func(*T) string, position *string, limit *int32) ([]T, *string) {
	from := 0
	for from < len(items) && cmp.Compare(id(&items[from]), val(position)) <= 0 && position != nil {
		from++
	}
	items = items[from:]
	if n := pageSize(limit); len(items) > n {
		items = items[:n]
		last := id(&items[n-1])
		return items, &last
	}
	return items, nil
}
