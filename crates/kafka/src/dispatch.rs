//! Which APIs are served in which versions, and by whom. A new API is one line in `served!`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::*;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::answer_bytes::Counted;
use crate::api;
use crate::broker::Broker;
use crate::connection::ConnectionState;
use crate::frame::{Asked, FrameError, decode, encode};
use crate::legacy;
use crate::newer::{AnyOffsetCommit, AnyOffsetFetch};
use crate::security::acl::{Operation, Resource};

/// One request under way.
#[derive(Clone)]
pub(crate) struct Call {
    pub broker: Arc<Broker>,
    pub connection: Arc<ConnectionState>,
    pub asked: Asked,
}

impl Call {
    pub(crate) fn version(&self) -> i16 {
        self.asked.version
    }

    /// Decides whether the client may do something.
    pub(crate) fn allows(&self, operation: Operation, resource: Resource<'_>) -> bool {
        if self.broker.rules.allow_everything() {
            return true;
        }
        let principal = self.connection.principal.read().expect("no holder panics");
        let host = self.connection.peer.ip().to_string();
        self.broker.rules.allows(&principal, &host, operation, resource)
    }

    /// Returns the operations the client may do, as bits of Kafka's numbers.
    pub(crate) fn operations(&self, resource: Resource<'_>) -> i32 {
        resource
            .operations()
            .iter()
            .filter(|operation| self.allows(**operation, resource))
            .fold(0, |bits, operation| bits | 1 << (*operation as i32))
    }

    /// Decides whether the client may do something to some topic.
    pub(crate) fn allows_some_topic(&self, operation: Operation) -> bool {
        if self.broker.rules.allow_everything() {
            return true;
        }
        let principal = self.connection.principal.read().expect("no holder panics");
        let host = self.connection.peer.ip().to_string();
        self.broker.rules.allows_some_topic(&principal, &host, operation)
    }

    pub(crate) fn client_id(&self) -> &str {
        self.asked.client_id.as_deref().unwrap_or("")
    }
}

/// What becomes of a request.
pub(crate) enum Answer {
    /// The answer's frame.
    Now(Bytes),
    /// The answer's frame in pieces, whose bytes are counted already.
    Pieces(Vec<Bytes>, Option<Counted>),
    /// The answer waits for something; the connection's next request may begin meanwhile.
    Later(Pin<Box<dyn Future<Output = Result<Bytes, FrameError>> + Send>>),
    /// The client wants none.
    Nothing,
    /// The connection ends: the only way to tell a client that wants no answer.
    Close,
}

/// Does what may take long, such as unpacking a batch or reading what the disk has; other connections go on meanwhile.
pub(crate) fn beside_sockets<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => block_in_place(work),
        // A runtime of one thread, in fuzzing, has no other connections.
        _ => work(),
    }
}

/// An API with the first and last version that the decoders know; those before the first are in `legacy`.
pub(crate) struct Served {
    pub api_key: i16,
    pub min: i16,
    pub max: i16,
}

macro_rules! carry_out {
    (now, $call:ident, $handler:path, $request:ident) => {
        Answer::Now(encode(&$call.asked, $call.asked.version, &$handler(&$call, $request))?)
    };
    // Waits for the disk: not on a thread that sockets need.
    (blocking, $call:ident, $handler:path, $request:ident) => {{
        let asked = $call.asked.clone();
        let done = tokio::task::spawn_blocking(move || $handler(&$call, $request)).await;
        let answer = done.map_err(|_| FrameError::Unexpected { api_key: asked.api_key })?;
        Answer::Now(encode(&asked, asked.version, &answer)?)
    }};
    (waiting, $call:ident, $handler:path, $request:ident) => {
        Answer::Now(encode(&$call.asked, $call.asked.version, &$handler(&$call, $request).await)?)
    };
    (own, $call:ident, $handler:path, $request:ident) => {
        $handler($call, $request).await?
    };
}

macro_rules! served {
    ($($key:ident $min:literal $max:literal $how:ident $handler:path, $Request:ty;)*) => {
        /// All that is served, by API key.
        pub(crate) const SERVED: &[Served] = &[
            $(Served { api_key: ApiKey::$key as i16, min: $min, max: $max },)*
        ];

        /// Carries out a request.
        pub(crate) async fn dispatch(call: Call, body: Bytes) -> Result<Answer, FrameError> {
            if legacy::serves(call.asked.api_key, call.asked.version) {
                return legacy::answer(call, body).await;
            }
            $(
                if call.asked.api_key == ApiKey::$key as i16 {
                    let request: $Request = decode(&call.asked, body)?;
                    return Ok(carry_out!($how, call, $handler, request));
                }
            )*
            Err(FrameError::Unexpected { api_key: call.asked.api_key })
        }

        /// Returns whether a request can be decoded.
        pub(crate) fn check(asked: &Asked, body: Bytes) -> bool {
            if !serves(asked.api_key, asked.version) {
                return false;
            }
            if legacy::serves(asked.api_key, asked.version) {
                return legacy::check(asked, body);
            }
            $(
                if asked.api_key == ApiKey::$key as i16 {
                    return decode::<$Request>(asked, body).is_ok();
                }
            )*
            false
        }
    };
}

served! {
    Produce 3 13 own api::produce::answer, ProduceRequest;
    Fetch 4 18 own api::fetch::pieces, FetchRequest;
    ListOffsets 1 11 blocking api::list_offsets::answer, ListOffsetsRequest;
    Metadata 0 13 blocking api::metadata::answer, MetadataRequest;
    OffsetCommit 2 10 blocking api::offset_commit::answer, AnyOffsetCommit;
    OffsetFetch 1 10 now api::offset_fetch::answer, AnyOffsetFetch;
    FindCoordinator 0 6 now api::find_coordinator::answer, FindCoordinatorRequest;
    JoinGroup 0 9 waiting api::join_group::answer, JoinGroupRequest;
    Heartbeat 0 4 now api::heartbeat::answer, HeartbeatRequest;
    LeaveGroup 0 5 now api::leave_group::answer, LeaveGroupRequest;
    SyncGroup 0 5 waiting api::sync_group::answer, SyncGroupRequest;
    DescribeGroups 0 6 now api::describe_groups::answer, DescribeGroupsRequest;
    ListGroups 0 5 blocking api::list_groups::answer, ListGroupsRequest;
    ApiVersions 0 4 own api::api_versions::answer, ApiVersionsRequest;
    CreateTopics 2 7 blocking api::create_topics::answer, CreateTopicsRequest;
    DeleteTopics 1 6 blocking api::delete_topics::answer, DeleteTopicsRequest;
    DeleteRecords 0 2 blocking api::delete_records::answer, DeleteRecordsRequest;
    InitProducerId 0 5 blocking api::init_producer_id::answer, InitProducerIdRequest;
    OffsetForLeaderEpoch 2 4 now api::offset_for_leader_epoch::answer, OffsetForLeaderEpochRequest;
    AddPartitionsToTxn 0 5 blocking api::add_partitions_to_txn::answer, AddPartitionsToTxnRequest;
    AddOffsetsToTxn 0 4 blocking api::add_offsets_to_txn::answer, AddOffsetsToTxnRequest;
    EndTxn 0 5 blocking api::end_txn::answer, EndTxnRequest;
    TxnOffsetCommit 0 5 blocking api::txn_offset_commit::answer, TxnOffsetCommitRequest;
    SaslHandshake 0 1 now api::sasl_handshake::answer, SaslHandshakeRequest;
    SaslAuthenticate 0 2 waiting api::sasl_authenticate::answer, SaslAuthenticateRequest;
    DescribeUserScramCredentials 0 0 blocking api::describe_user_scram_credentials::answer, DescribeUserScramCredentialsRequest;
    AlterUserScramCredentials 0 0 blocking api::alter_user_scram_credentials::answer, AlterUserScramCredentialsRequest;
    DescribeAcls 1 3 now api::describe_acls::answer, DescribeAclsRequest;
    CreateAcls 1 3 blocking api::create_acls::answer, CreateAclsRequest;
    DeleteAcls 1 3 blocking api::delete_acls::answer, DeleteAclsRequest;
    DescribeConfigs 1 4 now api::describe_configs::answer, DescribeConfigsRequest;
    AlterConfigs 0 2 blocking api::alter_configs::answer, AlterConfigsRequest;
    AlterReplicaLogDirs 1 2 now api::alter_replica_log_dirs::answer, AlterReplicaLogDirsRequest;
    DescribeLogDirs 1 5 now api::describe_log_dirs::answer, DescribeLogDirsRequest;
    CreatePartitions 0 3 blocking api::create_partitions::answer, CreatePartitionsRequest;
    DeleteGroups 0 2 blocking api::delete_groups::answer, DeleteGroupsRequest;
    ElectLeaders 0 2 now api::elect_leaders::answer, ElectLeadersRequest;
    IncrementalAlterConfigs 0 1 blocking api::incremental_alter_configs::answer, IncrementalAlterConfigsRequest;
    AlterPartitionReassignments 0 1 now api::alter_partition_reassignments::answer, AlterPartitionReassignmentsRequest;
    ListPartitionReassignments 0 0 now api::list_partition_reassignments::answer, ListPartitionReassignmentsRequest;
    OffsetDelete 0 0 blocking api::offset_delete::answer, OffsetDeleteRequest;
    DescribeClientQuotas 0 1 now api::describe_client_quotas::answer, DescribeClientQuotasRequest;
    AlterClientQuotas 0 1 blocking api::alter_client_quotas::answer, AlterClientQuotasRequest;
    DescribeQuorum 0 2 now api::describe_quorum::answer, DescribeQuorumRequest;
    UpdateFeatures 0 2 now api::update_features::answer, UpdateFeaturesRequest;
    DescribeCluster 0 2 now api::describe_cluster::answer, DescribeClusterRequest;
    DescribeProducers 0 0 now api::describe_producers::answer, DescribeProducersRequest;
    DescribeTransactions 0 0 blocking api::describe_transactions::answer, DescribeTransactionsRequest;
    ListTransactions 0 2 blocking api::list_transactions::answer, ListTransactionsRequest;
    ConsumerGroupHeartbeat 0 1 now api::consumer_group_heartbeat::answer, ConsumerGroupHeartbeatRequest;
    ConsumerGroupDescribe 0 1 now api::consumer_group_describe::answer, ConsumerGroupDescribeRequest;
    ListConfigResources 0 1 now api::list_config_resources::answer, ListConfigResourcesRequest;
    DescribeTopicPartitions 0 0 now api::describe_topic_partitions::answer, DescribeTopicPartitionsRequest;
}

/// Returns whether an API is served in a version.
pub(crate) fn serves(api_key: i16, version: i16) -> bool {
    SERVED.iter().any(|served| served.api_key == api_key && (served.min..=served.max).contains(&version))
        || legacy::serves(api_key, version)
}
