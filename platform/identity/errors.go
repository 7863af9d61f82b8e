package identity

import "errors"

// Why a credential could not be resolved.
var (
	ErrUnknownKey = errors.New("identity: unknown access key")
	ErrBadToken   = errors.New("identity: session token does not belong to this key")
	ErrExpired    = errors.New("identity: session has expired")
	ErrNoRole     = errors.New("identity: no such role")
)
