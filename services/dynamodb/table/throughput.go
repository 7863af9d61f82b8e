package table

import (
	"slices"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/services/dynamodb/words"
)

// Limits of AWS on changes of throughput.
const (
	// freeDecreases may be made in one UTC day as fast as one likes; after these
	// there is one for each hour without.
	freeDecreases = 4
	decreaseEvery = time.Hour
	// maxSwitches is how often a table may become an on-demand table within
	// switchWindow.
	maxSwitches  = 4
	switchWindow = 24 * time.Hour
	// warmReads and warmWrites are what a new on-demand table can take.
	warmReads  = 12_000
	warmWrites = 4_000
)

// Changes are when the throughput of a table or index was changed.
type Changes struct {
	Increase time.Time `json:",omitzero"`
	// Decreases are those of the day of the last.
	Decreases []time.Time `json:",omitempty"`
	// Switches are when the table became an on-demand table, the last few.
	Switches []time.Time `json:",omitempty"`
}

// today is how many decreases there were on the day of now.
func (c *Changes) today(now time.Time) int {
	n := len(c.Decreases)
	if n == 0 || !sameDay(c.Decreases[n-1], now) {
		return 0
	}
	return n
}

func sameDay(a, b time.Time) bool {
	return a.UTC().Truncate(24 * time.Hour).Equal(b.UTC().Truncate(24 * time.Hour))
}

// move notes a change of throughput, or says that it is one too many.
func (c *Changes) move(from, to Throughput, now time.Time) error {
	if to.Read > from.Read || to.Write > from.Write {
		c.Increase = now
	}
	if to.Read >= from.Read && to.Write >= from.Write {
		return nil
	}
	if c.today(now) == 0 {
		c.Decreases = nil
	}
	if n := len(c.Decreases); n >= freeDecreases {
		last := c.Decreases[n-1]
		if next := last.Add(decreaseEvery); now.Before(next) {
			return api.ErrLimitExceededException("Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first %d decreases, each subsequent decrease in the same UTC day can be performed at most once every %d seconds. Number of decreases today: %d. Last decrease at %s. Next decrease can be made at %s",
				freeDecreases, int(decreaseEvery.Seconds()), n, day(last), day(next))
		}
	}
	c.Decreases = append(c.Decreases, now)
	return nil
}

func day(t time.Time) string { return t.UTC().Format("Monday, January 2, 2006 at 3:04:05 PM UTC") }

// switched notes that the table becomes an on-demand table.
func (c *Changes) switched(now time.Time) error {
	c.Switches = slices.DeleteFunc(c.Switches, func(t time.Time) bool { return now.Sub(t) >= switchWindow })
	if len(c.Switches) >= maxSwitches {
		return api.ErrLimitExceededException("Subscriber limit exceeded: Update to PayPerRequest mode are limited to %d times in 1 day(s). Last update at %s. Next update can be made at %s",
			maxSwitches, day(c.Switches[maxSwitches-1]), day(c.Switches[0].Add(switchWindow)))
	}
	c.Switches = append(c.Switches, now)
	return nil
}

// HasMost reports whether an on-demand table or one of its indexes has a limit.
func (t *Table) HasMost() bool {
	return t.Most != Throughput{} || slices.ContainsFunc(t.Indexes, func(x Index) bool { return x.Most != Throughput{} })
}

// noMost takes a limit away.
const noMost = -1

// readMost reads the limit of an on-demand table or index; what is not said
// stays.
func readMost(billing string, have Throughput, in *api.OnDemandThroughput) (Throughput, error) {
	if in == nil {
		return have, nil
	}
	if billing != OnDemand {
		return have, words.BadParameter("OnDemandThroughput can only be specified when BillingMode is PAY_PER_REQUEST")
	}
	for _, v := range []struct {
		name  string
		given *int64
		into  *int64
	}{{"MaxReadRequestUnits", in.MaxReadRequestUnits, &have.Read}, {"MaxWriteRequestUnits", in.MaxWriteRequestUnits, &have.Write}} {
		switch {
		case v.given == nil:
		case *v.given == noMost:
			*v.into = 0
		case *v.given < 1:
			return have, words.BadParameter("%s must be at least 1, or -1 for no maximum", v.name)
		default:
			*v.into = *v.given
		}
	}
	return have, nil
}

// describeMost is nil where there is no limit.
func describeMost(p Throughput) *api.OnDemandThroughput {
	if p == (Throughput{}) {
		return nil
	}
	show := func(n int64) *int64 {
		if n == 0 {
			n = noMost
		}
		return &n
	}
	return &api.OnDemandThroughput{MaxReadRequestUnits: show(p.Read), MaxWriteRequestUnits: show(p.Write)}
}

// warmOf is what a table or index can take at once: what it can by itself, or
// what was asked for.
func (t *Table) warmOf(asked, provisioned Throughput) Throughput {
	own := Throughput{warmReads, warmWrites}
	if t.Billing == Provisioned {
		own = provisioned
	}
	return Throughput{max(own.Read, asked.Read), max(own.Write, asked.Write)}
}

// readWarm reads a request for warm throughput, which cannot become less.
func (t *Table) readWarm(have, provisioned Throughput, in *api.WarmThroughput) (Throughput, error) {
	if in == nil {
		return have, nil
	}
	now := t.warmOf(have, provisioned)
	want := now
	if in.ReadUnitsPerSecond != nil {
		want.Read = *in.ReadUnitsPerSecond
	}
	if in.WriteUnitsPerSecond != nil {
		want.Write = *in.WriteUnitsPerSecond
	}
	if want.Read < now.Read || want.Write < now.Write {
		return have, words.BadParameter("Requested WarmThroughput is lower than the current WarmThroughput. Requested: ReadUnitsPerSecond %d, WriteUnitsPerSecond %d. Current: ReadUnitsPerSecond %d, WriteUnitsPerSecond %d",
			want.Read, want.Write, now.Read, now.Write)
	}
	return want, nil
}

// readLimits reads the limits of a table.
func (t *Table) readLimits(most *api.OnDemandThroughput, warm *api.WarmThroughput) (err error) {
	if t.Most, err = readMost(t.Billing, t.Most, most); err != nil {
		return err
	}
	t.Warm, err = t.readWarm(t.Warm, t.Throughput, warm)
	return err
}

// readIndexLimits reads the limits of an index.
func (t *Table) readIndexLimits(x *Index, most *api.OnDemandThroughput, warm *api.WarmThroughput) (err error) {
	if x.Most, err = readMost(t.Billing, x.Most, most); err != nil {
		return err
	}
	x.Warm, err = t.readWarm(x.Warm, x.Throughput, warm)
	return err
}

func describeThroughput(p Throughput, c *Changes, now time.Time) *api.ProvisionedThroughputDescription {
	out := &api.ProvisionedThroughputDescription{
		ReadCapacityUnits: &p.Read, WriteCapacityUnits: &p.Write, NumberOfDecreasesToday: new(int64(c.today(now))),
	}
	if !c.Increase.IsZero() {
		out.LastIncreaseDateTime = &c.Increase
	}
	if n := len(c.Decreases); n > 0 {
		out.LastDecreaseDateTime = &c.Decreases[n-1]
	}
	return out
}
