//! Versions that the codec's crate cannot write: asked byte by byte.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;

use super::client::{Client, Fixture};

fn compact(out: &mut BytesMut, text: &str) {
    out.put_u8(text.len() as u8 + 1);
    out.put_slice(text.as_bytes());
}

/// Sends a flexible request and returns the body of the answer.
fn ask(client: &mut Client, api_key: i16, version: i16, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i16(api_key);
    frame.put_i16(version);
    frame.put_i32(9);
    // No client id, no tagged fields.
    frame.put_i16(-1);
    frame.put_u8(0);
    frame.put_slice(body);
    client.send_raw(&frame);
    let mut answer = client.receive_raw().expect("it is answered");
    assert_eq!((answer.get_i32(), answer.get_u8()), (9, 0));
    answer
}

fn commit(id: u128, offset: i64) -> BytesMut {
    let mut body = BytesMut::new();
    compact(&mut body, "g");
    body.put_i32(-1);
    compact(&mut body, "");
    body.put_u8(0);
    body.put_u8(2);
    body.put_u128(id);
    body.put_u8(2);
    body.put_i32(0);
    body.put_i64(offset);
    body.put_i32(-1);
    compact(&mut body, "note");
    body.put_slice(&[0, 0, 0]);
    body
}

/// Asks for topics by their ids, or for all.
fn fetch(ids: Option<&[u128]>) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_u8(2);
    compact(&mut body, "g");
    body.put_u8(0);
    body.put_i32(-1);
    body.put_u8(ids.map_or(0, |ids| ids.len() as u8 + 1));
    for id in ids.unwrap_or_default() {
        body.put_u128(*id);
        body.put_u8(2);
        body.put_i32(0);
        body.put_u8(0);
    }
    // Tags of the group, only what is stable, tags.
    body.put_slice(&[0, 0, 0]);
    body
}

/// Reads the topics of the one group: id, offset, error.
fn fetched(mut answer: Bytes) -> Vec<(u128, i64, i16)> {
    assert_eq!((answer.get_i32(), answer.get_u8()), (0, 2));
    assert_eq!(&answer.copy_to_bytes(2)[..], b"\x02g");
    let topics = answer.get_u8() - 1;
    let read = (0..topics).map(|_| {
        let id = answer.get_u128();
        assert_eq!((answer.get_u8(), answer.get_i32()), (2, 0));
        let offset = answer.get_i64();
        answer.get_i32();
        let metadata = answer.get_u8() - 1;
        answer.advance(metadata as usize);
        let code = answer.get_i16();
        assert_eq!((answer.get_u8(), answer.get_u8()), (0, 0));
        (id, offset, code)
    });
    let read = read.collect();
    assert_eq!((answer.get_i16(), &answer[..]), (0, &[0, 0][..]));
    read
}

#[test]
fn positions_are_set_and_told_by_topic_id() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    fixture.create_topic("gone", 1);
    let id = |name: &str| fixture.log.describe_topic(name).unwrap().id;
    let (t, gone) = (id("t"), id("gone"));
    let mut client = fixture.client();
    let unknown = ResponseError::UnknownTopicId.code();
    for (id, expected) in [(t, 0), (gone, 0), (77, unknown)] {
        let mut answer = ask(&mut client, 8, 10, &commit(id, 42));
        assert_eq!((answer.get_i32(), answer.get_u8(), answer.get_u128()), (0, 2, id));
        assert_eq!((answer.get_u8(), answer.get_i32(), answer.get_i16()), (2, 0, expected));
        assert_eq!(&answer[..], [0, 0, 0]);
    }
    assert_eq!(fixture.log.committed_offset("g", "t", 0).unwrap().offset, 42);
    let answer = fetched(ask(&mut client, 9, 10, &fetch(Some(&[77, t]))));
    assert_eq!(answer, [(77, -1, unknown), (t, 42, 0)]);
    let mut all = vec![(t, 42, 0), (gone, 42, 0)];
    let mut answer = fetched(ask(&mut client, 9, 10, &fetch(None)));
    all.sort_unstable();
    answer.sort_unstable();
    assert_eq!(answer, all);
}

#[test]
fn list_offsets_11_is_answered_as_10() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 1);
    let mut body = BytesMut::new();
    body.put_i32(-1);
    body.put_i8(0);
    body.put_u8(2);
    compact(&mut body, "t");
    body.put_u8(2);
    body.put_i32(0);
    body.put_i32(-1);
    // The earliest offset that waits for being moved away.
    body.put_i64(-6);
    body.put_slice(&[0, 0]);
    body.put_i32(1000);
    body.put_u8(0);
    let mut answer = ask(&mut fixture.client(), 2, 11, &body);
    answer.advance(4 + 1 + 2 + 1);
    assert_eq!((answer.get_i32(), answer.get_i16()), (0, 0));
    assert_eq!((answer.get_i64(), answer.get_i64(), answer.get_i32()), (-1, -1, -1));
    assert_eq!(&answer[..], [0, 0, 0]);
}

#[test]
fn directories_are_told_to_be_open() {
    let fixture = Fixture::start(&[]);
    fixture.create_topic("t", 2);
    let mut answer = ask(&mut fixture.client(), 35, 5, &[0, 0]);
    assert_eq!((answer.get_i32(), answer.get_i16(), answer.get_u8()), (0, 0, 2));
    assert_eq!(answer.get_i16(), 0);
    let path = answer.get_u8() - 1;
    answer.advance(path as usize);
    assert_eq!((answer.get_u8(), answer.get_u8(), answer.get_u8()), (2, 2, b't'));
    assert_eq!(answer.get_u8(), 3);
    answer.advance(2 * (4 + 8 + 8 + 1 + 1) + 1);
    assert_eq!((answer.get_i64(), answer.get_i64()), (-1, -1));
    assert_eq!(&answer[..], [0, 0, 0]);
}
