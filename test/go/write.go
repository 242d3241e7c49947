package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const pause = 50 * time.Millisecond

// connections says whenever the client connects to somebody.
type connections struct{}

func (connections) OnBrokerConnect(broker kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		say("connected %d", broker.NodeID)
	}
}

// write writes a record, waits for what becomes of it, and goes on, with all that franz-go does unless told otherwise: a record may be sent
// again for as long as it takes.
//
// It prints a line for each: `ok PARTITION OFFSET` or `failed NAME MS MESSAGE`, and `connected NODE`, a negative one for a bootstrap server.
func write(untilEnd context.Context, bootstrap, topic, kind string) {
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.ClientID("franz-" + kind),
		kgo.DefaultProduceTopic(topic),
		kgo.WithHooks(connections{}),
	}
	if kind == "plain" {
		options = append(options, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer client.Close()
	for number := 0; untilEnd.Err() == nil; number++ {
		begin := time.Now()
		record := &kgo.Record{Key: fmt.Appendf(nil, "k%d", number), Value: fmt.Appendf(nil, "by franz-go %d", number)}
		written, err := client.ProduceSync(untilEnd, record).First()
		if err == nil {
			say("ok %d %d", written.Partition, written.Offset)
		} else if !errors.Is(err, context.Canceled) {
			say("failed %s %d %v", nameOf(err), time.Since(begin).Milliseconds(), err)
		}
		time.Sleep(pause)
	}
}

// nameOf is how Kafka calls an error of a broker.
func nameOf(err error) string {
	var broker *kerr.Error
	if errors.As(err, &broker) {
		return broker.Message
	}
	return "client"
}
