package store

import (
	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/fault"
	"moln.dev/moln/services/dynamodb/table"
	"moln.dev/moln/services/dynamodb/throttle"
)

// limited is one bucket of a table or index, with the words for an empty one.
type limited struct {
	name throttle.Name
	rate throttle.Rate
	// maximum says that the rate is an on-demand table's maximum.
	maximum bool
	arn     string
}

// limit is the bucket of a table (x nil) or global index; ok is false where
// nothing is limited. Local indexes use the table's.
func (t *Table) limit(x *table.Index, write bool) (l limited, ok bool) {
	units, most := t.Throughput, t.Most
	l = limited{name: throttle.Name{Table: t.ID, Write: write}, arn: t.ARNValue}
	if x != nil && x.Kind == table.Global {
		units, most = x.Throughput, x.Most
		l.name.Index, l.arn = x.ID, t.ARNValue+"/index/"+x.Name
	}
	pick := func(p table.Throughput) int64 {
		if write {
			return p.Write
		}
		return p.Read
	}
	if t.Billing == table.Provisioned {
		l.rate = throttle.Provisioned(pick(units))
		return l, pick(units) > 0
	}
	l.rate, l.maximum = throttle.Maximum(pick(most)), true
	return l, pick(most) > 0
}

// refusal is what a client is told where a bucket is empty.
func (l limited) refusal() *fault.Fault {
	side, of := "Read", "Table"
	if l.name.Write {
		side = "Write"
	}
	if l.name.Index != "" {
		of = "Index"
	}
	why := []api.ThrottlingReason{{Resource: &l.arn}}
	if l.maximum {
		why[0].Reason = new(of + side + "MaxOnDemandThroughputExceeded")
		f := api.ErrThrottlingException("Throughput exceeds the maximum OnDemandThroughput configured on table or index")
		return f.WithBody(&api.ThrottlingException{Message: &f.Message, ThrottlingReasons: why})
	}
	why[0].Reason = new(of + side + "ProvisionedThroughputExceeded")
	f := api.ErrProvisionedThroughputExceededException("The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.")
	if of == "Index" {
		f = api.ErrProvisionedThroughputExceededException("The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API")
	}
	return f.WithBody(&api.ProvisionedThroughputExceededException{Message: &f.Message, ThrottlingReasons: why})
}

// Throttled reports whether a request was refused for want of capacity.
func Throttled(err error) bool {
	return fault.Is(err, "ProvisionedThroughputExceededException") || fault.Is(err, "ThrottlingException")
}

// unlimited reports whether a table has no limit at all, which is quick to see.
func (t *Table) unlimited() bool { return t.Billing == table.OnDemand && !t.HasMost() }

// leastRead is the least that a read costs.
const leastRead = 0.5

// AdmitRead refuses a read of a table or index that has used its capacity up.
func (s *Store) AdmitRead(t *Table, x *table.Index) error {
	if t.unlimited() {
		return nil
	}
	if l, ok := t.limit(x, false); ok && !s.limits.Allows(l.name, l.rate, leastRead, s.clock.Now()) {
		return l.refusal()
	}
	return nil
}

// ChargeRead counts what a read has cost.
func (s *Store) ChargeRead(t *Table, x *table.Index, units float64) {
	if t.unlimited() || units == 0 {
		return
	}
	if l, ok := t.limit(x, false); ok {
		s.limits.Take(l.name, l.rate, units, s.clock.Now())
	}
}

// admit is asked in the transaction of a change, when its cost is known.
func (s *Store) admit(t *Table, out *Outcome, factor float64) error {
	now := s.clock.Now()
	for l, units := range t.costs(out, factor) {
		if !s.limits.Allows(l.name, l.rate, units, now) {
			return l.refusal()
		}
	}
	return nil
}

// charge counts what a change has cost.
func (s *Store) charge(t *Table, out *Outcome, factor float64) {
	if t.unlimited() {
		return
	}
	now := s.clock.Now()
	for l, units := range t.costs(out, factor) {
		s.limits.Take(l.name, l.rate, units, now)
	}
}

// costs gives the units of a change, bucket by bucket.
func (t *Table) costs(out *Outcome, factor float64) func(yield func(limited, float64) bool) {
	return func(yield func(limited, float64) bool) {
		rest := out.Units
		for name, units := range out.Indexes {
			x := t.Index(name)
			if x == nil || x.Kind != table.Global {
				continue
			}
			rest -= units
			if l, ok := t.limit(x, true); ok && !yield(l, units*factor) {
				return
			}
		}
		if l, ok := t.limit(nil, true); ok {
			yield(l, rest*factor)
		}
	}
}

// spend makes a change of a table with limits: fn is not asked where nothing is
// left, and a failed condition costs what it read.
func (s *Store) spend(ch *Change, fn func() (Outcome, error)) (Outcome, error) {
	if ch.Table.unlimited() {
		return fn()
	}
	ch.admit = func(out *Outcome) error { return s.admit(ch.Table, out, 1) }
	out, err := fn()
	switch {
	case err == nil:
		s.charge(ch.Table, &out, 1)
	case fault.Is(err, "ConditionalCheckFailedException"):
		s.charge(ch.Table, &Outcome{Units: WriteUnits(out.Old.Size())}, 1)
	}
	return out, err
}

// transactionFactor is what transactions cost, compared with single requests.
const transactionFactor = 2

// spendAll is spend for the changes of a transaction: each is admitted as if it
// were alone.
func (s *Store) spendAll(changes []*Change, fn func() ([]Outcome, error)) ([]Outcome, error) {
	for _, ch := range changes {
		if !ch.Table.unlimited() {
			ch.admit = func(out *Outcome) error { return s.admit(ch.Table, out, transactionFactor) }
		}
	}
	results, err := fn()
	if err != nil {
		return results, err
	}
	for i, ch := range changes {
		if results[i].Repeated {
			s.ChargeRead(ch.Table, nil, results[i].Units*transactionFactor)
		} else {
			s.charge(ch.Table, &results[i], transactionFactor)
		}
	}
	return results, nil
}
