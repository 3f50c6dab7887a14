//! A disk that takes its time: who has nothing to do with it is answered, and who had to wait is judged again.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use commitlog::{BatchBuilder, Disk, DiskFile, SimulatedDisk, set_producer};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use super::client::{Client, Fixture, group_setting, text, topic};

/// Lets syncs through, or has them wait.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    waiting: usize,
}

impl Gate {
    fn close(&self) {
        self.state.lock().unwrap().is_closed = true;
    }

    fn open(&self) {
        self.state.lock().unwrap().is_closed = false;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.is_closed).unwrap();
        state.waiting -= 1;
    }

    /// Waits until somebody waits for the disk.
    fn wait_for_somebody(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| state.waiting == 0).unwrap());
    }
}

/// Opens the gate at the end of a test, also one that fails.
struct Opened<'a>(&'a Gate);

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

struct GatedDisk {
    disk: SimulatedDisk,
    gate: Arc<Gate>,
}

struct GatedFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl GatedDisk {
    fn gated(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(GatedFile { file, gate: self.gate.clone() })
    }
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(path).map(|file| self.gated(file))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(path).map(|file| self.gated(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
}

impl DiskFile for GatedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_at(bytes, position)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync_data()
    }
}

fn start() -> (Fixture, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let disk = GatedDisk { disk: SimulatedDisk::new(), gate: gate.clone() };
    let fixture = Fixture::start_on(Arc::new(disk), Path::new("/log"), &[]);
    fixture.create_topic("t", 1);
    (fixture, gate)
}

fn joining(member_id: StrBytes) -> JoinGroupRequest {
    let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(member_id)
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(30_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

#[test]
fn position_of_a_member_that_left_while_its_records_were_synced_is_not_set() {
    let (fixture, gate) = start();
    let _opened = Opened(&gate);
    let (mut member, mut other) = (fixture.client(), fixture.client());
    let id = member.ask(5, &joining(text(""))).member_id;
    let joined = member.ask(5, &joining(id.clone()));
    let synced = SyncGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(id.clone())
        .with_generation_id(joined.generation_id);
    assert_eq!(member.ask(3, &synced).error_code, 0);
    let mut record = BatchBuilder::new();
    record.append(1, None, Some(b"v"), &[]);
    fixture.log.append("t", 0, record.finish(), 1).unwrap();
    gate.close();
    let partition = offset_commit_request::OffsetCommitRequestPartition::default().with_committed_offset(1);
    let part = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(id.clone())
        .with_generation_id_or_member_epoch(joined.generation_id)
        .with_topics(vec![part]);
    member.send(8, &commit);
    gate.wait_for_somebody();
    let leave = LeaveGroupRequest::default().with_group_id(GroupId(text("g"))).with_member_id(id);
    assert_eq!(other.ask(1, &leave).error_code, 0);
    gate.open();
    let code = member.receive::<OffsetCommitRequest>(8).topics[0].partitions[0].error_code;
    assert_eq!(code, ResponseError::UnknownMemberId.code());
    assert_eq!(fixture.log.committed_offset("g", "t", 0), None);
}

/// Begins a transaction that sets a position, and ends it while the gate is closed.
fn ending_transaction(fixture: &Fixture, gate: &Gate) -> (Client, InitProducerIdResponse) {
    let mut client = fixture.client();
    let id = TransactionalId(text("tx"));
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id.clone()))
        .with_transaction_timeout_ms(60_000);
    let producer = client.ask(5, &request);
    let partition =
        txn_offset_commit_request::TxnOffsetCommitRequestPartition::default().with_committed_offset(0);
    let part = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![partition]);
    let offsets = TxnOffsetCommitRequest::default()
        .with_transactional_id(id.clone())
        .with_group_id(GroupId(text("g")))
        .with_producer_id(producer.producer_id)
        .with_producer_epoch(producer.producer_epoch)
        .with_generation_id(-1)
        .with_topics(vec![part]);
    assert_eq!(client.ask(5, &offsets).topics[0].partitions[0].error_code, 0);
    gate.close();
    let end = EndTxnRequest::default()
        .with_transactional_id(id)
        .with_producer_id(producer.producer_id)
        .with_producer_epoch(producer.producer_epoch)
        .with_committed(true);
    client.send(5, &end);
    gate.wait_for_somebody();
    (client, producer)
}

#[test]
fn stable_positions_are_asked_for_without_waiting_for_transactions_that_end() {
    let (fixture, gate) = start();
    let _opened = Opened(&gate);
    let (mut ending, _) = ending_transaction(&fixture, &gate);
    let mut client = fixture.client();
    let part = offset_fetch_request::OffsetFetchRequestTopics::default()
        .with_name(topic("t"))
        .with_partition_indexes(vec![0]);
    let group = offset_fetch_request::OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text("g")))
        .with_topics(Some(vec![part]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true);
    let code = |client: &mut Client| client.ask(8, &request).groups[0].topics[0].partitions[0].error_code;
    assert_eq!(code(&mut client), ResponseError::UnstableOffsetCommit.code());
    gate.open();
    assert_eq!(ending.receive::<EndTxnRequest>(5).error_code, 0);
    assert_eq!(code(&mut client), 0);
}

#[test]
fn others_are_answered_while_records_wait_for_their_transaction_to_end() {
    let (fixture, gate) = start();
    let _opened = Opened(&gate);
    let (mut ending, producer) = ending_transaction(&fixture, &gate);
    let mut record = BatchBuilder::new();
    record.append(1, None, Some(b"v"), &[]);
    let mut bytes = record.finish().to_vec();
    set_producer(&mut bytes, *producer.producer_id, producer.producer_epoch, 0, true);
    let data = produce_request::PartitionProduceData::default().with_records(Some(bytes.into()));
    let part =
        produce_request::TopicProduceData::default().with_name(topic("t")).with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_transactional_id(Some(TransactionalId(text("tx"))))
        .with_topic_data(vec![part]);
    // More than there are threads for sockets.
    let mut late: Vec<Client> = (0..8).map(|_| fixture.client()).collect();
    for client in &mut late {
        client.send(11, &request);
        let coordinator = FindCoordinatorRequest::default().with_key(text("g"));
        assert_eq!(fixture.client().ask(1, &coordinator).error_code, 0);
    }
    gate.open();
    assert_eq!(ending.receive::<EndTxnRequest>(5).error_code, 0);
    for client in &mut late {
        let code = client.receive::<ProduceRequest>(11).responses[0].partition_responses[0].error_code;
        assert_eq!(code, ResponseError::InvalidProducerEpoch.code());
    }
}

#[test]
fn heartbeats_are_answered_while_a_setting_is_stored() {
    let (fixture, gate) = start();
    let _opened = Opened(&gate);
    let (mut admin, mut member) = (fixture.client(), fixture.client());
    gate.close();
    admin.send(1, &group_setting());
    gate.wait_for_somebody();
    let beat = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(1000)
        .with_subscribed_topic_names(Some(vec![topic("t")]))
        .with_topic_partitions(Some(Vec::new()));
    assert_eq!(member.ask(1, &beat).error_code, 0);
    gate.open();
    assert_eq!(admin.receive::<IncrementalAlterConfigsRequest>(1).responses[0].error_code, 0);
}

#[test]
fn others_are_answered_while_a_thousand_records_wait_for_the_disk() {
    const CLIENTS: usize = 100;
    const IN_FLIGHT: usize = 15;
    let (fixture, gate) = start();
    let _opened = Opened(&gate);
    gate.close();
    let mut record = BatchBuilder::new();
    record.append(1, None, Some(b"v"), &[]);
    let data = produce_request::PartitionProduceData::default()
        .with_records(Some(bytes::Bytes::from(record.finish().to_vec())));
    let part =
        produce_request::TopicProduceData::default().with_name(topic("t")).with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![part]);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| fixture.client()).collect();
    let at_end = || fixture.log.offsets("t", 0).unwrap().next as usize;
    for (sent, client) in clients.iter_mut().enumerate() {
        for _ in 0..IN_FLIGHT {
            client.send(9, &request);
        }
        // Those that the queue has no room for are not read on; each connection has at least one written.
        while at_end() <= sent {
            std::thread::yield_now();
        }
    }
    let mut other = fixture.client();
    let coordinator = FindCoordinatorRequest::default().with_key(text("g"));
    assert_eq!(other.ask(1, &coordinator).error_code, 0);
    gate.open();
    for client in &mut clients {
        for _ in 0..IN_FLIGHT {
            let mut frame = client.receive_raw().unwrap();
            assert!(frame.split_off(4).len() > 10);
        }
    }
    assert_eq!(at_end(), CLIENTS * IN_FLIGHT);
}
