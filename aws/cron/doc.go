// Package cron is AWS's language of schedules: rate(5 minutes) and
// cron(0 12 * * ? *), as EventBridge's rules have it.
//
// It says when a schedule is due; it has no clock and fires nothing.
//
// Source: EventBridge user guide, eb-cron-expressions and eb-rate-expressions.
package cron
