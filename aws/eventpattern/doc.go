// Package eventpattern is AWS's language of event patterns, in which EventBridge's
// rules, pipes and the filters of Lambda's event source mappings say which events
// they want: a pattern has the structure of the events it matches, with arrays
// of alternatives where they have values.
//
// It decides whether an event matches; it knows nothing of buses, rules or
// records, and changes no event.
//
// Sources: EventBridge user guide, eb-event-patterns and
// eb-create-pattern-operators; Lambda developer guide, invocation-eventfiltering.
package eventpattern
