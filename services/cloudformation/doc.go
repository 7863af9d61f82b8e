// Package cloudformation is CloudFormation: stacks, change sets, exports, and
// what requests may ask of them.
//
// The language of templates is package template, the state of stacks package
// stack (with the key layout and the invariants), the work on resources package
// deploy. This package reads requests, decides whether they may be, and leaves
// an operation in the store for the engine.
//
// # States
//
//	             CreateStack          UpdateStack              DeleteStack
//	                  |                    |                        |
//	REVIEW_IN_PROGRESS                     |                        |
//	  (change set) -> CREATE_IN_PROGRESS   UPDATE_IN_PROGRESS       DELETE_IN_PROGRESS
//	                  |        \           |            \           |        \
//	      CREATE_COMPLETE  ROLLBACK_…  UPDATE_COMPLETE_  UPDATE_    DELETE_   DELETE_
//	                                   CLEANUP_…         ROLLBACK_… COMPLETE  FAILED
//
// # Differences from AWS
//
//   - Change sets are computed before CreateChangeSet answers; no client sees
//     CREATE_PENDING.
//   - The transform AWS::LanguageExtensions is evaluated (without Fn::ForEach);
//     every other transform is refused. So are CreationPolicy, UpdatePolicy,
//     stack policies, rollback triggers, resource import, drift.
//   - A resource of a type that moln lacks fails the stack, named, before
//     another resource is begun.
//   - Resources that run when another one fails are waited for, not cancelled.
//   - A custom resource whose function throws fails at once instead of after
//     the timeout.
package cloudformation
