package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const patience = 20 * time.Second

// readAll runs a consumer for each NAME:PROTOCOL:ISOLATION. PROTOCOL is `classic` or `consumer` (KIP-848), in the group NAME, or `none`:
// without a group. One that knows no position begins at offset 0; none lets its position be reset.
//
// They print NAME record PARTITION OFFSET VALUE, NAME assigned COUNT, NAME failed MESSAGE, and at the end NAME committed PARTITION OFFSET.
func readAll(untilEnd context.Context, bootstrap, topic string, readers []string) {
	var running sync.WaitGroup
	for _, reader := range readers {
		words := strings.Split(reader, ":")
		if len(words) != 3 {
			fmt.Fprintln(os.Stderr, "expected NAME:PROTOCOL:ISOLATION, not", reader)
			os.Exit(2)
		}
		running.Go(func() {
			if err := read(untilEnd, bootstrap, topic, words[0], words[1], words[2]); err != nil {
				say("%s failed %v", words[0], err)
			}
		})
	}
	running.Wait()
}

func read(untilEnd context.Context, bootstrap, topic, name, protocol, isolation string) error {
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.ClientID(name),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(100 * time.Millisecond),
	}
	if isolation == "read_committed" {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	inGroup := protocol != "none"
	if inGroup {
		options = append(options, kgo.ConsumerGroup(name), kgo.Balancers(kgo.RangeBalancer()), kgo.DisableAutoCommit(),
			kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, assigned map[string][]int32) {
				say("%s assigned %d", name, len(assigned[topic]))
			}))
	}
	if protocol == "consumer" {
		options = append(options, kgo.ServerSideBalancer())
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	for untilEnd.Err() == nil {
		fetches := client.PollFetches(untilEnd)
		fetches.EachError(func(_ string, partition int32, err error) {
			if !errors.Is(err, context.Canceled) {
				say("%s failed partition %d: %v", name, partition, err)
			}
		})
		fetches.EachRecord(func(record *kgo.Record) {
			say("%s record %d %d %s", name, record.Partition, record.Offset, record.Value)
		})
		if !inGroup {
			continue
		}
		// Also what the last poll brought.
		committing, done := context.WithTimeout(context.Background(), patience)
		err := client.CommitUncommittedOffsets(committing)
		done()
		if err != nil {
			say("%s failed commit: %v", name, err)
		}
	}
	for partition, position := range client.CommittedOffsets()[topic] {
		say("%s committed %d %d", name, partition, position.Offset)
	}
	return nil
}
