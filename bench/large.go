package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"moln.dev/moln/bench/load"
	"moln.dev/moln/bench/target"
)

const (
	largePart     = "large"
	largeUnit     = 10_000 // items
	largeRequests = 20_000 // different ones, at random keys
	largeLoaders  = 16
	settlePoll    = time.Second
	settleQuiet   = 5 // polls with hardly any work
	settleMost    = 15 * time.Minute
)

// large compares a table of many items with one of largeUnit: reads, memory, and
// the time to start again.
func (b *bench) large() error {
	var servers []named
	var launches []target.Launch
	for _, units := range []int{1, b.items10k} {
		name := fmt.Sprintf("%d items", units*largeUnit)
		dir, err := b.dir(fmt.Sprint("large-", units))
		if err != nil {
			return err
		}
		launches = append(launches, b.launch(dir))
		s, err := target.Start(b.ctx, b.launch(dir))
		if err != nil {
			return err
		}
		defer func() { s.Stop() }()
		if err := b.fill(s, name, units); err != nil {
			return err
		}
		servers = append(servers, named{name, s})
	}
	for _, workers := range []int{1, 16} {
		var list []contender
		for i, s := range servers {
			partitions := []int{1, b.items10k}[i] * largeUnit / rangeItems
			list = append(list,
				httpCase(s.name+": GetItem", s.Server, workers, largeReads(partitions, getRange)),
				httpCase(s.name+": Query 100", s.Server, workers, largeReads(partitions, queryRequest)))
		}
		if err := b.compare(largePart, list); err != nil {
			return err
		}
	}
	for i, s := range servers {
		if err := b.largeMemory(s); err != nil {
			return err
		}
		s.Stop()
		again, err := target.Start(b.ctx, launches[i])
		if err != nil {
			return err
		}
		b.report.value(largePart, s.name+": restart to ready", float64(again.Started.Milliseconds()), "ms", "")
		again.Kill()
		if again, err = target.Start(b.ctx, launches[i]); err != nil {
			return err
		}
		b.report.value(largePart, s.name+": restart to ready after kill -9", float64(again.Started.Milliseconds()), "ms", "")
		again.Stop()
	}
	return nil
}

// fill makes the table by BatchWriteItem and waits until the store rests.
func (b *bench) fill(s *target.Server, name string, units int) error {
	if err := b.makeRangeTable(s); err != nil {
		return err
	}
	conns := make([]*load.Conn, largeLoaders)
	for i := range conns {
		c, err := load.Dial(s.Addr)
		if err != nil {
			return err
		}
		defer c.Close()
		conns[i] = c
	}
	batches := units * largeUnit / batchItems
	each := (batches + largeLoaders - 1) / largeLoaders
	perPartition := rangeItems / batchItems
	r, err := load.Loop(largeLoaders, load.Limit{Time: time.Hour, Ops: batches}, func(w, i int) error {
		n := w*each + i
		if n >= batches {
			return nil
		}
		raw, err := rangePut(n/perPartition, n%perPartition*batchItems).Bytes(s.Addr)
		if err != nil {
			return err
		}
		_, err = conns[w].Do(raw)
		return err
	})
	if err != nil {
		return err
	}
	m, err := memory(s.Pid())
	if err != nil {
		return err
	}
	b.report.value(largePart, name+": load", r.Elapsed.Seconds(), "s", fmt.Sprintf("BatchWriteItem of %d on %d connections; %s MB resident after it", batchItems, largeLoaders, figure(m["Rss"])))
	return b.settle(s)
}

// settle waits until compactions have ended.
func (b *bench) settle(s *target.Server) error {
	end := time.Now().Add(settleMost)
	last, err := s.CPU()
	for quiet := 0; quiet < settleQuiet && time.Now().Before(end) && err == nil; {
		select {
		case <-b.ctx.Done():
			return b.ctx.Err()
		case <-time.After(settlePoll):
		}
		var now time.Duration
		now, err = s.CPU()
		if quiet++; now-last > settlePoll/20 {
			quiet = 0
		}
		last = now
	}
	return err
}

func (b *bench) largeMemory(s named) error {
	m, err := memory(s.Pid())
	if err != nil {
		return err
	}
	b.report.value(largePart, s.name+": resident memory after the reads", m["Rss"], "MB", figure(m["Anonymous"])+" MB of it anonymous")
	return nil
}

// largeReads are requests for partitions at random.
func largeReads(partitions int, request func(partition int) target.Request) []target.Request {
	out := make([]target.Request, min(largeRequests, partitions*rangeItems))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range out {
		out[i] = request(random.IntN(partitions))
	}
	return out
}

func getRange(p int) target.Request {
	return dynamo("GetItem", object{"TableName": rangeTable, "Key": object{"pk": partition(p), "sk": object{"N": fmt.Sprint(p % rangeItems)}}})
}
