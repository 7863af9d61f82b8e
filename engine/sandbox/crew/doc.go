// Package crew runs several programs in one sandbox: a small supervisor, this
// very executable started as the sandbox's command, starts what the host asks
// for, passes signals on and reports who ended how. A sandbox without a crew
// runs its one command and needs none of this.
//
// The supervisor is an ordinary guest: it has the guest's rights and no more, and
// a guest that harms it ends its own sandbox. So every driver can carry a crew,
// and nothing the supervisor says is believed beyond the sandbox it lives in. It
// knows programs, not what they are for.
//
// # How it works
//
// Fit makes the supervisor a Spec's command and asks for a listener; Accept
// takes the supervisor's connection and closes the door behind it. Orders and
// notices are lines of JSON. Programs inherit the sandbox's pipes by number.
package crew
