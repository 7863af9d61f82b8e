// Package settings judges what a user pool and its app clients can be set to:
// defaults, attribute schema, what is refused because nothing would honour it,
// and what follows from a setting for one sign-in or one attribute.
//
// It is pure: no store, no clock, no users.
package settings
