package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	api "moln.dev/moln/api/logs"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
)

// streamsPerOrder bounds how many streams DescribeLogStreams orders by time,
// and how many FilterLogEvents searches in one page.
const streamsPerOrder = 5_000

func (s *Service) createLogStream(ctx context.Context, c *service.Call, in *api.CreateLogStreamInput) (*api.CreateLogStreamOutput, error) {
	st := stream{Name: *in.LogStreamName, Created: c.Now.UnixMilli()}
	return nil, s.store.createStream(ctx, placeOf(c), *in.LogGroupName, st)
}

func (s *Service) deleteLogStream(ctx context.Context, c *service.Call, in *api.DeleteLogStreamInput) (*api.DeleteLogStreamOutput, error) {
	return nil, s.store.deleteStream(ctx, placeOf(c), *in.LogGroupName, *in.LogStreamName)
}

func (s *Service) describeLogStreams(ctx context.Context, c *service.Call, in *api.DescribeLogStreamsInput) (*api.DescribeLogStreamsOutput, error) {
	name, err := groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byTime := smithy.Val(in.OrderBy) == api.OrderByLastEventTime
	if byTime && smithy.Val(in.LogStreamNamePrefix) != "" {
		return nil, api.ErrInvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	if _, err := s.store.group(ctx, placeOf(c), name); err != nil {
		return nil, err
	}
	found, err := s.store.streams(ctx, placeOf(c), name, smithy.Val(in.LogStreamNamePrefix), "", streamsPerOrder)
	if err != nil {
		return nil, err
	}
	if byTime {
		slices.SortStableFunc(found, func(a, b stream) int { return cmp.Compare(a.Last, b.Last) })
	}
	if smithy.Val(in.Descending) {
		slices.Reverse(found)
	}
	start, err := offsetOf(in.NextToken, len(found))
	if err != nil {
		return nil, err
	}
	limit := int(smithy.Val(in.Limit))
	if limit == 0 {
		limit = describeDefault
	}
	out := &api.DescribeLogStreamsOutput{LogStreams: []api.LogStream{}}
	end := min(start+limit, len(found))
	for _, st := range found[start:end] {
		out.LogStreams = append(out.LogStreams, describeStream(c, name, st))
	}
	if end < len(found) {
		out.NextToken = new(strconv.Itoa(end))
	}
	return out, nil
}

func offsetOf(token *string, max int) (int, error) {
	if token == nil {
		return 0, nil
	}
	n, err := strconv.Atoi(*token)
	if err != nil || n < 0 || n > max {
		return 0, api.ErrInvalidParameterException("The specified nextToken is invalid.")
	}
	return n, nil
}

func describeStream(c *service.Call, group string, st stream) api.LogStream {
	out := api.LogStream{
		LogStreamName: new(st.Name), CreationTime: new(st.Created), StoredBytes: new(int64(0)),
		Arn: new(groupARN(c, group) + ":log-stream:" + st.Name),
	}
	if st.Last > 0 {
		out.FirstEventTimestamp, out.LastEventTimestamp = new(st.First), new(st.Last)
		out.LastIngestionTime = new(st.Ingest)
		out.UploadSequenceToken = new(strconv.FormatInt(st.Ingest, 10))
	}
	return out
}

func (s *Service) putLogEvents(ctx context.Context, c *service.Call, in *api.PutLogEventsInput) (*api.PutLogEventsOutput, error) {
	g, err := s.store.group(ctx, placeOf(c), *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	keep, rejected, err := accept(in.LogEvents, c.Now, g.Retention)
	if err != nil {
		return nil, err
	}
	now := c.Now.UnixMilli()
	events := make([]event, len(keep))
	for i, e := range keep {
		events[i] = event{Time: *e.Timestamp, Ingested: now, Message: *e.Message, sequence: s.deps.Ident.Sortable()}
	}
	if err := s.store.put(ctx, placeOf(c), g.Name, *in.LogStreamName, events); err != nil {
		return nil, err
	}
	return &api.PutLogEventsOutput{NextSequenceToken: new(strconv.FormatInt(now, 10)), RejectedLogEventsInfo: rejected}, nil
}

// pageToken says where a page of one stream ended: direction/ms/sequence, the
// direction in a capital where the position itself is still to come.
func pageToken(direction string, e position) *string {
	if e.inclusive {
		direction = strings.ToUpper(direction)
	}
	return new(fmt.Sprintf("%s/%d/%s", direction, e.ms, e.sequence))
}

func parsePageToken(token string) (direction string, p position, err error) {
	parts := strings.SplitN(token, "/", 3)
	if len(parts) == 3 && len(parts[0]) == 1 && strings.Contains("fbFB", parts[0]) {
		if ms, perr := strconv.ParseInt(parts[1], 10, 64); perr == nil {
			direction = strings.ToLower(parts[0])
			return direction, position{ms, parts[2], direction != parts[0]}, nil
		}
	}
	return "", p, api.ErrInvalidParameterException("The specified nextToken is invalid.")
}

func (s *Service) getLogEvents(ctx context.Context, c *service.Call, in *api.GetLogEventsInput) (*api.GetLogEventsOutput, error) {
	name, err := groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.group(ctx, placeOf(c), name); err != nil {
		return nil, err
	}
	if _, err := s.store.stream(ctx, placeOf(c), name, *in.LogStreamName); err != nil {
		return nil, err
	}
	w := windowOf(in.StartTime, in.EndTime, in.Limit)
	w.reverse = !smithy.Val(in.StartFromHead)
	if in.NextToken != nil {
		direction, at, err := parsePageToken(*in.NextToken)
		if err != nil {
			return nil, err
		}
		if w.reverse = direction == "b"; w.reverse {
			w.before = &at
		} else {
			w.after = &at
		}
	}
	events, _, err := s.store.events(ctx, placeOf(c), name, *in.LogStreamName, w)
	if err != nil {
		return nil, err
	}
	if w.reverse {
		slices.Reverse(events)
	}
	return eventPage(events, w), nil
}

// eventPage makes the answer; the same token comes back at either end, which is
// how clients see that there is no more. The token for the way back from an end
// includes the position, since the event there lies on that way.
func eventPage(events []event, w window) *api.GetLogEventsOutput {
	out := &api.GetLogEventsOutput{Events: []api.OutputLogEvent{}}
	for _, e := range events {
		out.Events = append(out.Events, api.OutputLogEvent{Timestamp: new(e.Time), Message: new(e.Message), IngestionTime: new(e.Ingested)})
	}
	if len(events) == 0 {
		forward := position{ms: w.from}
		backward := forward
		switch {
		case w.after != nil:
			forward, backward = *w.after, position{w.after.ms, w.after.sequence, !w.after.inclusive}
		case w.before != nil:
			forward, backward = position{w.before.ms, w.before.sequence, !w.before.inclusive}, *w.before
		}
		out.NextForwardToken, out.NextBackwardToken = pageToken("f", forward), pageToken("b", backward)
		return out
	}
	first, last := events[0], events[len(events)-1]
	out.NextForwardToken = pageToken("f", position{ms: last.Time, sequence: last.sequence})
	out.NextBackwardToken = pageToken("b", position{ms: first.Time, sequence: first.sequence})
	return out
}

// windowOf turns request times (ms; end exclusive) into a window.
func windowOf(start, end *int64, limit *int32) window {
	w := window{from: smithy.Val(start), to: 1<<62 - 1, limit: int(smithy.Val(limit))}
	if end != nil {
		w.to = *end
	}
	if w.limit == 0 {
		w.limit = pageEventsMax
	}
	return w
}

func (s *Service) filterLogEvents(ctx context.Context, c *service.Call, in *api.FilterLogEventsInput) (*api.FilterLogEventsOutput, error) {
	name, err := groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	f, err := parseFilter(smithy.Val(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, api.ErrInvalidParameterException("logStreamNames and logStreamNamePrefix cannot be used together.")
	}
	if _, err := s.store.group(ctx, placeOf(c), name); err != nil {
		return nil, err
	}
	streams, err := s.searched(ctx, c, name, in)
	if err != nil {
		return nil, err
	}
	w := windowOf(in.StartTime, in.EndTime, in.Limit)
	if in.EndTime != nil {
		w.to++ // FilterLogEvents includes its end
	}
	if in.NextToken != nil {
		_, at, err := parsePageToken(*in.NextToken)
		if err != nil {
			return nil, err
		}
		w.after, w.from = &at, max(w.from, at.ms)
	}
	limit := w.limit
	if !f.empty() {
		w.limit = pageEventsMax // few may match
	}
	return s.filterPage(ctx, placeOf(c), search{name, streams, f, limit}, w)
}

// searched lists the streams that may hold events of the window.
func (s *Service) searched(ctx context.Context, c *service.Call, name string, in *api.FilterLogEventsInput) ([]string, error) {
	all, err := s.store.streams(ctx, placeOf(c), name, smithy.Val(in.LogStreamNamePrefix), "", streamsPerOrder)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, st := range all {
		wanted := len(in.LogStreamNames) == 0 || slices.Contains(in.LogStreamNames, st.Name)
		if wanted && st.Last >= smithy.Val(in.StartTime) && (in.EndTime == nil || st.First <= *in.EndTime) {
			out = append(out, st.Name)
		}
	}
	for _, want := range in.LogStreamNames {
		if !slices.ContainsFunc(all, func(st stream) bool { return st.Name == want }) {
			return nil, api.ErrResourceNotFoundException("The specified log stream does not exist.")
		}
	}
	return out, nil
}

// search is what FilterLogEvents looks for, and how much it answers.
type search struct {
	group   string
	streams []string
	filter  filter
	limit   int
}

// filterPage merges the streams by time. Each contributes at most a page; what
// lies beyond the earliest cut-off is left for the next page. No more than two
// pages are held at once, however many streams there are.
func (s *Service) filterPage(ctx context.Context, p place, q search, w window) (*api.FilterLogEventsOutput, error) {
	var m merge
	for _, name := range q.streams {
		if m.cut != nil {
			w.to = min(w.to, m.cut.ms+1)
		}
		events, more, err := s.store.events(ctx, p, q.group, name, w)
		if err != nil {
			return nil, err
		}
		m.add(events, more)
	}
	m.sort()
	out := &api.FilterLogEventsOutput{Events: []api.FilteredLogEvent{}, SearchedLogStreams: []api.SearchedLogStream{}}
	for _, e := range m.events {
		if len(out.Events) == q.limit {
			return out, nil // NextToken is at the event before
		}
		out.NextToken = pageToken("f", e.position())
		if q.filter.matches(e.Message) {
			out.Events = append(out.Events, api.FilteredLogEvent{
				LogStreamName: new(e.stream), Timestamp: new(e.Time), Message: new(e.Message),
				IngestionTime: new(e.Ingested), EventId: new(eventID(e)),
			})
		}
	}
	if m.cut == nil {
		out.NextToken = nil
	}
	return out, nil
}

// merge collects the earliest events of several streams.
type merge struct {
	events []event
	bytes  int
	cut    *position // what lies after it was not read, or was dropped again
}

// add takes a stream's page; more says that it goes on.
func (m *merge) add(events []event, more bool) {
	if n := len(events); more && n > 0 {
		m.limit(events[n-1].position())
	}
	for _, e := range events {
		m.bytes += len(e.Message) + eventOverhead
	}
	m.events = append(m.events, events...)
	if m.bytes > pageBytesMax || len(m.events) > pageEventsMax {
		m.sort()
	}
}

func (m *merge) limit(p position) {
	if m.cut == nil || comparePositions(p, *m.cut) < 0 {
		m.cut = &p
	}
}

// sort orders the events and drops what lies after the cut-off or does not fit.
func (m *merge) sort() {
	slices.SortFunc(m.events, func(a, b event) int { return comparePositions(a.position(), b.position()) })
	m.bytes = 0
	for i, e := range m.events {
		after := m.cut != nil && comparePositions(e.position(), *m.cut) > 0
		m.bytes += len(e.Message) + eventOverhead
		full := m.bytes > pageBytesMax || i >= pageEventsMax
		if i > 0 && (after || full) { // the cut-off is an event, so one is left
			m.limit(m.events[i-1].position())
			m.bytes -= len(e.Message) + eventOverhead
			m.events = m.events[:i:i]
			return
		}
	}
}

func comparePositions(a, b position) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.sequence, b.sequence))
}

func daysText() string {
	parts := make([]string, len(retentions))
	for i, d := range retentions {
		parts[i] = strconv.Itoa(int(d))
	}
	return strings.Join(parts, ", ")
}
