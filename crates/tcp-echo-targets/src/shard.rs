//! Shards: several probers that share one list of targets.

use std::{fmt, num::NonZeroU32, str::FromStr};

/// The part of the targets for this prober: shard `index` of `count`.
///
/// The name of a target alone decides on its shard, so probers need not know each other. The
/// rule is part of the interface and does not change:
///
/// 1. *h* is the 64-bit FNV-1a hash of the name's UTF-8 bytes
///    (offset `0xcbf29ce484222325`, prime `0x100000001b3`);
/// 2. *k* is *h* through the finalizer of `SplitMix64`: xor with itself shifted right
///    by 30, times `0xbf58476d1ce4e5b9`; the same with 27 and `0x94d049bb133111eb`;
///    xor with itself shifted right by 31;
/// 3. the shard is the jump consistent hash of *k* (Lamping and Veach, 2014), in
///    integers: `b = 0; j = 0; while j < count { b = j; k = k * 2862933555777941757 +
///    1; j = ((b + 1) << 31) / ((k >> 33) + 1) }`, with *k* modulo 2⁶⁴; it is `b`.
///
/// From `count` to `count + 1` shards, one target in `count + 1` moves, always to the new shard.
///
/// ```
/// use tcp_echo_targets::Shard;
///
/// let shard: Shard = "1/3".parse()?;
/// assert!(shard.has("db") && !shard.has("web"));
/// assert!(Shard::ALL.has("db") && Shard::ALL.has("web"));
/// assert_eq!(
///     "3/3".parse::<Shard>().unwrap_err().to_string(),
///     "shard 3 of 3: shards count from 0, so the last one is 2/3"
/// );
/// # Ok::<(), tcp_echo_targets::ShardError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    index: u32,
    count: NonZeroU32,
}

/// Why there is no such [`Shard`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// The text is not two numbers.
    #[error("a shard is written I/N with whole numbers, as in 0/4")]
    Form,
    /// The count is 0.
    #[error("there must be at least one shard, as in 0/1")]
    NoShards,
    /// The index is not below the count.
    #[error("shard {index} of {count}: shards count from 0, so the last one is {last}/{count}", last = count - 1)]
    Beyond {
        /// The index.
        index: u32,
        /// The number of shards.
        count: u32,
    },
}

impl Shard {
    /// A single shard with all targets.
    pub const ALL: Self = Self {
        index: 0,
        count: NonZeroU32::MIN,
    };

    /// Shard `index` of `count`, from 0.
    ///
    /// # Errors
    /// [`ShardError::Beyond`] if the index is not below the count.
    pub const fn new(index: u32, count: NonZeroU32) -> Result<Self, ShardError> {
        if index >= count.get() {
            let count = count.get();
            return Err(ShardError::Beyond { index, count });
        }
        Ok(Self { index, count })
    }

    /// The index, from 0.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The number of shards.
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// Whether the target of this name is on this shard.
    pub fn has(self, name: &str) -> bool {
        jump(hash(name), self.count) == u64::from(self.index)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (index, count) = text.split_once('/').ok_or(ShardError::Form)?;
        let count = NonZeroU32::new(number(count)?).ok_or(ShardError::NoShards)?;
        Self::new(number(index)?, count)
    }
}

/// Parses decimal digits. The parser of integers would accept a sign.
fn number(text: &str) -> Result<u32, ShardError> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| ShardError::Form)
    } else {
        Err(ShardError::Form)
    }
}

/// The hash of a name: *k* of the rule of [`Shard`].
pub(crate) fn hash(name: &str) -> u64 {
    mixed(fnv1a(name))
}

fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finalizer. FNV hardly mixes the high bits for short names, and they decide.
const fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

fn jump(mut key: u64, count: NonZeroU32) -> u64 {
    let count = u64::from(count.get());
    let (mut bucket, mut next) = (0, 0);
    while next < count {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) << 31) / ((key >> 33) + 1);
    }
    bucket
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(name: &str, count: u32) -> u32 {
        let count = NonZeroU32::new(count).unwrap();
        let holders: Vec<_> = (0..count.get())
            .filter(|index| Shard::new(*index, count).unwrap().has(name))
            .collect();
        assert_eq!(holders.len(), 1, "{name:?} of {count}");
        holders[0]
    }

    proptest! {
        #[test]
        fn every_name_is_on_one_shard_and_moves_only_to_a_new_one(name: String, count in 1u32..60) {
            let (before, after) = (of(&name, count), of(&name, count + 1));
            prop_assert!(after == before || after == count);
        }

        #[test]
        fn no_text_is_a_reason_to_panic(text in prop_oneof![any::<String>(), "[-+0-9/]{0,24}"]) {
            if let Ok(shard) = text.parse::<Shard>() {
                prop_assert_eq!(shard.to_string().parse(), Ok(shard));
            }
        }

        #[test]
        fn huge_counts_end(name: String) {
            let shard = Shard::new(0, NonZeroU32::MAX).unwrap();
            let _ = shard.has(&name);
        }
    }

    /// Computed by another implementation of the rule, in Python. A change here would
    /// move the targets of everybody.
    #[test]
    fn the_rule_does_not_change() {
        for (name, shards) in GOLDEN {
            assert_eq!(
                [2, 3, 10, 1000].map(|count| of(name, count)),
                shards,
                "{name:?}"
            );
        }
    }

    const GOLDEN: [(&str, [u32; 4]); 10] = [
        ("", [0, 0, 5, 978]),
        ("a", [1, 1, 9, 572]),
        ("web", [1, 2, 3, 403]),
        ("db", [1, 1, 4, 907]),
        ("db-1", [0, 0, 0, 688]),
        ("db-2", [0, 0, 0, 301]),
        ("10.0.0.5:4000", [1, 2, 2, 200]),
        ("[2001:db8::1]:4000", [1, 1, 1, 311]),
        ("dns+web.example.com:4000/192.0.2.1", [0, 0, 0, 930]),
        ("größe", [1, 1, 1, 325]),
    ];

    #[test]
    fn shards_are_of_a_size() {
        let mut sizes = [0u32; 8];
        for n in 0..8000 {
            sizes[of(&format!("host-{n}.example.com:4000"), 8) as usize] += 1;
        }
        // Five standard deviations of a fair draw.
        assert!(
            sizes.iter().all(|size| (852..1148).contains(size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn what_is_no_shard_says_why() {
        for text in [
            "",
            "1",
            "/",
            "1/",
            "/2",
            "a/b",
            "+0/1",
            "0/-1",
            "0/1/2",
            " 0/1",
            "0/4294967296",
        ] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError::Form), "{text:?}");
        }
        assert_eq!("0/0".parse::<Shard>(), Err(ShardError::NoShards));
        let beyond = ShardError::Beyond { index: 4, count: 4 };
        assert_eq!("4/4".parse::<Shard>(), Err(beyond));
        assert_eq!(Shard::default(), "0/1".parse().unwrap());
    }
}
