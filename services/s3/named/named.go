// Package named keeps the configurations that a bucket has many of, each with an
// id: inventories and archive tierings. It knows nothing of what they say.
package named

import (
	"net/http"
	"slices"
	"strings"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/s3/s3err"
)

const (
	// Max is how many configurations of a kind a bucket has
	// (API_PutBucketInventoryConfiguration.html,
	// API_PutBucketIntelligentTieringConfiguration.html).
	Max = 1000
	// pageMax is how many an answer lists.
	pageMax = 100
)

// ID tells the id of a configuration.
type ID[T any] func(*T) string

// Put gives all, in the order of their ids, with conf in place of the one of its
// id, or in addition.
//
// Errors: TooManyConfigurations.
func (id ID[T]) Put(all []T, conf T) ([]T, error) {
	rest := id.without(all, id(&conf))
	if len(rest) >= Max {
		return nil, fault.New("TooManyConfigurations", http.StatusBadRequest, "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.")
	}
	rest = append(rest, conf)
	slices.SortFunc(rest, func(a, b T) int { return strings.Compare(id(&a), id(&b)) })
	return rest, nil
}

// Find gives the configuration of a name.
//
// Errors: NoSuchConfiguration.
func (id ID[T]) Find(all []T, name string) (*T, error) {
	for i := range all {
		if id(&all[i]) == name {
			return &all[i], nil
		}
	}
	return nil, s3err.NotFound("NoSuchConfiguration", "The specified configuration does not exist.")
}

// Drop gives all but the configuration of a name.
//
// Errors: NoSuchConfiguration.
func (id ID[T]) Drop(all []T, name string) ([]T, error) {
	if _, err := id.Find(all, name); err != nil {
		return nil, err
	}
	return id.without(all, name), nil
}

// Page gives the configurations that an answer lists, and the token that the
// next one goes on from; nil: there are no more.
func (id ID[T]) Page(all []T, token string) (page []T, next *string) {
	at, found := slices.BinarySearchFunc(all, token, func(c T, name string) int { return strings.Compare(id(&c), name) })
	if found {
		at++
	}
	page = all[at:]
	if len(page) > pageMax {
		page = page[:pageMax]
		next = new(id(&page[pageMax-1]))
	}
	return page, next
}

// without is a new list.
func (id ID[T]) without(all []T, name string) []T {
	return slices.DeleteFunc(slices.Clone(all), func(c T) bool { return id(&c) == name })
}
