// sarama: three protocol versions.
// client: sarama
// install: go github.com/IBM/sarama
package main

import (
	"context"
	"os"
	"time"

	"github.com/IBM/sarama"
)

var bootstrap = os.Getenv("BOOTSTRAP")

func must(err error) {
	if err != nil {
		panic(err)
	}
}

type counter struct{ left chan struct{} }

func (counter) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (counter) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (c counter) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		session.MarkMessage(message, "")
		c.left <- struct{}{}
	}
	return nil
}

func saramaVersion(version sarama.KafkaVersion) {
	config := sarama.NewConfig()
	config.Version = version
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Compression = sarama.CompressionLZ4
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	topic := "sarama-" + version.String()
	brokers := []string{bootstrap}
	admin, err := sarama.NewClusterAdmin(brokers, config)
	must(err)
	must(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false))
	producer, err := sarama.NewSyncProducer(brokers, config)
	must(err)
	for i := 0; i < 100; i++ {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("v")})
		must(err)
	}
	must(producer.Close())
	group, err := sarama.NewConsumerGroup(brokers, topic, config)
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	left := make(chan struct{}, 1000)
	go group.Consume(ctx, []string{topic}, counter{left})
	for i := 0; i < 100; i++ {
		select {
		case <-left:
		case <-ctx.Done():
			panic("records are missing")
		}
	}
	cancel()
	must(group.Close())
	must(admin.Close())
}

func main() {
	for _, version := range []sarama.KafkaVersion{sarama.V1_0_0_0, sarama.V2_8_0_0, sarama.MaxVersion} {
		saramaVersion(version)
	}
}
