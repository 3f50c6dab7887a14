// franz-go: codecs, nulls, headers, cooperative and KIP-848 groups with a second member, times, transactions, admin, logins.
// client: franz-go
// install: go github.com/twmb/franz-go github.com/twmb/franz-go/pkg/kadm
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

var name = os.Getenv("NAME")
var ctx, cancel = context.WithTimeout(context.Background(), 150*time.Second)

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(os.Getenv("BOOTSTRAP"))}, options...)...)
	must(err)
	return made
}

func produce(producer *kgo.Client, topic string, count int, record func(i int, r *kgo.Record)) {
	for i := 0; i < count; i++ {
		r := &kgo.Record{Topic: topic, Partition: int32(i % 4), Value: []byte(fmt.Sprint("v", i))}
		record(i, r)
		producer.Produce(ctx, r, func(_ *kgo.Record, err error) { must(err) })
	}
	must(producer.Flush(ctx))
}

func codecs(topic string) {
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		producer := client(kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		produce(producer, topic, 100, func(i int, r *kgo.Record) {
			r.Timestamp = time.UnixMilli(int64(1000 + i))
			r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("x")}, {Key: "n"}}
			if i%3 != 0 {
				r.Key = []byte(fmt.Sprint("k", i))
			}
			if i%5 == 0 {
				r.Value = nil
			}
		})
		producer.Close()
	}
}

type member struct {
	*kgo.Client
	sync.Mutex
	seen  []*kgo.Record
	share map[int32]bool
	ended chan struct{}
}

func join(topic, group string, options ...kgo.Opt) *member {
	m := &member{share: map[int32]bool{}, ended: make(chan struct{})}
	change := func(has bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.Lock()
			defer m.Unlock()
			for _, partition := range partitions[topic] {
				if has {
					m.share[partition] = true
				} else {
					delete(m.share, partition)
				}
			}
		}
	}
	m.Client = client(append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitInterval(200*time.Millisecond), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)))...)
	go func() {
		defer close(m.ended)
		for {
			polling, stop := context.WithTimeout(ctx, 200*time.Millisecond)
			fetches := m.PollFetches(polling)
			stop()
			if fetches.IsClientClosed() {
				return
			}
			m.Lock()
			m.seen = append(m.seen, fetches.Records()...)
			m.Unlock()
			m.AllowRebalance()
		}
	}()
	return m
}

func (m *member) counts() (int, int) {
	m.Lock()
	defer m.Unlock()
	return len(m.seen), len(m.share)
}

func (m *member) leave() {
	must(m.CommitUncommittedOffsets(ctx))
	m.CloseAllowingRebalance()
	<-m.ended
}

func group(topic, word string, before int, options ...kgo.Opt) {
	producer := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	first := join(topic, name+"-"+word, options...)
	until(func() bool { n, _ := first.counts(); return n >= before }, word+": one member reads all")
	second := join(topic, name+"-"+word, options...)
	until(func() bool { _, a := first.counts(); _, b := second.counts(); return a == 2 && b == 2 }, word+": two members share")
	produce(producer, topic, 100, func(int, *kgo.Record) {})
	until(func() bool { a, _ := first.counts(); b, _ := second.counts(); return a+b >= before+100 }, word+": two members read all")
	n, _ := second.counts()
	check(n == 50, "the second member has read ", n)
	second.leave()
	until(func() bool { _, a := first.counts(); return a == 4 }, word+": the member left has all")
	produce(producer, topic, 100, func(int, *kgo.Record) {})
	until(func() bool { a, _ := first.counts(); return a >= before+150 }, word+": the member left reads all")
	n, _ = first.counts()
	check(n == before+150, "the first member has read ", n)
	for _, r := range first.seen[:before] {
		i := int(r.Timestamp.UnixMilli()) - 1000
		if i < 0 || i >= 100 {
			continue
		}
		check(r.Partition == int32(i%4) && len(r.Headers) == 2 && string(r.Headers[0].Value) == "x" && r.Headers[1].Value == nil, r)
		check((r.Key == nil) == (i%3 == 0) && (r.Value == nil) == (i%5 == 0), "nulls of ", i)
	}
	first.leave()
	producer.Close()
}

func transactions(topic string) {
	writer := client(kgo.TransactionalID(name), kgo.DefaultProduceTopic(topic))
	for round := 0; round < 4; round++ {
		must(writer.BeginTransaction())
		for i := 0; i < 25; i++ {
			writer.Produce(ctx, kgo.StringRecord(fmt.Sprint(round)), func(_ *kgo.Record, err error) { must(err) })
		}
		must(writer.Flush(ctx))
		must(writer.EndTransaction(ctx, kgo.TransactionEndTry(round%2 == 0)))
	}
	writer.Close()
	for _, level := range []struct {
		options  kgo.IsolationLevel
		expected int
	}{{kgo.ReadCommitted(), 50}, {kgo.ReadUncommitted(), 100}} {
		reader := client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(level.options), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		count := 0
		for count < level.expected {
			fetches := reader.PollFetches(ctx)
			must(fetches.Err())
			for _, r := range fetches.Records() {
				count++
				check(level.expected == 100 || strings.Contains("0 2", string(r.Value)), "an aborted record is seen: ", string(r.Value))
			}
		}
		check(count == level.expected, count)
		reader.Close()
	}
}

func transform(from, to string) {
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(os.Getenv("BOOTSTRAP")), kgo.TransactionalID(name+"-eos"), kgo.ConsumerGroup(name+"-eos"),
		kgo.ConsumeTopics(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RequireStableFetchOffsets(), kgo.HeartbeatInterval(300*time.Millisecond))
	must(err)
	for count := 0; count < 50; {
		must(session.Begin())
		fetches := session.PollFetches(ctx)
		must(fetches.Err())
		for _, r := range fetches.Records() {
			count++
			session.Produce(ctx, &kgo.Record{Topic: to, Value: r.Value}, func(_ *kgo.Record, err error) { must(err) })
		}
		committed, err := session.End(ctx, kgo.TryCommit)
		must(err)
		check(committed, "the transaction is not committed")
	}
	session.Close()
}

func admin(topic string) {
	plainClient := client()
	calls := kadm.NewClient(plainClient)
	listed, err := calls.ListOffsetsAfterMilli(ctx, 1030, topic)
	must(err)
	var after []int64
	listed.Each(func(o kadm.ListedOffset) { after = append(after, o.Offset) })
	check(len(after) == 4, "offsets by time: ", after)
	for _, offset := range after {
		check(offset == 7 || offset == 8, "offsets by time: ", after)
	}
	changed, err := calls.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("5000")}}, topic)
	must(err)
	must(changed[0].Err)
	configs, err := calls.DescribeTopicConfigs(ctx, topic)
	must(err)
	retention := ""
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" {
			retention = *config.Value
		}
	}
	check(retention == "5000", "retention.ms is ", retention)
	grown, err := calls.UpdatePartitions(ctx, 6, topic)
	must(err)
	must(grown.Error())
	topics, err := calls.ListTopics(ctx, topic)
	must(err)
	check(len(topics[topic].Partitions) == 6, "partitions: ", topics[topic].Partitions)
	lags, err := calls.Lag(ctx, name+"-cooperative")
	must(err)
	must(lags.Error())
	deleted, err := calls.DeleteGroups(ctx, name+"-cooperative")
	must(err)
	must(deleted.Error())
	gone, err := calls.DeleteTopics(ctx, topic)
	must(err)
	must(gone.Error())
	plainClient.Close()
}

func logins(topic string) {
	pem, err := os.ReadFile(os.Getenv("CA_FILE"))
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	ping := func(address string, config *tls.Config, options ...kgo.Opt) error {
		c, err := kgo.NewClient(append(options, kgo.SeedBrokers(os.Getenv(address)), kgo.DialTLSConfig(config), kgo.DefaultProduceTopic(topic), kgo.RetryTimeout(3*time.Second), kgo.RecordDeliveryTimeout(5*time.Second), kgo.AllowAutoTopicCreation())...)
		must(err)
		defer c.Close()
		if err := c.Ping(ctx); err != nil {
			return err
		}
		return c.ProduceSync(ctx, kgo.StringRecord("v")).FirstErr()
	}
	mechanisms := func(password string) []sasl.Mechanism {
		user := os.Getenv("SASL_USER")
		return []sasl.Mechanism{plain.Auth{User: user, Pass: password}.AsMechanism(), scram.Auth{User: user, Pass: password}.AsSha256Mechanism(),
			scram.Auth{User: user, Pass: password}.AsSha512Mechanism()}
	}
	for i, mechanism := range mechanisms(os.Getenv("SASL_PASSWORD")) {
		must(ping("BOOTSTRAP_SASL_SSL", &tls.Config{RootCAs: roots}, kgo.SASL(mechanism)))
		check(ping("BOOTSTRAP_SASL_SSL", &tls.Config{RootCAs: roots}, kgo.SASL(mechanisms("wrong")[i])) != nil, "a wrong password is taken: ", mechanism.Name())
	}
	certificate, err := tls.LoadX509KeyPair(os.Getenv("CLIENT_CERT"), os.Getenv("CLIENT_KEY"))
	must(err)
	must(ping("BOOTSTRAP_SSL", &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}))
	check(ping("BOOTSTRAP_SSL", &tls.Config{RootCAs: roots}) != nil, "a client without a certificate is let in")
}

func main() {
	defer cancel()
	topic, tx := name+"-topic", name+"-tx"
	calls := kadm.NewClient(client())
	for made, partitions := range map[string]int32{topic: 4, tx: 1, name + "-out": 1, name + "-login": 1} {
		_, err := calls.CreateTopic(ctx, partitions, 1, nil, made)
		must(err)
	}
	codecs(topic)
	group(topic, "cooperative", 500)
	group(topic, "range", 700, kgo.Balancers(kgo.RangeBalancer()))
	transactions(tx)
	transform(tx, name+"-out")
	logins(name + "-login")
	admin(topic)
	fmt.Println("codecs, nulls, headers, cooperative and range groups, rebalance, times, transactions, read-process-write, admin, PLAIN, SCRAM, mTLS")
}
