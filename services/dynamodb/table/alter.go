package table

import (
	"slices"
	"time"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/services/dynamodb/expr"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/words"
)

// UpdateSettings carries out what UpdateTable says of the table itself.
func (t *Table) UpdateSettings(in *api.UpdateTableInput, now time.Time) error {
	if err := t.updateStream(in); err != nil {
		return err
	}
	if in.DeletionProtectionEnabled != nil {
		t.Protected = *in.DeletionProtectionEnabled
	}
	if in.TableClass != nil {
		t.Class = *in.TableClass
	}
	billing := smithy.Val(in.BillingMode)
	if billing == "" {
		billing = t.Billing
	}
	if billing != t.Billing {
		if err := t.switchBilling(in, billing, now); err != nil {
			return err
		}
		return t.readLimits(in.OnDemandThroughput, in.WarmThroughput)
	}
	if err := t.readLimits(in.OnDemandThroughput, in.WarmThroughput); err != nil || in.ProvisionedThroughput == nil {
		return err
	}
	p, err := readThroughput(billing, in.ProvisionedThroughput, "")
	if err != nil {
		return err
	}
	if p == t.Throughput && billing == Provisioned && len(in.GlobalSecondaryIndexUpdates) == 0 {
		return words.Refuse("The provisioned throughput for the table will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for the table: %d. Requested ReadCapacityUnits: %d. Current WriteCapacityUnits provisioned for the table: %d. Requested WriteCapacityUnits: %d. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
			t.Throughput.Read, p.Read, t.Throughput.Write, p.Write)
	}
	if err := t.Changes.move(t.Throughput, p, now); err != nil {
		return err
	}
	t.Throughput = p
	return nil
}

// switchBilling changes the mode, for which indexes need throughput of their own.
func (t *Table) switchBilling(in *api.UpdateTableInput, billing string, now time.Time) (err error) {
	t.Billing = billing
	if t.Throughput, err = readThroughput(billing, in.ProvisionedThroughput, ""); err != nil {
		return err
	}
	if t.Most = (Throughput{}); billing == OnDemand {
		t.OnDemandAt = now
		if err := t.Changes.switched(now); err != nil {
			return err
		}
	}
	for i := range t.Indexes {
		x := &t.Indexes[i]
		if x.Kind != Global {
			continue
		}
		if x.Throughput, x.Most = (Throughput{}), (Throughput{}); billing == OnDemand {
			continue
		}
		u := slices.IndexFunc(in.GlobalSecondaryIndexUpdates, func(u api.GlobalSecondaryIndexUpdate) bool {
			return u.Update != nil && *u.Update.IndexName == x.Name && u.Update.ProvisionedThroughput != nil
		})
		if u < 0 {
			return words.BadParameter("ProvisionedThroughput must be specified for index: %s", x.Name)
		}
	}
	return nil
}

// UpdateIndexes adds, removes and changes global indexes and returns the id of
// the one removed.
func (t *Table) UpdateIndexes(in *api.UpdateTableInput, newID string, now time.Time) (dropped string, err error) {
	changes := 0
	for _, u := range in.GlobalSecondaryIndexUpdates {
		switch {
		case u.Create != nil:
			changes++
			err = t.createIndex(in, u.Create, newID)
		case u.Delete != nil:
			changes++
			name := *u.Delete.IndexName
			if dropped = t.dropIndexWhere(func(x Index) bool { return x.Kind == Global && x.Name == name }); dropped == "" {
				err = api.ErrResourceNotFoundException("Requested resource not found")
			}
			t.keepUsedDefinitions()
		case u.Update != nil:
			err = t.updateIndex(u.Update, now)
		default:
			err = words.BadParameter("One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null")
		}
		if err != nil {
			return "", err
		}
	}
	if changes > 1 {
		return "", api.ErrLimitExceededException("Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
	}
	return dropped, nil
}

func (t *Table) createIndex(in *api.UpdateTableInput, create *api.CreateGlobalSecondaryIndexAction, newID string) error {
	defs, err := readDefinitions(in.AttributeDefinitions)
	if err != nil {
		return err
	}
	for _, d := range defs {
		i := slices.IndexFunc(t.Definitions, func(o expr.KeyAttribute) bool { return o.Name == d.Name })
		switch {
		case i < 0:
			t.Definitions = append(t.Definitions, d)
		case t.Definitions[i] != d:
			return words.BadParameter("Attributes cannot be redefined. Please check that your attribute has the same type as previously defined. Existing schema: %s Duplicate attribute: %s", t.Definitions[i].Kind, d.Name)
		}
	}
	if t.Index(*create.IndexName) != nil {
		return words.Refuse("Attempting to create an index which already exists")
	}
	x, err := t.addGlobal(*create.IndexName, create.KeySchema, create.Projection, create.ProvisionedThroughput)
	if err != nil {
		return err
	}
	if err := t.readIndexLimits(x, create.OnDemandThroughput, create.WarmThroughput); err != nil {
		return err
	}
	// A name that was used before must not find rows of its past.
	x.ID, x.Filling = newID, true
	if n := len(t.Indexes); n > maxGlobal+maxLocal+1 {
		return api.ErrLimitExceededException("Subscriber limit exceeded: GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobal)
	}
	t.keepUsedDefinitions()
	return nil
}

func (t *Table) updateIndex(u *api.UpdateGlobalSecondaryIndexAction, now time.Time) error {
	x := t.Index(*u.IndexName)
	if x == nil || x.Kind != Global {
		return api.ErrResourceNotFoundException("Requested resource not found")
	}
	if err := t.readIndexLimits(x, u.OnDemandThroughput, u.WarmThroughput); err != nil || u.ProvisionedThroughput == nil {
		return err
	}
	p, err := readThroughput(t.Billing, u.ProvisionedThroughput, x.Name)
	if err == nil && x.Throughput != (Throughput{}) {
		err = x.Changes.move(x.Throughput, p, now)
	}
	x.Throughput = p
	return err
}

// keepUsedDefinitions forgets attributes that no key has any more.
func (t *Table) keepUsedDefinitions() {
	t.Definitions = slices.DeleteFunc(t.Definitions, func(d expr.KeyAttribute) bool {
		return !t.Has(d.Name) && !slices.ContainsFunc(t.Indexes, func(x Index) bool { return x.Kind != Expiry && x.Has(d.Name) })
	})
}

// UpdateExpiry turns expiry on or off and returns the id of the index that is
// not used any more.
func (t *Table) UpdateExpiry(attribute string, enable bool, newID string) (dropped string, err error) {
	switch {
	case enable && t.TTL != "":
		if t.TTL == attribute {
			return "", words.Refuse("TimeToLive is already enabled")
		}
		return "", words.Refuse("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.TTL)
	case !enable && t.TTL == "":
		return "", words.Refuse("TimeToLive is already disabled")
	case !enable && t.TTL != attribute:
		return "", words.Refuse("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.TTL)
	case !enable:
		t.TTL = ""
		return t.dropIndexWhere(func(x Index) bool { return x.Kind == Expiry }), nil
	}
	t.TTL = attribute
	t.Indexes = append(t.Indexes, Index{
		ID: newID, Kind: Expiry, Projection: api.ProjectionTypeKeysOnly, Filling: true,
		Keys: Keys{Range: expr.KeyAttribute{Name: attribute, Kind: item.Number}},
	})
	return "", nil
}

func (t *Table) dropIndexWhere(is func(Index) bool) (id string) {
	i := slices.IndexFunc(t.Indexes, is)
	if i < 0 {
		return ""
	}
	id = t.Indexes[i].ID
	t.Indexes = slices.Delete(t.Indexes, i, i+1)
	return id
}
