// franz-go: transactions, a group, only what is committed.
// client: franz-go
// install: go github.com/twmb/franz-go/pkg/kgo github.com/twmb/franz-go/pkg/kadm
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var bootstrap = os.Getenv("BOOTSTRAP")

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	producer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.AllowAutoTopicCreation(), kgo.TransactionalID("franz"), kgo.DefaultProduceTopic("franz"))
	must(err)
	for round := 0; round < 4; round++ {
		must(producer.BeginTransaction())
		for i := 0; i < 25; i++ {
			producer.Produce(ctx, kgo.StringRecord(fmt.Sprint(round)), func(_ *kgo.Record, err error) { must(err) })
		}
		must(producer.Flush(ctx))
		must(producer.EndTransaction(ctx, kgo.TransactionEndTry(round%2 == 0)))
	}
	producer.Close()
	consumer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup("franz"), kgo.ConsumeTopics("franz"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	must(err)
	for count := 0; count < 50; {
		fetches := consumer.PollFetches(ctx)
		must(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			count++
			if v := string(record.Value); v != "0" && v != "2" {
				panic("an aborted record is seen: " + v)
			}
		})
	}
	must(consumer.CommitUncommittedOffsets(ctx))
	consumer.Close()
}
