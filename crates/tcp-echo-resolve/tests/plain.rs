//! Look-ups by the resolver of the system, which the tests replace.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tcp_echo_resolve::{Failure, IpVersion, Limits, LookupType, Outcome, Resolver};
use tokio::time::timeout;

type Found = Result<Vec<SocketAddr>, Failure>;

fn addresses(list: &[&str]) -> Vec<SocketAddr> {
    list.iter()
        .map(|address| address.parse().unwrap())
        .collect()
}

/// Calls that hang until they are released.
#[derive(Clone, Default)]
struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    fn wait(&self) {
        let (is_released, released) = &*self.0;
        let mut is_released = is_released.lock().unwrap();
        while !*is_released {
            is_released = released.wait(is_released).unwrap();
        }
    }

    fn release(&self) {
        let (is_released, released) = &*self.0;
        *is_released.lock().unwrap() = true;
        released.notify_all();
    }
}

/// Fails if this takes far longer than expected.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    timeout(limit, future).await.expect("it takes too long")
}

#[tokio::test]
async fn one_call_looks_up_the_requested_families() {
    let calls = Arc::new(Mutex::new(vec![]));
    let system = {
        let calls = calls.clone();
        move |name: &str, ip| -> Found {
            calls.lock().unwrap().push((name.to_owned(), ip));
            Ok(addresses(&["127.0.0.1:0"]))
        }
    };
    let resolver = Resolver::builder().system(system).build();
    for ip in [IpVersion::V4, IpVersion::V6, IpVersion::Auto] {
        let mut look_up = resolver.look_up("web", ip, true);
        assert!(soon(look_up.next()).await.unwrap().is_ok());
        assert_eq!(soon(look_up.next()).await, None);
        assert_eq!(*calls.lock().unwrap(), [("web".to_owned(), ip)]);
        calls.lock().unwrap().clear();
    }
}

/// A name that is answered does not wait for names before it that hang.
#[tokio::test]
async fn names_that_hang_delay_no_other() {
    let latch = Latch::default();
    let held = latch.clone();
    let system = move |name: &str, _| -> Found {
        if name == "good" {
            return Ok(addresses(&["127.0.0.1:0"]));
        }
        held.wait();
        Err(Failure::NoAnswer)
    };
    let resolver = Resolver::builder().system(system).build();
    let look_up = |n| resolver.look_up(&format!("bad-{n}"), IpVersion::Auto, true);
    let hanging: Vec<_> = (0..80).map(look_up).collect();
    let mut good = resolver.look_up("good", IpVersion::Auto, true);
    // They are released only after that.
    assert!(soon(good.next()).await.unwrap().is_ok());
    latch.release();
    for mut look_up in hanging {
        let mut last = None;
        while let Some(found) = soon(look_up.next()).await {
            last = Some(found);
        }
        assert_eq!(last, Some(Err(Failure::NoAnswer)));
    }
}

/// A name that has hung is looked up at growing delays, others as before.
#[tokio::test]
async fn a_name_that_has_hung_backs_off_alone() {
    let calls = Arc::new(AtomicUsize::new(0));
    let system = {
        let calls = calls.clone();
        move |name: &str, _| -> Found {
            calls.fetch_add(1, SeqCst);
            match name {
                "bad" => Err(Failure::NoAnswer),
                _ => Err(Failure::NoSuchName),
            }
        }
    };
    let resolver = Resolver::builder().system(system).build();
    let ended = async |name| {
        let mut look_up = resolver.look_up(name, IpVersion::V4, true);
        let found = soon(look_up.next()).await.unwrap();
        assert_eq!(soon(look_up.next()).await, None);
        found.unwrap_err()
    };
    for _ in 0..5 {
        assert_eq!(ended("bad").await, Failure::NoAnswer);
    }
    assert_eq!(calls.load(SeqCst), 1);
    for _ in 0..5 {
        assert_eq!(ended("unknown").await, Failure::NoSuchName);
    }
    assert_eq!(calls.load(SeqCst), 6);
    let stats = resolver.stats();
    assert_eq!(stats.lookups(LookupType::System, Outcome::Timeout), 1);
    assert_eq!(stats.lookups(LookupType::System, Outcome::NxDomain), 5);
}

#[tokio::test]
async fn a_name_that_is_being_looked_up_is_not_looked_up_twice() {
    let (latch, calls) = (Latch::default(), Arc::new(AtomicUsize::new(0)));
    let system = {
        let (latch, calls) = (latch.clone(), calls.clone());
        move |_: &str, _| -> Found {
            calls.fetch_add(1, SeqCst);
            latch.wait();
            Ok(addresses(&["127.0.0.1:0"]))
        }
    };
    let resolver = Resolver::builder().system(system).build();
    let look_up = || resolver.look_up("web", IpVersion::V4, true);
    let all: Vec<_> = (0..10).map(|_| look_up()).collect();
    latch.release();
    for mut look_up in all {
        assert!(soon(look_up.next()).await.unwrap().is_ok());
    }
    assert_eq!(calls.load(SeqCst), 1);
}

/// A server answers for one family only; the system waits for both.
#[tokio::test]
async fn one_family_without_an_answer_blocks_nothing() {
    let latch = Latch::default();
    let held = latch.clone();
    let system = move |_: &str, ip| -> Found {
        match ip {
            IpVersion::V4 => Ok(addresses(&["192.0.2.1:0"])),
            IpVersion::V6 => {
                held.wait();
                Ok(addresses(&["[2001:db8::1]:0"]))
            }
            IpVersion::Auto => {
                held.wait();
                Err(Failure::NoAnswer)
            }
        }
    };
    let resolver = Resolver::builder().system(system).build();
    let mut look_up = resolver.look_up("web", IpVersion::Auto, true);
    let first = soon(look_up.next()).await.unwrap();
    assert_eq!(first, Ok(addresses(&["192.0.2.1:0"])));
    latch.release();
    let both = addresses(&["[2001:db8::1]:0", "192.0.2.1:0"]);
    let mut last = None;
    while let Some(found) = soon(look_up.next()).await {
        last = Some(found);
    }
    assert_eq!(last, Some(Ok(both)));
}

/// A server or a firewall refuses the question for one family, which the system reports as a
/// failure of both.
#[tokio::test]
async fn one_family_that_is_refused_blocks_nothing() {
    for (refused, found) in [
        (IpVersion::V6, "192.0.2.1:0"),
        (IpVersion::V4, "[2001:db8::1]:0"),
    ] {
        let system = move |_: &str, ip| -> Found {
            if ip == IpVersion::Auto || ip == refused {
                return Err(Failure::Server);
            }
            Ok(addresses(&[found]))
        };
        let resolver = Resolver::builder().system(system).build();
        let mut look_up = resolver.look_up("web", IpVersion::Auto, true);
        let mut last = None;
        while let Some(found) = soon(look_up.next()).await {
            last = Some(found);
        }
        assert_eq!(last, Some(Ok(addresses(&[found]))));
    }
    let resolver = Resolver::builder()
        .system(|_: &str, _| -> Found { Err(Failure::Server) })
        .build();
    let mut look_up = resolver.look_up("web", IpVersion::Auto, true);
    assert_eq!(soon(look_up.next()).await, Some(Err(Failure::Server)));
    assert_eq!(soon(look_up.next()).await, None);
}

/// An answer arrives after the waiting callers got a failure. The time is real, since a blocking
/// thread answers.
#[tokio::test]
async fn a_late_answer_is_an_answer() {
    let latch = Latch::default();
    let late = latch.clone();
    let system = move |_: &str, _| -> Found {
        late.wait();
        Ok(addresses(&["192.0.2.1:0"]))
    };
    let resolver = Resolver::builder().system(system).build();
    let mut look_up = resolver.look_up("web", IpVersion::V4, true);
    assert_eq!(soon(look_up.next()).await, Some(Err(Failure::NoAnswer)));
    latch.release();
    let found = soon(look_up.next()).await;
    assert_eq!(found, Some(Ok(addresses(&["192.0.2.1:0"]))));
    assert_eq!(soon(look_up.next()).await, None);
}

/// The timeout of a look-up starts with its call, and one that is dropped before is not made.
#[tokio::test]
async fn the_timeout_starts_with_the_call() {
    let (latch, calls) = (Latch::default(), Arc::new(Mutex::new(vec![])));
    let system = {
        let (latch, calls) = (latch.clone(), calls.clone());
        move |name: &str, _| -> Found {
            calls.lock().unwrap().push(name.to_owned());
            latch.wait();
            Ok(addresses(&["192.0.2.1:0"]))
        }
    };
    let limits = Limits {
        prompt: 1,
        slow: 1,
        all: 1,
    };
    let resolver = Resolver::builder().system(system).limits(limits).build();
    let mut first = resolver.look_up("first", IpVersion::V4, true);
    let dropped = resolver.look_up("dropped", IpVersion::V4, true);
    let mut last = resolver.look_up("last", IpVersion::V4, true);
    drop(dropped);
    assert_eq!(soon(first.next()).await, Some(Err(Failure::NoAnswer)));
    latch.release();
    assert!(soon(first.next()).await.unwrap().is_ok());
    assert!(soon(last.next()).await.unwrap().is_ok());
    assert_eq!(*calls.lock().unwrap(), ["first", "last"]);
}
