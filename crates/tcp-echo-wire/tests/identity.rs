//! Names of nodes and zones, and how they are sent.

use proptest::prelude::*;
use tcp_echo_wire::{Control, Identity, IdentityError, IdentityReader};

/// Sends an identity in parts, as frames.
fn sent(identity: &Identity) -> Option<Identity> {
    let mut reader = IdentityReader::new();
    while let Some(n) = reader.next_part() {
        let frame = Control::IdentityAnswer(n, identity.part(n)).encode();
        let Some(Control::IdentityAnswer(n, part)) = Control::decode(&frame) else {
            return None;
        };
        reader.read(n, part);
    }
    reader.identity()
}

proptest! {
    #[test]
    fn what_is_sent_arrives(
        node in "[a-zA-Z0-9._-]{0,253}",
        zone in "[a-zA-Z0-9._-]{0,63}",
    ) {
        let identity = Identity::new(&node, &zone).unwrap();
        prop_assert_eq!(sent(&identity), Some(identity.clone()));
        prop_assert_eq!(identity.node().unwrap_or_default(), node);
        prop_assert_eq!(identity.zone().unwrap_or_default(), zone);
    }

    #[test]
    fn any_parts_are_an_identity_or_none(parts in prop::collection::vec(any::<[u8; 7]>(), 0..60)) {
        let mut reader = IdentityReader::new();
        for (n, part) in (0u8..).zip(parts) {
            reader.read(n, part);
        }
        if let Some(identity) = reader.identity() {
            prop_assert_eq!(sent(&identity), Some(identity));
        }
    }
}

#[test]
fn names_are_bounded() {
    let long = "n".repeat(254);
    for node in [&*long, "a b", "a\n", "ä", "a/b", "a\"", "\0"] {
        assert_eq!(Identity::new(node, ""), Err(IdentityError::Node));
    }
    for zone in [&long[..64], " ", "a=b"] {
        assert_eq!(Identity::new("", zone), Err(IdentityError::Zone));
    }
    let error = IdentityError::Zone.to_string();
    assert_eq!(error, "use at most 63 ASCII letters, digits, -, _ and .");
}

#[test]
fn an_endless_text_ends() {
    let mut reader = IdentityReader::new();
    let mut asked = 0;
    while let Some(n) = reader.next_part() {
        assert_eq!(n, asked);
        reader.read(n, *b"endless");
        asked += 1;
    }
    assert_eq!((asked, reader.identity()), (46, None));
}

#[test]
fn parts_that_were_not_asked_for_are_ignored() {
    let identity = Identity::new("a-node-of-a-long-name", "zone").unwrap();
    let mut reader = IdentityReader::new();
    for n in [5, 0, 0, 2, 1, 1, 2, 3, 9] {
        reader.read(n, identity.part(n));
    }
    assert_eq!(reader.identity(), Some(identity));
}
