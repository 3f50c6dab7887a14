// sarama, as Kafka 0.8.2, 0.10.2, 1.0, 2.8 and its newest: codecs, nulls, headers, a group with a second member, times, transactions, admin, logins.
// client: sarama
// install: go github.com/IBM/sarama github.com/xdg-go/scram
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

var name = os.Getenv("NAME")
var brokers = []string{os.Getenv("BOOTSTRAP")}

func configured(version sarama.KafkaVersion) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = version
	config.ClientID = name
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	return config
}

func produce(config *sarama.Config, topic string, count int, record func(i int, m *sarama.ProducerMessage)) {
	producer, err := sarama.NewSyncProducer(brokers, config)
	must(err)
	var batch []*sarama.ProducerMessage
	for i := 0; i < count; i++ {
		m := &sarama.ProducerMessage{Topic: topic, Partition: int32(i % 4), Value: sarama.StringEncoder(fmt.Sprint("v", i))}
		record(i, m)
		batch = append(batch, m)
	}
	must(producer.SendMessages(batch))
	must(producer.Close())
}

// Without groups, as the oldest versions must: partition by partition.
func readAll(config *sarama.Config, topic string, count int) (found []*sarama.ConsumerMessage) {
	consumer, err := sarama.NewConsumer(brokers, config)
	must(err)
	for partition := int32(0); partition < 4; partition++ {
		part, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		must(err)
		for i := 0; i < count/4; i++ {
			select {
			case m := <-part.Messages():
				found = append(found, m)
			case <-time.After(20 * time.Second):
				panic(fmt.Sprint("records are missing: ", config.Version, " has ", len(found)))
			}
		}
		must(part.Close())
	}
	must(consumer.Close())
	return found
}

func codecs(version sarama.KafkaVersion, topic string) {
	kinds := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy}
	if version.IsAtLeast(sarama.V0_10_0_0) {
		kinds = append(kinds, sarama.CompressionLZ4)
	}
	if version.IsAtLeast(sarama.V2_1_0_0) {
		kinds = append(kinds, sarama.CompressionZSTD)
	}
	headers, times := version.IsAtLeast(sarama.V0_11_0_0), version.IsAtLeast(sarama.V0_10_0_0)
	for _, codec := range kinds {
		config := configured(version)
		config.Producer.Compression = codec
		produce(config, topic, 40, func(i int, m *sarama.ProducerMessage) {
			m.Timestamp = time.UnixMilli(int64(1000 + i))
			if headers {
				m.Headers = []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("x")}}
			}
			if i%3 != 0 {
				m.Key = sarama.StringEncoder(fmt.Sprint("k", i))
			}
			if i%5 == 0 {
				m.Value = nil
			}
		})
	}
	found := readAll(configured(version), topic, 40*len(kinds))
	for place, m := range found {
		i := place%10*4 + int(m.Partition)
		check((m.Key == nil) == (i%3 == 0) && (m.Value == nil) == (i%5 == 0), version, " nulls of ", i, " ", m)
		check(!headers || string(m.Headers[0].Value) == "x", "headers of ", i)
		check(!times || m.Timestamp.UnixMilli() == int64(1000+i), version, " time of ", i, " is ", m.Timestamp)
	}
	client, err := sarama.NewClient(brokers, configured(version))
	must(err)
	newest, err := client.GetOffset(topic, 0, sarama.OffsetNewest)
	must(err)
	check(newest == int64(10*len(kinds)), "newest offset ", newest)
	if version.IsAtLeast(sarama.V0_10_1_0) {
		byTime, err := client.GetOffset(topic, 0, 1030)
		must(err)
		check(byTime == 8, "by time ", byTime)
	}
	// Offsets kept by hand.
	manager, err := sarama.NewOffsetManagerFromClient(topic+"-by-hand", client)
	must(err)
	mine, err := manager.ManagePartition(topic, 0)
	must(err)
	mine.MarkOffset(7, "noted")
	manager.Commit()
	must(mine.Close())
	must(manager.Close())
	manager, err = sarama.NewOffsetManagerFromClient(topic+"-by-hand", client)
	must(err)
	mine, err = manager.ManagePartition(topic, 0)
	must(err)
	offset, note := mine.NextOffset()
	check(offset == 7 && note == "noted", version, " kept ", offset, note)
	must(mine.Close())
	must(manager.Close())
	must(client.Close())
}

type member struct {
	sync.Mutex
	seen  []*sarama.ConsumerMessage
	share []int32
	group sarama.ConsumerGroup
	stop  context.CancelFunc
	ended chan struct{}
}

func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	m.Lock()
	defer m.Unlock()
	for _, partitions := range s.Claims() {
		m.share = partitions
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.Lock()
	defer m.Unlock()
	m.share = nil
	return nil
}

func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.Lock()
			m.seen = append(m.seen, message)
			m.Unlock()
			s.MarkMessage(message, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

func (m *member) counts() (int, int) {
	m.Lock()
	defer m.Unlock()
	return len(m.seen), len(m.share)
}

func join(version sarama.KafkaVersion, topic string) *member {
	config := configured(version)
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRoundRobin()}
	made, err := sarama.NewConsumerGroup(brokers, topic, config)
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	m := &member{group: made, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			if err := made.Consume(ctx, []string{topic}, m); err != nil && ctx.Err() == nil {
				fmt.Println("consume:", err)
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return m
}

func (m *member) leave() {
	m.stop()
	<-m.ended
	must(m.group.Close())
}

func group(version sarama.KafkaVersion, topic string) {
	produce(configured(version), topic, 100, func(int, *sarama.ProducerMessage) {})
	first := join(version, topic)
	until(func() bool { n, _ := first.counts(); return n >= 100 }, "one member reads all")
	second := join(version, topic)
	until(func() bool { _, a := first.counts(); _, b := second.counts(); return a == 2 && b == 2 }, "two members share")
	produce(configured(version), topic, 100, func(int, *sarama.ProducerMessage) {})
	until(func() bool { a, _ := first.counts(); b, _ := second.counts(); return a+b >= 200 }, "two members read all")
	n, _ := second.counts()
	check(n == 50, "the second member has read ", n)
	second.leave()
	until(func() bool { _, a := first.counts(); return a == 4 }, "the member left has all")
	produce(configured(version), topic, 100, func(int, *sarama.ProducerMessage) {})
	until(func() bool { a, _ := first.counts(); return a >= 250 }, "the member left reads all")
	n, _ = first.counts()
	check(n == 250, "the first member has read ", n)
	first.leave()
}

func transactions(topic string) {
	config := configured(sarama.MaxVersion)
	config.Producer.Idempotent = true
	config.Producer.Transaction.ID = name
	config.Net.MaxOpenRequests = 1
	writer, err := sarama.NewSyncProducer(brokers, config)
	must(err)
	for _, commit := range []bool{true, false, true} {
		must(writer.BeginTxn())
		for partition := int32(0); partition < 4; partition++ {
			_, _, err := writer.SendMessage(&sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(fmt.Sprint(commit))})
			must(err)
		}
		offset, note := int64(9), ""
		if commit {
			offset = 7
		}
		must(writer.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{topic: {{Partition: 0, Offset: offset, Metadata: &note}}}, topic+"-group"))
		if commit {
			must(writer.CommitTxn())
		} else {
			must(writer.AbortTxn())
		}
	}
	must(writer.Close())
	reader := configured(sarama.MaxVersion)
	reader.Consumer.IsolationLevel = sarama.ReadCommitted
	for _, m := range readAll(reader, topic, 8) {
		check(string(m.Value) == "true", "an aborted record is seen")
	}
	check(len(readAll(configured(sarama.MaxVersion), topic, 12)) == 12)
}

func admin(topic string) {
	calls, err := sarama.NewClusterAdmin(brokers, configured(sarama.V2_8_0_0))
	must(err)
	offsets, err := calls.ListConsumerGroupOffsets(name+"-tx-group", map[string][]int32{name + "-tx": {0}})
	must(err)
	check(offsets.GetBlock(name+"-tx", 0).Offset == 7, "offsets of the transaction")
	value := "5000"
	must(calls.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &value}, false))
	entries, err := calls.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}})
	must(err)
	check(len(entries) == 1 && entries[0].Value == "5000", entries)
	must(calls.CreatePartitions(topic, 6, nil, false))
	described, err := calls.DescribeTopics([]string{topic})
	must(err)
	check(len(described[0].Partitions) == 6, described)
	must(calls.DeleteRecords(topic, map[int32]int64{0: 5}))
	must(calls.DeleteConsumerGroup(name + "-tx-group"))
	must(calls.DeleteTopic(topic))
	must(calls.Close())
}

type conversation struct{ *scram.ClientConversation }

func (c *conversation) Begin(user, password, authorization string) error {
	client, err := scram.SHA512.NewClient(user, password, authorization)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

func logins(topic string) {
	pem, err := os.ReadFile(os.Getenv("CA_FILE"))
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	send := func(address string, certificates []tls.Certificate, change func(*sarama.Config)) error {
		config := configured(sarama.V2_8_0_0)
		config.Net.TLS.Enable = true
		config.Net.TLS.Config = &tls.Config{RootCAs: roots, Certificates: certificates}
		config.Metadata.Retry.Max = 0
		change(config)
		producer, err := sarama.NewSyncProducer([]string{os.Getenv(address)}, config)
		if err != nil {
			return err
		}
		_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("v")})
		must(producer.Close())
		return err
	}
	for _, mechanism := range []sarama.SASLMechanism{sarama.SASLTypePlaintext, sarama.SASLTypeSCRAMSHA512} {
		for _, version := range []int16{sarama.SASLHandshakeV0, sarama.SASLHandshakeV1} {
			log := func(password string) error {
				return send("BOOTSTRAP_SASL_SSL", nil, func(config *sarama.Config) {
					config.Net.SASL.Enable, config.Net.SASL.Mechanism, config.Net.SASL.Version = true, mechanism, version
					config.ApiVersionsRequest = version > sarama.SASLHandshakeV0
					config.Net.SASL.User, config.Net.SASL.Password = os.Getenv("SASL_USER"), password
					config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &conversation{} }
				})
			}
			must(log(os.Getenv("SASL_PASSWORD")))
			check(log("wrong") != nil, "a wrong password is taken: ", mechanism)
		}
	}
	certificate, err := tls.LoadX509KeyPair(os.Getenv("CLIENT_CERT"), os.Getenv("CLIENT_KEY"))
	must(err)
	must(send("BOOTSTRAP_SSL", []tls.Certificate{certificate}, func(*sarama.Config) {}))
	check(send("BOOTSTRAP_SSL", nil, func(*sarama.Config) {}) != nil, "a client without a certificate is let in")
}

func main() {
	versions := []sarama.KafkaVersion{sarama.V0_8_2_0, sarama.V0_10_2_0, sarama.V1_0_0_0, sarama.V2_8_0_0, sarama.MaxVersion}
	calls, err := sarama.NewClusterAdmin(brokers, configured(sarama.V1_0_0_0))
	must(err)
	made := []string{name + "-tx", name + "-group-new", name + "-group-old", name + "-login"}
	for _, version := range versions {
		made = append(made, name+"-"+version.String())
	}
	for _, topic := range made {
		must(calls.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 4, ReplicationFactor: 1}, false))
	}
	must(calls.Close())
	for _, version := range versions {
		codecs(version, name+"-"+version.String())
	}
	group(sarama.MaxVersion, name+"-group-new")
	group(sarama.V0_10_2_0, name+"-group-old")
	transactions(name + "-tx")
	logins(name + "-login")
	admin(name + "-" + sarama.MaxVersion.String())
	fmt.Println("versions 0.8.2 to", sarama.MaxVersion, "codecs, nulls, headers, rebalance, times, transactions, admin, PLAIN, SCRAM, mTLS")
}
