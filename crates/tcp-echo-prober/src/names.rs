//! From an address as written to the addresses that can be connected to, again and again.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tcp_echo_resolve::{Failure, LookUp, Resolver};
use tokio::time::{Sleep, sleep};

use crate::IpVersion;

/// A name, looked up again at an interval and whenever that is wanted; once at a time.
pub(crate) struct Name {
    resolver: Resolver,
    text: String,
    ip: IpVersion,
    every: Duration,
    state: State,
}

enum State {
    Waiting(Pin<Box<Sleep>>),
    /// A look-up, and what comes next of it.
    Asking(Pin<Box<dyn Future<Output = (Asked, Option<Found>)> + Send>>),
}

type Asked = LookUp<Vec<SocketAddr>>;
type Found = Result<Vec<SocketAddr>, Failure>;

impl Name {
    /// One that is looked up for the first time when that is wanted.
    pub(crate) fn new(resolver: Resolver, text: String, ip: IpVersion, every: Duration) -> Self {
        Self {
            resolver,
            text,
            ip,
            every,
            // Those that begin together are spread from the first time on.
            state: wait(every, 0.75),
        }
    }

    /// Looks it up now, if it is not being looked up. It is urgent without an earlier
    /// answer.
    pub(crate) fn look_up(&mut self, is_urgent: bool) {
        if let State::Waiting(_) = self.state {
            let asked = self.resolver.look_up(&self.text, self.ip, is_urgent);
            self.state = asking(asked);
        }
    }

    /// What comes next: an answer, which may be one in parts or a late one, or a failure;
    /// `None` where a look-up has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Found>> {
        loop {
            match &mut self.state {
                State::Waiting(wait) => {
                    ready!(wait.as_mut().poll(cx));
                    self.look_up(false);
                }
                State::Asking(next) => {
                    let (asked, found) = ready!(next.as_mut().poll(cx));
                    self.state = match &found {
                        Some(_) => asking(asked),
                        None => wait(self.every, 0.25),
                    };
                    return Poll::Ready(found);
                }
            }
        }
    }
}

fn asking(mut asked: Asked) -> State {
    State::Asking(Box::pin(async move {
        let found = asked.next().await;
        (asked, found)
    }))
}

/// Waits for `every`, shortened by chance by up to this fraction, so that not all names
/// are looked up at once.
fn wait(every: Duration, shortened: f64) -> State {
    let every = every.mul_f64(1.0 - shortened * fastrand::f64());
    State::Waiting(Box::pin(sleep(every)))
}

/// This host.
pub(crate) fn this_host() -> Vec<SocketAddr> {
    [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ]
    .map(|ip| SocketAddr::new(ip, 0))
    .to_vec()
}

/// The addresses of the families wanted, with `port`, one of each family in turn, the
/// family of the first one first (RFC 8305, section 4), each once; at least one.
pub(crate) fn in_turn(
    found: Vec<SocketAddr>,
    port: u16,
    ip: IpVersion,
) -> Result<Vec<SocketAddr>, Failure> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found
        .into_iter()
        .filter(|address| ip.includes(address.ip()))
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut addresses = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            break;
        }
        for mut address in pair.into_iter().flatten() {
            address.set_port(port);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    if addresses.is_empty() {
        let missing = match ip {
            IpVersion::Auto => "it has no address",
            IpVersion::V4 => "it has no IPv4 address",
            IpVersion::V6 => "it has no IPv6 address",
        };
        return Err(Failure::Other(missing.into()));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_and_nothing_comes_twice() {
        let found = list(&["[::1]:0", "[::2]:0", "[::1]:0", "1.1.1.1:0", "1.1.1.2:0"]);
        assert_eq!(
            in_turn(found.clone(), 1, IpVersion::Auto),
            Ok(list(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1"]))
        );
        assert_eq!(
            in_turn(found.clone(), 1, IpVersion::V4),
            Ok(list(&["1.1.1.1:1", "1.1.1.2:1"]))
        );
        assert_eq!(
            in_turn(found, 1, IpVersion::V6),
            Ok(list(&["[::1]:1", "[::2]:1"]))
        );
    }

    #[test]
    fn a_family_that_is_missing_is_named() {
        let error = in_turn(list(&["127.0.0.1:0"]), 1, IpVersion::V6).unwrap_err();
        assert_eq!(error.to_string(), "it has no IPv6 address");
        let this = in_turn(this_host(), 4000, IpVersion::Auto);
        assert_eq!(this, Ok(list(&["127.0.0.1:4000", "[::1]:4000"])));
    }

    #[tokio::test]
    async fn a_name_is_looked_up_again_and_spread_in_time() {
        let ask = |_: &str, _| Ok(vec!["127.0.0.1:0".parse().unwrap()]);
        let resolver = Resolver::builder().system(ask).build();
        let every = Duration::from_millis(40);
        let mut name = Name::new(resolver, "web".to_owned(), IpVersion::V4, every);
        name.look_up(true);
        for _ in 0..3 {
            let found = std::future::poll_fn(|cx| name.poll(cx)).await;
            assert_eq!(found, Some(Ok(list(&["127.0.0.1:0"]))));
            let started = std::time::Instant::now();
            assert_eq!(std::future::poll_fn(|cx| name.poll(cx)).await, None);
            let State::Waiting(wait) = &name.state else {
                panic!("it does not wait");
            };
            let due = wait.deadline().into_std() - started;
            assert!(due >= every.mul_f64(0.7), "{due:?}");
        }
    }
}
