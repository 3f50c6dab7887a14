//! The broker: what all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use commitlog::{Log, LogError, TopicInfo, TopicSettings};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::BrokerId;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use crate::answer_bytes::AnswerBytes;
use crate::api::consumer_group_heartbeat::all_topics;
use crate::api::describe_configs::RESOURCE_BROKER;
use crate::clock::Clock;
use crate::config::{KafkaConfig, str_bytes};
use crate::dynamic::{BROKER_CLEANUP_POLICY, DynamicConfigs};
use crate::error::Refusal;
use crate::fetch_session::FetchSessions;
use crate::group::{Groups, Limits};
use crate::owner::Owner;
use crate::quotas::Quotas;
use crate::security::acl::Rules;
use crate::security::credentials::Credentials;
use crate::store::Store;

/// There is one leader and it has never changed.
pub(crate) const LEADER_EPOCH: i32 = 0;

/// The one node of the cluster.
pub(crate) struct Broker {
    pub log: Arc<Log>,
    pub config: KafkaConfig,
    pub clock: Clock,
    pub store: Store,
    /// Woken by every change to the log.
    pub changed: Arc<Notify>,
    pub fetch_sessions: FetchSessions,
    pub groups: Groups,
    pub rules: Rules,
    pub credentials: Credentials,
    pub dynamic: DynamicConfigs,
    pub quotas: Quotas,
    pub owner: Box<dyn Owner>,
    pub cluster_id: String,
    /// What clients of each listener are told to connect to.
    pub endpoints: Vec<(String, u16)>,
    pub stopping: AtomicBool,
    /// What waits for clients to read.
    pub answer_bytes: Arc<AnswerBytes>,
    /// What requests may hold in memory, in KiB.
    pub request_kib: Arc<Semaphore>,
    waker: u64,
    /// When it was started.
    pub started_ms: i64,
}

impl Broker {
    pub(crate) fn new(
        log: Arc<Log>,
        config: KafkaConfig,
        clock: Clock,
        store: Store,
        owner: Box<dyn Owner>,
        cluster_id: String,
        endpoints: Vec<(String, u16)>,
    ) -> Arc<Broker> {
        // At least one of the largest requests must fit.
        let request_bytes =
            config.integer("queued.max.request.bytes").max(config.integer("socket.request.max.bytes"));
        let request_kib = ((request_bytes.max(0) >> 10) as usize + 1024).min(Semaphore::MAX_PERMITS);
        let started_ms = clock.now_ms();
        let changed = Arc::new(Notify::new());
        let woken = changed.clone();
        let waker = log.notifier().add_waker(Arc::new(move || woken.notify_waiters()));
        Arc::new(Broker {
            fetch_sessions: FetchSessions::new(
                config.integer("max.incremental.fetch.session.cache.slots").max(0) as usize,
            ),
            dynamic: DynamicConfigs::open(&store),
            quotas: Quotas::open(&store),
            owner,
            credentials: Credentials::open(&store, config.text("plain.sasl.jaas.config")),
            rules: Rules::open(
                &store,
                config.text("super.users"),
                config.boolean("allow.everyone.if.no.acl.found"),
            ),
            groups: Groups::new(Limits {
                session_timeout_ms_min: config.integer("group.min.session.timeout.ms"),
                session_timeout_ms_max: config.integer("group.max.session.timeout.ms"),
                members_max: config.integer("group.max.size").max(1) as usize,
                consumer_members_max: config.integer("group.consumer.max.size").max(1) as usize,
                consumer_session_timeout_ms: config.integer("group.consumer.session.timeout.ms").max(1),
                initial_delay_ms: config.integer("group.initial.rebalance.delay.ms").max(0),
            }),
            answer_bytes: AnswerBytes::new(config.integer("queued.max.answer.bytes").max(0) as usize),
            log,
            config,
            clock,
            store,
            changed,
            cluster_id,
            endpoints,
            stopping: AtomicBool::new(false),
            request_kib: Arc::new(Semaphore::new(request_kib)),
            waker,
            started_ms,
        })
    }

    pub(crate) fn node_id(&self) -> BrokerId {
        BrokerId(self.config.integer("node.id") as i32)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Lets deadlines pass.
    pub(crate) fn tick(&self) {
        let has_offsets = |group: &str| self.log.has_offsets(group);
        self.groups.tick(&|| all_topics(self), &has_offsets, self.now_ms());
    }

    /// Aborts transactions whose time is up.
    pub(crate) fn abort_expired(&self) {
        if let Err(error) = self.log.abort_expired(self.now_ms()) {
            tracing::warn!(%error, "transactions whose time is up could not be aborted");
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Returns a topic by its name or, where that is absent, its id.
    pub(crate) fn topic(&self, name: Option<&str>, id: Uuid) -> Result<TopicInfo, ResponseError> {
        match name {
            Some(name) => self.log.describe_topic(name).map_err(|_| ResponseError::UnknownTopicOrPartition),
            None => {
                let name = self.topic_name(id).ok_or(ResponseError::UnknownTopicId)?;
                self.log.describe_topic(&name).map_err(|_| ResponseError::UnknownTopicId)
            }
        }
    }

    /// Returns the name of a topic.
    pub(crate) fn topic_name(&self, id: Uuid) -> Option<Arc<str>> {
        self.log.topic_name(id.as_u128())
    }

    /// Makes a topic with the broker's defaults where nothing is said.
    pub(crate) fn create_topic(
        &self,
        name: &str,
        partitions: Option<u32>,
        mut settings: TopicSettings,
    ) -> Result<TopicInfo, LogError> {
        let partitions = partitions.unwrap_or(self.config.integer("num.partitions").max(1) as u32);
        for (topic_setting, value) in self.topic_defaults() {
            settings.entry(topic_setting.to_owned()).or_insert(value);
        }
        self.log.create_topic(name, partitions, &settings, self.now_ms())
    }

    /// The broker's settings that stand in for a topic's, where they are not at their own defaults.
    fn topic_defaults(&self) -> Vec<(&'static str, String)> {
        let given: Vec<&str> = self
            .config
            .describe()
            .filter(|(_, _, origin, _)| origin.is_some())
            .map(|(name, ..)| name)
            .collect();
        let pairs = [
            ("message.max.bytes", "max.message.bytes"),
            ("log.segment.bytes", "segment.bytes"),
            ("log.retention.bytes", "retention.bytes"),
            ("compression.type", "compression.type"),
        ];
        let mut defaults: Vec<(&'static str, String)> = pairs
            .iter()
            .filter(|(broker, _)| given.contains(broker))
            .map(|(broker, topic)| (*topic, self.config.text(broker).to_owned()))
            .collect();
        // Of this node, or of all.
        for resource in [self.node_id().0.to_string(), String::new()] {
            let changed = self.dynamic.of(RESOURCE_BROKER, &resource);
            if let Some(policy) = changed.get(BROKER_CLEANUP_POLICY) {
                defaults.push(("cleanup.policy", policy.clone()));
                break;
            }
        }
        defaults.extend(self.config.retention_ms().map(|ms| ("retention.ms", ms.to_string())));
        defaults
    }

    /// Makes a topic that a client asked for, if the settings allow it.
    pub(crate) fn auto_create(&self, name: &str) -> Result<TopicInfo, Refusal> {
        match self.create_topic(name, None, TopicSettings::new()) {
            Ok(info) => {
                tracing::info!(topic = name, partitions = info.partitions, "topic created on first use");
                Ok(info)
            }
            Err(LogError::TopicExists { .. }) => Ok(self.log.describe_topic(name)?),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn endpoint(&self, listener: usize) -> (StrBytes, i32) {
        let (host, port) = &self.endpoints[listener];
        (str_bytes(host), *port as i32)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.log.notifier().remove_waker(self.waker);
    }
}
