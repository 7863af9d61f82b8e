// Package sandbox is the contract between moln and whatever keeps a guest
// process apart from the host: a Driver starts a Sandbox from a Spec.
//
// It knows processes, mounts, listeners and limits. It does not know what a
// function is, who owns it, or which protocol runs over its listeners; that is
// engine/pool's and the Lambda service's business.
//
// # Promises every driver keeps
//
//   - S1 The guest's environment is Spec.Env and nothing else.
//   - S2 Nothing of the guest outlives Kill, nor the daemon where the system
//     allows it.
//   - S3 Isolation tells what is in force, not what was asked for. A limit a
//     driver cannot enforce is named in Isolation().Missing.
//   - S4 Listeners of Spec.Listen are accepting before the command starts.
//   - S5 A root of the guest's own (Spec.Root) is not written, and no link in it
//     leads a mount, a file or the guest out of it. A driver that has no such
//     roots answers ErrNoRoot.
//
// The suite in sandboxtest checks them for each driver.
package sandbox
