//! Control frames and stamps: golden bytes, round trips, and what is neither.

use std::time::Duration;

use proptest::prelude::*;
use tcp_echo_wire::{Control, Features, PeerStamp, Probe, Segments, Seq, UnixNanos};

const ALL: Features = Features::STAMPS.union(Features::SEGMENTS);

#[test]
fn the_bytes_are_those_of_the_document() {
    let segments = Segments {
        sent: 0x0403_0201,
        lost: 0x0807_0605,
    };
    for (control, bytes) in [
        (
            Control::HelloRequest(ALL),
            b"\x01\x01tcpem\xff\x03\0\0\0\0\0\0\0",
        ),
        (
            Control::HelloAnswer(Features::SEGMENTS),
            b"\x01\x81tcpem\xff\x02\0\0\0\0\0\0\0",
        ),
        (
            Control::SegmentsRequest,
            b"\x02\x01tcpem\xff\0\0\0\0\0\0\0\0",
        ),
        (
            Control::SegmentsAnswer(segments),
            b"\x02\x81tcpem\xff\x01\x02\x03\x04\x05\x06\x07\x08",
        ),
        (
            Control::IdentityRequest(5),
            b"\x03\x01tcpem\xff\x05\0\0\0\0\0\0\0",
        ),
        (
            Control::IdentityAnswer(1, *b"r-7\0eu-"),
            b"\x03\x81tcpem\xff\x01r-7\0eu-",
        ),
        (Control::Departure, b"\x04\x81tcpem\xff\0\0\0\0\0\0\0\0"),
    ] {
        assert_eq!(&control.encode(), bytes);
        assert_eq!(Control::decode(bytes), Some(control));
        let probe = Probe::decode(bytes);
        assert!(probe.seq.is_control());
        assert_eq!(probe.control(), Some(control));
    }
}

#[test]
fn a_later_version_is_understood_and_a_later_kind_is_not() {
    let mut frame = Control::SegmentsRequest.encode();
    frame[1] = 2;
    assert_eq!(Control::decode(&frame), Some(Control::SegmentsRequest));
    frame[0] = 5;
    assert_eq!(Control::decode(&frame), None);
    assert!(
        Probe::decode(&frame).seq.is_control(),
        "it is still no probe"
    );
}

#[test]
fn no_session_reaches_the_number_of_a_control_frame() {
    // A million probes a second for half a million years.
    let last = Seq(1_000_000 * 60 * 60 * 24 * 365 * 500_000);
    let first = Probe::decode(&Control::HelloRequest(Features::NONE).encode()).seq;
    assert!(first > last);
}

#[test]
fn a_stamp_has_the_bytes_of_the_document() {
    let stamp = PeerStamp {
        received: 0x05_0403_0201,
        residence: Some(Duration::from_micros(1)),
        is_merged: true,
    };
    // The lowest bit of the sixth byte is the merged one, the next that of one microsecond.
    assert_eq!(stamp.encode(), [1, 2, 3, 4, 5, 3, 0, 0]);
}

#[test]
fn a_residence_that_does_not_fit_is_unknown() {
    let stamp = |residence| PeerStamp {
        received: 7,
        residence,
        is_merged: false,
    };
    let back = |residence| {
        let bytes = stamp(residence).encode();
        PeerStamp::from(UnixNanos(i64::from_le_bytes(bytes))).residence
    };
    let longest = Duration::from_micros((1 << 23) - 2);
    assert_eq!(back(Some(longest)), Some(longest));
    assert_eq!(back(Some(longest + Duration::from_micros(1))), None);
    assert_eq!(back(Some(Duration::MAX)), None);
    assert_eq!(back(None), None);
}

proptest! {
    #[test]
    fn a_stamp_round_trips(received: u64, micros in 0_u64..(1 << 23) - 1, is_merged: bool) {
        let stamp = PeerStamp { received, residence: Some(Duration::from_micros(micros)), is_merged };
        let back = PeerStamp::from(UnixNanos(i64::from_le_bytes(stamp.encode())));
        prop_assert_eq!(back, PeerStamp { received: received % PeerStamp::MODULUS, ..stamp });
    }

    #[test]
    fn any_time_field_is_a_stamp(time: i64) {
        let stamp = PeerStamp::from(UnixNanos(time));
        prop_assert_eq!(i64::from_le_bytes(stamp.encode()), time);
    }

    #[test]
    fn any_frame_is_a_probe_or_a_control_frame_that_round_trips(frame: [u8; 16]) {
        prop_assert_eq!(Probe::decode(&frame).encode(), frame);
        if let Some(control) = Control::decode(&frame) {
            prop_assert!(Probe::decode(&frame).seq.is_control());
            prop_assert_eq!(Control::decode(&control.encode()), Some(control));
        }
    }
}
