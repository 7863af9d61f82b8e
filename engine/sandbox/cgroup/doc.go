// Package cgroup makes control groups for sandboxes: memory, cpu and process
// limits, freezing and killing, on cgroup v2 where its controllers are there,
// on v1, and on hosts that mix the two.
//
// It touches only directories it made itself, below the group the daemon was
// started in (or the root of the hierarchy where that one is closed), and never
// moves the daemon. What the host does not delegate is reported as missing with
// a reason; it is not worked around.
package cgroup
