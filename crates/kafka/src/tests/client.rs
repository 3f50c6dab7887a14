//! A client of one connection, and a broker for it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use commitlog::{Disk, Log, LogConfig, RealDisk};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{
    ApiKey, ConsumerGroupHeartbeatRequest, CreateAclsRequest, CreateTopicsRequest, GroupId,
    IncrementalAlterConfigsRequest, RequestHeader, ResponseHeader, TopicName, create_acls_request,
    incremental_alter_configs_request,
};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

use crate::{Clock, KafkaConfig, KafkaServer, Running};

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// The consumer protocol's heartbeat of member `m` of group `g`, which reads topic `t`; 0 joins, -1 leaves.
pub(super) fn beat(epoch: i32) -> ConsumerGroupHeartbeatRequest {
    let beat = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text("m"))
        .with_member_epoch(epoch);
    if epoch != 0 {
        return beat;
    }
    beat.with_rebalance_timeout_ms(1000)
        .with_subscribed_topic_names(Some(vec![topic("t")]))
        .with_topic_partitions(Some(Vec::new()))
}

/// Asks that alice be allowed to read a topic, or with pattern type 4 those whose names begin so.
pub(super) fn permission(name: &str, pattern_type: i8) -> CreateAclsRequest {
    let creation = create_acls_request::AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text(name))
        .with_resource_pattern_type(pattern_type)
        .with_principal(text("User:alice"))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3);
    CreateAclsRequest::default().with_creations(vec![creation])
}

/// Asks for a setting of the group `g`.
pub(super) fn group_setting() -> IncrementalAlterConfigsRequest {
    let config = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text("consumer.session.timeout.ms"))
        .with_value(Some(text("50000")));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(32)
        .with_resource_name(text("g"))
        .with_configs(vec![config]);
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

/// Holds what begins with `held`, and keeps to itself what begins with `own`.
struct HeldByTest;

impl crate::Owner for HeldByTest {
    fn holds_topic(&self, topic: &str) -> Option<String> {
        topic.starts_with("held").then(|| "it is held".to_owned())
    }

    fn holds_group(&self, group: &str) -> Option<String> {
        self.holds_topic(group)
    }

    fn reserves_topic(&self, topic: &str) -> bool {
        topic.starts_with("own")
    }

    fn reserves_group(&self, group: &str) -> bool {
        group.starts_with("own")
    }

    fn reserves_transaction(&self, transactional_id: &str) -> bool {
        transactional_id.starts_with("own")
    }
}

/// A broker in a directory of its own.
pub(super) struct Fixture {
    pub running: Running,
    pub log: Arc<Log>,
    pub clock: Clock,
    dir: Option<tempfile::TempDir>,
}

impl Fixture {
    pub(super) fn start(settings: &[(&str, &str)]) -> Fixture {
        Fixture::start_in(tempfile::tempdir().unwrap(), settings)
    }

    /// Stops the broker and starts another on what it has left.
    pub(super) fn restart(self, settings: &[(&str, &str)]) -> Fixture {
        let Fixture { running, log, clock, dir } = self;
        running.shutdown();
        log.close(clock.now_ms()).unwrap();
        drop(log);
        Fixture::start_in(dir.expect("it was started in a directory of its own"), settings)
    }

    fn start_in(dir: tempfile::TempDir, settings: &[(&str, &str)]) -> Fixture {
        let fixture = Fixture::start_on(Arc::new(RealDisk), &dir.path().join("log"), settings);
        Fixture { dir: Some(dir), ..fixture }
    }

    /// Starts on a disk that the caller has.
    pub(super) fn start_on(disk: Arc<dyn Disk>, dir: &Path, settings: &[(&str, &str)]) -> Fixture {
        let log = Log::open(disk, dir, LogConfig::default()).unwrap();
        let mut all: Vec<_> = settings
            .iter()
            .map(|(n, v)| (format!("kafka.{n}"), (*v).to_owned(), "test".to_owned()))
            .collect();
        if !settings.iter().any(|(name, _)| *name == "listeners") {
            all.push(("kafka.listeners".into(), "127.0.0.1:0".into(), "test".into()));
        }
        let clock = Clock::manual(1_000_000);
        let config = KafkaConfig::from_settings(&all).unwrap();
        let running = KafkaServer::start(log.clone(), config, clock.clone(), HeldByTest).unwrap();
        Fixture { running, log, clock, dir: None }
    }

    pub(super) fn client(&self) -> Client {
        Client::connect(self.running.addresses[0])
    }

    /// Makes a topic of one partition through another listener than the first.
    pub(super) fn create_topic_at(&self, listener: usize, name: &str) {
        create_topic(&mut Client::connect(self.running.addresses[listener]), name, 1);
    }

    pub(super) fn create_topic(&self, name: &str, partitions: i32) {
        create_topic(&mut self.client(), name, partitions);
    }
}

fn create_topic(client: &mut Client, name: &str, partitions: i32) {
    {
        let new = CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let answer = client.ask(7, &CreateTopicsRequest::default().with_topics(vec![new]));
        assert_eq!(answer.topics[0].error_code, 0);
    }
}

/// Returns how a client speaks TLS, with a certificate or without.
pub(super) fn tls_config(certificate: Option<&[u8]>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(include_bytes!("certificates/ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match certificate {
        Some(pem) => {
            let chain = vec![CertificateDer::from_pem_slice(pem).unwrap()];
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(pem).unwrap()).unwrap()
        }
        None => config.with_no_client_auth(),
    })
}

/// What a client speaks over.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

pub(super) struct Client {
    socket: Box<dyn Stream>,
    correlation_id: i32,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { socket: Box::new(socket), correlation_id: 0 }
    }

    /// Connects with TLS, with a certificate or without; returns the subject of the broker's certificate too.
    pub(super) fn connect_tls(address: SocketAddr, certificate: Option<&[u8]>) -> (Client, String) {
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = ClientConnection::new(tls_config(certificate), name).unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).unwrap();
        }
        let certificate = &connection.peer_certificates().unwrap()[0];
        let subject = crate::security::principal::subject(certificate).unwrap();
        (Client { socket: Box::new(StreamOwned::new(connection, socket)), correlation_id: 0 }, subject)
    }

    pub(super) fn send<R: Request>(&mut self, version: i16, request: &R) {
        let frame = self.frame(version, request);
        self.send_raw(&frame);
    }

    /// Sends a request with zeros behind its end, which nobody reads, in a frame of a length.
    pub(super) fn send_padded<R: Request>(&mut self, version: i16, request: &R, length: usize) {
        let mut frame = self.frame(version, request);
        assert!(frame.len() <= length);
        frame.resize(length, 0);
        self.send_raw(&frame);
    }

    /// Sends a request; the other side may have closed.
    pub(super) fn send_lenient<R: Request>(&mut self, version: i16, request: &R) {
        let frame = self.frame(version, request);
        let mut out = BytesMut::new();
        out.put_i32(frame.len() as i32);
        out.put_slice(&frame);
        self.send_bytes(&out);
    }

    fn frame<R: Request>(&mut self, version: i16, request: &R) -> BytesMut {
        let key = ApiKey::try_from(R::KEY).unwrap();
        self.correlation_id += 1;
        let mut out = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(text("test")))
            .encode(&mut out, key.request_header_version(version))
            .unwrap();
        request.encode(&mut out, version).unwrap();
        out
    }

    /// Sends a frame, putting its length before it.
    pub(super) fn send_raw(&mut self, frame: &[u8]) {
        let mut out = BytesMut::new();
        out.put_i32(frame.len() as i32);
        out.put_slice(frame);
        self.socket.write_all(&out).unwrap();
    }

    /// Sends bytes as they are; the other side may have closed.
    pub(super) fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Returns the next frame without its length; `None` when the connection was closed. A broker that does neither fails.
    pub(super) fn receive_raw(&mut self) -> Option<Bytes> {
        let mut length = [0; 4];
        self.read(&mut length)?;
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        self.read(&mut frame)?;
        Some(Bytes::from(frame))
    }

    fn read(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.socket.read_exact(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("neither an answer nor an end")
            }
            done => done.ok(),
        }
    }

    pub(super) fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let key = ApiKey::try_from(R::KEY).unwrap();
        let mut frame =
            self.receive_raw().unwrap_or_else(|| panic!("{key:?} version {version} was not answered"));
        let header = ResponseHeader::decode(&mut frame, key.response_header_version(version)).unwrap();
        assert_eq!(header.correlation_id, self.correlation_id);
        let answer = R::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "{key:?} version {version} has bytes behind its end");
        answer
    }

    pub(super) fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }
}
