package events

import (
	"context"

	api "moln.dev/moln/api/events"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

func (s *Service) createArchive(ctx context.Context, c *service.Call, in *api.CreateArchiveInput) (*api.CreateArchiveOutput, error) {
	if smithy.Val(in.KmsKeyIdentifier) != "" {
		return nil, unsupported("archives that are encrypted with a key of KMS (KmsKeyIdentifier)")
	}
	if err := checkPattern(in.EventPattern); err != nil {
		return nil, err
	}
	k := archiveKey{placeOf(c), *in.ArchiveName}
	from, ok := sourceBus(k.place, *in.EventSourceArn)
	if !ok {
		return nil, invalid("Parameter EventSourceArn is not valid. Reason: Must contain an event bus ARN.")
	}
	if _, err := s.find(ctx, from); err != nil {
		return nil, err
	}
	a := &archive{
		Name: k.archive, Bus: from.name, Description: smithy.Val(in.Description), Pattern: smithy.Val(in.EventPattern),
		Retention: smithy.Val(in.RetentionDays), Created: c.Now.UTC(),
	}
	err := s.store.changeArchive(ctx, k, from, func(old *archive) (*archive, error) {
		if old != nil {
			return nil, api.ErrResourceAlreadyExistsException("Archive %s already exists.", k.archive)
		}
		return a, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateArchiveOutput{ArchiveArn: new(k.arn()), State: new(api.ArchiveStateEnabled), CreationTime: &a.Created}, nil
}

func (s *Service) updateArchive(ctx context.Context, c *service.Call, in *api.UpdateArchiveInput) (*api.UpdateArchiveOutput, error) {
	switch {
	case in.EventPattern == nil && in.RetentionDays == nil && in.Description == nil && in.KmsKeyIdentifier == nil:
		return nil, invalid("At least one of EventPattern, RetentionDays or Description must be provided.")
	case smithy.Val(in.KmsKeyIdentifier) != "":
		return nil, unsupported("archives that are encrypted with a key of KMS (KmsKeyIdentifier)")
	}
	if err := checkPattern(in.EventPattern); err != nil {
		return nil, err
	}
	k := archiveKey{placeOf(c), *in.ArchiveName}
	have, err := s.store.archive(ctx, k)
	if err != nil {
		return nil, err
	}
	err = s.store.changeArchive(ctx, k, busKey{k.place, have.Bus}, func(a *archive) (*archive, error) {
		if a == nil {
			return nil, noArchive(k.archive)
		}
		if in.EventPattern != nil {
			a.Pattern = *in.EventPattern
		}
		if in.RetentionDays != nil {
			a.Retention = *in.RetentionDays
		}
		if in.Description != nil {
			a.Description = *in.Description
		}
		return a, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateArchiveOutput{ArchiveArn: new(k.arn()), State: new(api.ArchiveStateEnabled), CreationTime: &have.Created}, nil
}

func (s *Service) deleteArchive(ctx context.Context, c *service.Call, in *api.DeleteArchiveInput) (*api.DeleteArchiveOutput, error) {
	k := archiveKey{placeOf(c), *in.ArchiveName}
	have, err := s.store.archive(ctx, k)
	if err != nil {
		return nil, err
	}
	return nil, s.store.changeArchive(ctx, k, busKey{k.place, have.Bus}, func(a *archive) (*archive, error) {
		if a == nil {
			return nil, noArchive(k.archive)
		}
		return nil, nil
	})
}

func (s *Service) describeArchive(ctx context.Context, c *service.Call, in *api.DescribeArchiveInput) (*api.DescribeArchiveOutput, error) {
	k := archiveKey{placeOf(c), *in.ArchiveName}
	a, err := s.store.archive(ctx, k)
	if err != nil {
		return nil, err
	}
	events, bytes, err := s.store.extent(ctx, k)
	if err != nil {
		return nil, err
	}
	return &api.DescribeArchiveOutput{
		ArchiveArn: new(k.arn()), ArchiveName: &a.Name, EventSourceArn: new(busKey{k.place, a.Bus}.arn()), Description: text(a.Description),
		EventPattern: text(a.Pattern), State: new(api.ArchiveStateEnabled), RetentionDays: &a.Retention, EventCount: &events, SizeBytes: &bytes,
		CreationTime: &a.Created,
	}, nil
}

// oneFilter refuses lists that are asked for by more than one filter.
func oneFilter(operation string, filters ...*string) error {
	given := 0
	for _, f := range filters {
		if f != nil {
			given++
		}
	}
	if given > 1 {
		return invalid("At most one filter is allowed for %s. Use either : State, EventSourceArn, or NamePrefix.", operation)
	}
	return nil
}

func (s *Service) listArchives(ctx context.Context, c *service.Call, in *api.ListArchivesInput) (*api.ListArchivesOutput, error) {
	p := placeOf(c)
	if err := oneFilter("ListArchives", in.NamePrefix, in.EventSourceArn, in.State); err != nil {
		return nil, err
	}
	if in.EventSourceArn != nil {
		from, ok := sourceBus(p, *in.EventSourceArn)
		if !ok {
			return nil, invalid("Parameter EventSourceArn is not valid. Reason: Must contain an event bus ARN.")
		}
		if _, err := s.find(ctx, from); err != nil {
			return nil, err
		}
	}
	list, err := page[archive](ctx, s.store.db, p.key("a"), smithy.Val(in.NamePrefix), smithy.Val(in.NextToken), 0)
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.Limit)
	out := &api.ListArchivesOutput{Archives: []api.Archive{}}
	for i := range list {
		a := &list[i]
		source := busKey{p, a.Bus}.arn()
		if in.EventSourceArn != nil && *in.EventSourceArn != source || in.State != nil && *in.State != api.ArchiveStateEnabled {
			continue
		}
		if len(out.Archives) == limit {
			out.NextToken = out.Archives[limit-1].ArchiveName
			break
		}
		events, bytes, err := s.store.extent(ctx, archiveKey{p, a.Name})
		if err != nil {
			return nil, err
		}
		out.Archives = append(out.Archives, api.Archive{
			ArchiveName: &a.Name, EventSourceArn: &source, State: new(api.ArchiveStateEnabled), RetentionDays: &a.Retention,
			EventCount: &events, SizeBytes: &bytes, CreationTime: &a.Created,
		})
	}
	return out, nil
}
