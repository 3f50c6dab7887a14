//! `tripline group`: consumer groups, those of queries too, over Kafka's protocol, of one node.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use kafka_protocol::{
    ResponseError,
    messages::{
        BrokerId, ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, GroupId,
        ListGroupsRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest,
        OffsetFetchRequest, TopicName,
        list_groups_response::ListedGroup,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
        offset_fetch_request::OffsetFetchRequestGroup,
    },
    protocol::StrBytes,
};

use crate::{
    kafka_client::{self, KafkaClient, check, words},
    stdout::print,
    table::ListTable,
    terminal::neutralise,
};

const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
/// Read and commit as of no member.
const NO_GENERATION: i32 = -1;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    connection: kafka_client::Options,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists groups.
    List,
    /// Shows members, positions and lag of groups.
    Describe {
        /// The groups.
        #[arg(value_name = "GROUP", required_unless_present = "all")]
        groups: Vec<String>,
        /// All groups there are.
        #[arg(long, conflicts_with = "groups")]
        all: bool,
    },
    /// Moves a group's positions; only shows what it would do without --execute.
    Seek(Seek),
    /// Deletes groups without members, or their positions in topics.
    Delete {
        /// The groups.
        #[arg(required = true)]
        groups: Vec<String>,
        /// Only the positions in this topic.
        #[arg(long, value_name = "TOPIC")]
        topic: Vec<String>,
    },
}

#[derive(Args)]
struct Seek {
    /// The group; it must have no members.
    group: String,
    #[command(flatten)]
    target: Target,
    /// Only this topic, or partitions of it (T:0,1); again for more. Without it all topics the group has positions in.
    #[arg(long, value_name = "TOPIC[:PARTITION,...]")]
    topic: Vec<String>,
    /// Does it.
    #[arg(long)]
    execute: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// To the oldest record.
    #[arg(long)]
    to_earliest: bool,
    /// Behind the newest record.
    #[arg(long)]
    to_latest: bool,
    /// To the first record not older: ms since 1970, 2026-01-31T12:00:00Z, or how long ago: -90s, -30m, -1h, -7d.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time_until_now)]
    to_time: Option<i64>,
    /// To this offset, or the nearest there is.
    #[arg(long, value_name = "OFFSET")]
    to_offset: Option<i64>,
    /// By so many records on, or back.
    #[arg(long, value_name = "RECORDS", allow_hyphen_values = true)]
    shift_by: Option<i64>,
}

/// A topic and a partition.
type Place = (String, i32);

impl Arguments {
    pub fn run(self) -> Result<ExitCode> {
        let mut client = self.connection.connect()?;
        match self.action {
            Action::List => list(&mut client)?,
            Action::Describe { groups, all: false } => describe_each(&mut client, &groups)?,
            Action::Describe { all: true, .. } => {
                let groups: Vec<String> =
                    listed(&mut client)?.iter().map(|group| group.group_id.to_string()).collect();
                describe_each(&mut client, &groups)?;
            }
            Action::Seek(seek) => seek.run(&mut client)?,
            Action::Delete { groups, topic } if topic.is_empty() => delete(&mut client, &groups)?,
            Action::Delete { groups, topic } => {
                for group in &groups {
                    delete_positions(&mut client, group, &topic)?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn str_bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group_id(text: &str) -> GroupId {
    GroupId(str_bytes(text))
}

fn listed(client: &mut KafkaClient) -> Result<Vec<ListedGroup>> {
    let answer = client.ask(5, &ListGroupsRequest::default())?;
    check(answer.error_code, || "listing groups".to_owned())?;
    Ok(answer.groups)
}

fn list(client: &mut KafkaClient) -> Result<()> {
    let mut table = ListTable::new(["Group", "Type", "Protocol", "State"]);
    for group in &listed(client)? {
        let protocol = if group.protocol_type.is_empty() { "-" } else { &*group.protocol_type };
        table.row([&**group.group_id, &*group.group_type, protocol, &*group.group_state]);
    }
    print(&table.render())
}

/// What is known about a group.
struct Described {
    kind: &'static str,
    state: String,
    members: Vec<Member>,
}

struct Member {
    id: String,
    client_id: String,
    host: String,
    places: Vec<Place>,
}

fn described(client: &mut KafkaClient, group: &str) -> Result<Described> {
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(group)]);
    let mut answer = client.ask(0, &request)?;
    let found = answer.groups.pop().context("the broker has left the group out of its answer")?;
    if found.error_code == 0 {
        let members = found.members.iter().map(|member| Member {
            id: member.member_id.to_string(),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            places: (member.assignment.topic_partitions.iter())
                .flat_map(|topic| topic.partitions.iter().map(|p| (topic.topic_name.to_string(), *p)))
                .collect(),
        });
        let state = found.group_state.to_string();
        return Ok(Described { kind: "consumer", state, members: members.collect() });
    }
    if found.error_code != ResponseError::GroupIdNotFound.code() {
        check(found.error_code, || format!("describing group {group:?}"))?;
    }
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id(group)]);
    let mut answer = client.ask(5, &request)?;
    let found = answer.groups.pop().context("the broker has left the group out of its answer")?;
    check(found.error_code, || format!("describing group {group:?}"))?;
    let members = found.members.iter().map(|member| Member {
        id: member.member_id.to_string(),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        places: assignment(&member.member_assignment),
    });
    Ok(Described { kind: "classic", state: found.group_state.to_string(), members: members.collect() })
}

/// Reads what the leader of a classic group has assigned: version i16, then topics with partitions. What cannot be read
/// is left out.
fn assignment(bytes: &[u8]) -> Vec<Place> {
    fn number<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
        let (taken, after) = rest.split_at_checked(len)?;
        *rest = after;
        Some(taken)
    }
    fn i32_of(rest: &mut &[u8]) -> Option<i32> {
        Some(i32::from_be_bytes(number(rest, 4)?.try_into().ok()?))
    }
    fn topic(rest: &mut &[u8], places: &mut Vec<Place>) -> Option<()> {
        let len = u16::from_be_bytes(number(rest, 2)?.try_into().ok()?);
        let name = String::from_utf8_lossy(number(rest, len as usize)?).into_owned();
        for _ in 0..i32_of(rest)?.max(0) {
            places.push((name.clone(), i32_of(rest)?));
        }
        Some(())
    }
    let mut places = Vec::new();
    let mut rest = bytes.get(2..).unwrap_or_default();
    for _ in 0..i32_of(&mut rest).unwrap_or(0).max(0) {
        if topic(&mut rest, &mut places).is_none() {
            break;
        }
    }
    places
}

/// Returns a group's positions.
fn positions(client: &mut KafkaClient, group: &str) -> Result<BTreeMap<Place, i64>> {
    let asked = OffsetFetchRequestGroup::default().with_group_id(group_id(group)).with_topics(None);
    let answer = client.ask(8, &OffsetFetchRequest::default().with_groups(vec![asked]))?;
    let found = answer.groups.first().context("the broker has left the group out of its answer")?;
    check(found.error_code, || format!("reading the positions of group {group:?}"))?;
    let mut positions = BTreeMap::new();
    for topic in &found.topics {
        for partition in topic.partitions.iter().filter(|partition| partition.committed_offset >= 0) {
            positions.insert((topic.name.to_string(), partition.partition_index), partition.committed_offset);
        }
    }
    Ok(positions)
}

/// Returns offsets by a timestamp (or −2, −1 for the ends); −1 where there is none. Partitions that are not there are left
/// out.
fn offsets(client: &mut KafkaClient, places: &[Place], timestamp: i64) -> Result<BTreeMap<Place, i64>> {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (topic, partition) in places {
        let asked =
            ListOffsetsPartition::default().with_partition_index(*partition).with_timestamp(timestamp);
        topics.entry(topic).or_default().push(asked);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        ListOffsetsTopic::default().with_name(TopicName(str_bytes(topic))).with_partitions(partitions)
    });
    let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics.collect());
    let answer = client.ask(7, &request)?;
    let mut found = BTreeMap::new();
    for topic in &answer.topics {
        for partition in &topic.partitions {
            if partition.error_code == ResponseError::UnknownTopicOrPartition.code() {
                continue;
            }
            let place = (topic.name.to_string(), partition.partition_index);
            check(partition.error_code, || format!("reading offsets of topic {:?}", place.0))?;
            found.insert(place, partition.offset);
        }
    }
    Ok(found)
}

/// Shows groups, with a blank line between them; one that cannot be shown does not keep back the others.
fn describe_each(client: &mut KafkaClient, groups: &[String]) -> Result<()> {
    let mut failed = None;
    let mut blank = "";
    for group in groups {
        match description(client, group) {
            Ok(text) => print(&format!("{blank}{text}"))?,
            Err(error) if groups.len() == 1 => return Err(error),
            Err(error) => {
                eprintln!("tripline: {}", neutralise(&format!("{error:#}")));
                failed = Some(anyhow!("some groups could not be shown"));
                continue;
            }
        }
        blank = "\n";
    }
    failed.map_or(Ok(()), Err)
}

fn description(client: &mut KafkaClient, group: &str) -> Result<String> {
    let described = described(client, group)?;
    let positions = positions(client, group)?;
    if described.state == "Dead" && positions.is_empty() {
        bail!("group {group:?} does not exist");
    }
    let mut readers: BTreeMap<Place, &Member> = BTreeMap::new();
    for member in &described.members {
        readers.extend(member.places.iter().map(|place| (place.clone(), member)));
    }
    let mut places: Vec<Place> = positions.keys().chain(readers.keys()).cloned().collect();
    places.sort();
    places.dedup();
    let ends = offsets(client, &places, LATEST)?;
    let mut table =
        ListTable::new(["Topic", "Partition", "Position", "End", "Lag", "Member", "Client", "Host"]);
    let shown = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let mut total = 0;
    for place in &places {
        let (position, end) = (positions.get(place).copied(), ends.get(place).copied());
        let lag = position.zip(end).map(|(position, end)| (end - position).max(0));
        total += lag.unwrap_or(0);
        let reader = readers.get(place);
        let of_reader = |text: fn(&Member) -> &str| reader.map_or("-", |member| text(member)).to_owned();
        table.row([
            place.0.clone(),
            place.1.to_string(),
            shown(position),
            shown(end),
            shown(lag),
            of_reader(|member| &member.id),
            of_reader(|member| &member.client_id),
            of_reader(|member| &member.host),
        ]);
    }
    let mut out = format!(
        "group {} ({}): {}, members: {}, lag {total}\n",
        neutralise(group),
        described.kind,
        neutralise(&described.state),
        described.members.len()
    );
    if !places.is_empty() {
        out.push_str(&table.render());
    }
    Ok(out)
}

/// Refuses while somebody reads: the next commit would undo what was done.
fn check_empty(client: &mut KafkaClient, group: &str, action: &str) -> Result<()> {
    let described = described(client, group)?;
    if described.members.is_empty() && matches!(described.state.as_str(), "Empty" | "Dead") {
        return Ok(());
    }
    bail!(
        "cannot {action} group {group:?}: members: {}, state {}; stop them first",
        described.members.len(),
        described.state
    )
}

impl Seek {
    fn run(self, client: &mut KafkaClient) -> Result<()> {
        let group = &self.group;
        check_empty(client, group, "move")?;
        let before = positions(client, group)?;
        let places = if self.topic.is_empty() {
            if before.is_empty() {
                bail!("group {group:?} has no positions; --topic names the topics to begin with");
            }
            before.keys().cloned().collect()
        } else {
            named(client, &self.topic)?
        };
        let after = self.target.offsets(client, &places, &before)?;
        let mut table = ListTable::new(["Topic", "Partition", "Before", "After"]);
        for (place, offset) in &after {
            let before = before.get(place).map_or("-".to_owned(), i64::to_string);
            table.row([place.0.clone(), place.1.to_string(), before, offset.to_string()]);
        }
        if after.is_empty() {
            bail!("the topics that group {group:?} has positions in do not exist any more");
        }
        let table = table.render();
        if !self.execute {
            return print(&format!("{table}nothing was changed; --execute does it\n"));
        }
        commit(client, group, &after)?;
        print(&format!("{table}moved {} positions of group {}\n", after.len(), neutralise(group)))
    }
}

/// Reads `TOPIC[:PARTITION,…]`.
fn named(client: &mut KafkaClient, names: &[String]) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for name in names {
        let (topic, numbers) = match name.rsplit_once(':') {
            Some((topic, numbers)) => (topic, Some(numbers)),
            None => (name.as_str(), None),
        };
        let asked = MetadataRequestTopic::default().with_name(Some(TopicName(str_bytes(topic))));
        let request =
            MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(false);
        let answer = client.ask(9, &request)?;
        let found = answer.topics.first().context("the broker has left the topic out of its answer")?;
        check(found.error_code, || format!("topic {topic:?} cannot be read"))?;
        let there: Vec<i32> = found.partitions.iter().map(|partition| partition.partition_index).collect();
        let Some(numbers) = numbers else {
            places.extend(there.iter().map(|number| (topic.to_owned(), *number)));
            continue;
        };
        for number in numbers.split(',') {
            let number: i32 = number.parse().with_context(|| format!("{number:?} is no partition"))?;
            if !there.contains(&number) {
                bail!("topic {topic:?} has no partition {number}");
            }
            places.push((topic.to_owned(), number));
        }
    }
    places.sort();
    places.dedup();
    Ok(places)
}

impl Target {
    fn offsets(
        &self,
        client: &mut KafkaClient,
        places: &[Place],
        before: &BTreeMap<Place, i64>,
    ) -> Result<BTreeMap<Place, i64>> {
        let ends = offsets(client, places, LATEST)?;
        if self.to_latest {
            return Ok(ends);
        }
        let starts = offsets(client, places, EARLIEST)?;
        if self.to_earliest {
            return Ok(starts);
        }
        if let Some(time_ms) = self.to_time {
            let mut found = offsets(client, places, time_ms)?;
            // Nothing is as young: behind the last.
            for (place, offset) in &mut found {
                if *offset < 0 {
                    *offset = ends.get(place).copied().unwrap_or(0);
                }
            }
            return Ok(found);
        }
        let mut after = BTreeMap::new();
        for (place, start) in starts {
            let end = ends.get(&place).copied().unwrap_or(start).max(start);
            let wanted = match (self.to_offset, self.shift_by) {
                (Some(offset), _) => offset,
                (None, Some(by)) => {
                    let Some(position) = before.get(&place) else {
                        bail!("the group has no position in partition {} of topic {:?}", place.1, place.0);
                    };
                    position.saturating_add(by)
                }
                (None, None) => bail!("where to is not said"),
            };
            after.insert(place, wanted.clamp(start, end));
        }
        Ok(after)
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

fn time_until_now(text: &str) -> Result<i64> {
    time_ms(text, now_ms())
}

/// Reads a time: ms since 1970, ISO 8601, or how long ago.
fn time_ms(text: &str, now_ms: i64) -> Result<i64> {
    let unknown =
        || "no time; there are ms since 1970, 2026-01-31T12:00:00Z, and how long ago (-90s, -30m, -1h, -7d)";
    if let Some(ago) = text.strip_prefix('-') {
        let Some(unit) = ago.chars().last() else { bail!(unknown()) };
        let unit_ms = match unit {
            's' => 1000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => bail!(unknown()),
        };
        let count: i64 = ago[..ago.len() - 1].parse().ok().with_context(unknown)?;
        return Ok(now_ms.saturating_sub(count.saturating_mul(unit_ms)).max(0));
    }
    match text.parse::<i64>() {
        Ok(ms) => Ok(ms),
        Err(_) => types::java_time::parse_iso_timestamp(text).with_context(unknown),
    }
}

fn commit(client: &mut KafkaClient, group: &str, offsets: &BTreeMap<Place, i64>) -> Result<()> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for ((topic, partition), offset) in offsets {
        let position = OffsetCommitRequestPartition::default()
            .with_partition_index(*partition)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(StrBytes::new()));
        topics.entry(topic).or_default().push(position);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetCommitRequestTopic::default().with_name(TopicName(str_bytes(topic))).with_partitions(partitions)
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id_or_member_epoch(NO_GENERATION)
        .with_topics(topics.collect());
    for topic in client.ask(8, &request)?.topics {
        for partition in &topic.partitions {
            check(partition.error_code, || {
                let place = format!("partition {} of topic {:?}", partition.partition_index, &**topic.name);
                format!("moving group {group:?} in {place}")
            })?;
        }
    }
    Ok(())
}

fn delete(client: &mut KafkaClient, groups: &[String]) -> Result<()> {
    let names = groups.iter().map(|group| group_id(group)).collect();
    let answer = client.ask(2, &DeleteGroupsRequest::default().with_groups_names(names))?;
    let (mut deleted, mut failed) = (String::new(), Vec::new());
    for result in &answer.results {
        let group = &**result.group_id;
        match ResponseError::try_from_code(result.error_code) {
            None => deleted.push_str(&format!("deleted group {}\n", neutralise(group))),
            Some(ResponseError::NonEmptyGroup) => failed.push(format!("group {group:?} has members")),
            Some(ResponseError::GroupIdNotFound) => failed.push(format!("group {group:?} does not exist")),
            Some(error) => failed.push(format!("group {group:?}: {}", words(error))),
        }
    }
    let printed = print(&deleted);
    if failed.is_empty() { printed } else { bail!("cannot delete: {}", failed.join("; ")) }
}

fn delete_positions(client: &mut KafkaClient, group: &str, names: &[String]) -> Result<()> {
    let mut topics: BTreeMap<String, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
    for (topic, partition) in named(client, names)? {
        let asked = OffsetDeleteRequestPartition::default().with_partition_index(partition);
        topics.entry(topic).or_default().push(asked);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetDeleteRequestTopic::default()
            .with_name(TopicName(str_bytes(&topic)))
            .with_partitions(partitions)
    });
    let request = OffsetDeleteRequest::default().with_group_id(group_id(group)).with_topics(topics.collect());
    let answer = client.ask(0, &request)?;
    check(answer.error_code, || format!("deleting positions of group {group:?}"))?;
    let mut deleted = String::new();
    for topic in &answer.topics {
        for partition in &topic.partitions {
            let name = &**topic.name;
            check(partition.error_code, || {
                format!("deleting positions of group {group:?} in topic {name:?}")
            })?;
        }
        let (group, topic) = (neutralise(group), neutralise(&topic.name));
        deleted.push_str(&format!("deleted positions of group {group} in topic {topic}\n"));
    }
    print(&deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_ago() {
        assert_eq!(time_ms("1700000000000", 0).unwrap(), 1_700_000_000_000);
        assert_eq!(time_ms("1970-01-01T00:00:01Z", 0).unwrap(), 1000);
        assert_eq!(time_ms("-90s", 100_000).unwrap(), 10_000);
        assert_eq!(time_ms("-1h", 3_600_001).unwrap(), 1);
        for text in ["-", "-h", "-1y", "yesterday", ""] {
            assert!(time_ms(text, 0).is_err(), "{text}");
        }
    }

    #[test]
    fn assignments_are_read_as_far_as_they_go() {
        let bytes = b"\0\x01\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\x00\0\0\0\x07\xff\xff\xff\xff";
        assert_eq!(assignment(bytes), [("t".to_owned(), 0), ("t".to_owned(), 7)]);
        for len in 0..bytes.len() {
            assignment(&bytes[..len]);
        }
        assignment(&[0xff; 40]);
    }
}
