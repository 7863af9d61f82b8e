// Package cron is AWS's language of schedules: rate(5 minutes), cron(0 12 * * ? *)
// and at(2026-01-02T03:04:05), as EventBridge's rules and EventBridge Scheduler
// have it.
//
// It says when a schedule is due; it has no clock and fires nothing.
//
// Sources: EventBridge user guide, eb-cron-expressions and eb-rate-expressions;
// EventBridge Scheduler user guide, schedule-types.
package cron
