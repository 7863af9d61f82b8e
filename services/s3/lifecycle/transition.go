package lifecycle

import (
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/services/s3/class"
	"moln.dev/moln/services/s3/s3err"
)

// moment is when an action of a rule is due: after days, or on a date.
type moment struct {
	days *int32
	date *time.Time
}

// inDays counts a moment in days, so that two of one kind compare.
func (m moment) inDays() int64 {
	if m.date != nil {
		return m.date.Unix() / (24 * 60 * 60)
	}
	return int64(*m.days)
}

// move is a transition of either kind.
type move struct {
	moment
	class string
}

func checkTransitions(r *api.LifecycleRule, _ bool) error {
	var moves []move
	for _, t := range r.Transitions {
		c, err := target(t.StorageClass)
		if err != nil {
			return err
		}
		switch {
		case count(t.Days != nil, t.Date != nil) != 1:
			return s3err.MalformedXML()
		case t.Date != nil:
			if err := checkMidnight(*t.Date); err != nil {
				return err
			}
		case *t.Days < 0:
			return invalidArgument("'Days' in Transition action must be nonnegative")
		case *t.Days < infrequentMin && (c == class.StandardIA || c == class.OneZoneIA):
			return invalidArgument("'Days' in Transition action must be greater than or equal to 30 for storageClass '%s'", c)
		}
		moves = append(moves, move{moment{t.Days, t.Date}, c})
	}
	filter := scopeOf(r).text()
	for _, m := range moves {
		if (m.date == nil) != (moves[0].date == nil) {
			return invalidRequest("Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for filter '%s'", filter)
		}
	}
	if err := checkOrder(moves, filter, "Transition", "Days"); err != nil {
		return err
	}
	e := r.Expiration
	if e == nil || e.Days == nil && e.Date == nil {
		return nil
	}
	return checkBefore(moves, moment{e.Days, e.Date}, filter)
}

// checkBefore refuses transitions that are not before the expiration.
func checkBefore(moves []move, end moment, filter string) error {
	for _, m := range moves {
		if (m.date == nil) != (end.date == nil) {
			return invalidRequest("Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '%s'", filter)
		}
		if end.inDays() <= m.inDays() {
			field := "Days"
			if end.date != nil {
				field = "Date"
			}
			return invalidArgument("'%[1]s' in the Expiration action for filter '%[2]s' must be greater than '%[1]s' in the Transition action", field, filter)
		}
	}
	return nil
}

func checkNoncurrentTransitions(r *api.LifecycleRule, modern bool) error {
	const action = "NoncurrentVersionTransition"
	var moves []move
	for _, t := range r.NoncurrentVersionTransitions {
		c, err := target(t.StorageClass)
		if err != nil {
			return err
		}
		switch {
		case t.NoncurrentDays == nil:
			return s3err.MalformedXML()
		case *t.NoncurrentDays < 0:
			return invalidArgument("'NoncurrentDays' in %s action must be nonnegative", action)
		case *t.NoncurrentDays < infrequentMin && (c == class.StandardIA || c == class.OneZoneIA):
			return invalidArgument("'NoncurrentDays' in %s action must be greater than or equal to 30 for storageClass '%s'", action, c)
		}
		if err := checkNewer(t.NewerNoncurrentVersions, action, modern); err != nil {
			return err
		}
		moves = append(moves, move{moment{days: t.NoncurrentDays}, c})
	}
	filter := scopeOf(r).text()
	if err := checkOrder(moves, filter, action, "NoncurrentDays"); err != nil {
		return err
	}
	e := r.NoncurrentVersionExpiration
	for _, m := range moves {
		if e != nil && *e.NoncurrentDays <= *m.days {
			return invalidArgument("'NoncurrentDays' in the NoncurrentVersionExpiration action for filter '%s' must be greater than 'NoncurrentDays' in the %s action", filter, action)
		}
	}
	return nil
}

// checkOrder refuses two transitions to one class, and colder classes that do
// not come after the warmer ones, by their least durations.
func checkOrder(moves []move, filter, action, field string) error {
	for i, b := range moves {
		for _, a := range moves[:i] {
			if a.class == b.class {
				return invalidRequest("'StorageClass' must be different for '%s' actions in same 'Rule' with filter '%s'", action, filter)
			}
			warm, cold := a, b
			if class.MayMove(b.class, a.class) {
				warm, cold = b, a
			}
			if warm.date != nil {
				field = "Date"
			}
			gap := cold.inDays() - warm.inDays()
			if gap <= 0 || !class.MayMove(warm.class, cold.class) {
				return invalidArgument("'%[1]s' in the '%[2]s' action for StorageClass '%[3]s' for filter '%[4]s' must be greater than '%[1]s' in the '%[2]s' action for StorageClass '%[5]s' for filter '%[4]s'",
					field, action, cold.class, filter, warm.class)
			}
			if info, _ := class.Of(warm.class); gap < int64(info.LeastDays) {
				return invalidArgument("'%[1]s' in the '%[2]s' action for StorageClass '%[3]s' for filter '%[4]s' must be %[5]d days more than 'filter '%[4]s'' in the '%[2]s' action for StorageClass '%[6]s'",
					field, action, cold.class, filter, info.LeastDays, warm.class)
			}
		}
	}
	return nil
}
