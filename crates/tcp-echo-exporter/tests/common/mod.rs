//! A client, and a target whose session runs in virtual time.
#![allow(
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    reason = "no test uses all of it"
)]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tcp_echo_exporter::{BuildInfo, Endpoints, Exporter, TargetMetrics, TargetSensor};
use tcp_echo_prober::{DisconnectReason, Event, Observer, Sensor, Session, SessionConfig, Target};
use tcp_echo_session::{Output, Stamp, Time};
use tcp_echo_wire::{Control, Features, PeerStamp, Probe, Segments, UnixNanos};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

pub(crate) const INTERVAL: Duration = Duration::from_millis(200);
pub(crate) const TIMEOUT: Duration = Duration::from_millis(800);

pub(crate) const BUILD: BuildInfo = BuildInfo {
    version: "1.2.3",
    revision: "0123456",
    rustversion: "1.88.0",
};

pub(crate) fn target(address: &str) -> Target {
    let config = SessionConfig::new(INTERVAL, TIMEOUT).unwrap();
    Target::new(address.parse().unwrap(), config)
}

/// A session in virtual time that reports its events to a sensor.
pub(crate) struct Driven {
    pub(crate) session: Session,
    pub(crate) sensor: TargetSensor,
    /// Another sensor for the same events.
    pub(crate) mirror: Option<TargetSensor>,
    now: Time,
    in_flight: Vec<Probe>,
    /// What the peer tells of its kernel, if it answers the hello.
    pub(crate) peer_segments: Segments,
    is_greeted: bool,
}

impl Driven {
    pub(crate) fn attach(metrics: &TargetMetrics, target: &Target) -> Self {
        Self::attach_flow(metrics, target, 0)
    }

    /// As [`attach`](Self::attach), one flow of several.
    pub(crate) fn attach_flow(metrics: &TargetMetrics, target: &Target, flow: u16) -> Self {
        let now = Time {
            at: Instant::now(),
            wall: UnixNanos(1_700_000_000_000_000_000),
        };
        Self {
            session: Session::new(target.session(), now.at),
            sensor: metrics.attach_flow(target, flow),
            mirror: None,
            now,
            in_flight: Vec::new(),
            peer_segments: Segments::default(),
            is_greeted: false,
        }
    }

    /// As [`attach`](Self::attach), with a peer that answers the hello.
    pub(crate) fn attach_greeted(metrics: &TargetMetrics, target: &Target) -> Self {
        let mut driven = Self::attach(metrics, target);
        let features = Features::STAMPS.union(Features::SEGMENTS);
        driven.session = driven.session.with_hello(features);
        driven
    }

    pub(crate) fn observe(&mut self, event: &Event) {
        self.sensor.on_event(event, &self.session);
        if let Some(mirror) = &mut self.mirror {
            mirror.on_event(event, &self.session);
        }
    }

    pub(crate) fn connect(&mut self, peer: &str) {
        let handshake = Duration::from_micros(150);
        let peer = peer.parse().unwrap();
        let event = self.session.handle_connected(self.now.at, peer, handshake);
        self.observe(&event);
    }

    /// Advances time until a slot was sent.
    pub(crate) fn send(&mut self) {
        while let Some(until) = self.step() {
            self.wait(until - self.now.at);
        }
    }

    /// Handles everything that is due by now; sends the slots that are due.
    pub(crate) fn poll(&mut self) {
        while self.step().is_none() {}
    }

    /// Reports events, then sends one probe or returns until when to wait.
    fn step(&mut self) -> Option<Instant> {
        loop {
            match self.session.poll(self.now) {
                Output::Event(event) => self.observe(&event),
                Output::Transmit(transmit) => {
                    self.in_flight.push(Probe::decode(&transmit.frame));
                    let at = self.now.at + Duration::from_micros(30);
                    let event = self.session.handle_transmitted(at).unwrap();
                    self.observe(&event);
                    return None;
                }
                Output::Request(request) => self.answer(&request),
                Output::Close(reason) => panic!("{reason}"),
                Output::Wait(until) => return Some(until),
            }
        }
    }

    /// Answers a control frame, as the peer.
    fn answer(&mut self, request: &[u8; 16]) {
        let answer = match Control::decode(request) {
            Some(Control::HelloRequest(features)) => {
                self.is_greeted = true;
                Control::HelloAnswer(features)
            }
            Some(Control::SegmentsRequest) => Control::SegmentsAnswer(self.peer_segments),
            other => panic!("{other:?} is no request"),
        };
        let stamp = Stamp {
            read: self.now,
            kernel: None,
        };
        let answer = Probe::decode(&answer.encode());
        let event = self.session.handle_reply(stamp, answer).unwrap();
        self.observe(&event);
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now.at += time;
        self.now.wall.0 += i64::try_from(time.as_nanos()).unwrap();
    }

    /// Whether a probe has no reply yet.
    pub(crate) fn has_unanswered(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Ends the connection.
    pub(crate) fn disconnect(&mut self, reason: DisconnectReason) {
        let event = self.session.handle_disconnected(reason);
        self.observe(&event);
        self.in_flight.clear();
    }

    /// Replies to the oldest probe in flight after `rtt`.
    pub(crate) fn reply(&mut self, rtt: Duration) {
        let mut probe = self.in_flight.remove(0);
        if self.is_greeted {
            let half = i64::try_from(rtt.as_nanos() / 2).unwrap();
            let stamp = PeerStamp {
                received: (self.now.wall.0 + half).unsigned_abs() % PeerStamp::MODULUS,
                residence: Some(Duration::from_micros(10)),
                is_merged: false,
            };
            probe.sent = UnixNanos(i64::from_le_bytes(stamp.encode()));
        }
        self.wait(rtt);
        let kernel = self.now.wall;
        self.wait(Duration::from_micros(5));
        let stamp = Stamp {
            read: self.now,
            kernel: Some(kernel),
        };
        let event = self.session.handle_reply(stamp, probe).unwrap();
        self.observe(&event);
        self.session.handle_read_end();
    }
}

/// Serves `endpoints` until the tasks are dropped.
pub(crate) async fn serve(endpoints: Endpoints) -> (SocketAddr, JoinSet<()>) {
    let address = "127.0.0.1:0".parse().unwrap();
    let exporter = Exporter::bind(&address, endpoints.router()).await.unwrap();
    let address = exporter.local_addr();
    let mut tasks = JoinSet::new();
    tasks.spawn(exporter.serve(std::future::pending()));
    (address, tasks)
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends a request; `headers` are whole lines.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
) -> Response {
    let client = TcpStream::connect(address).await.unwrap();
    request_on(client, method, path, headers).await
}

/// Sends a request on an existing connection.
pub(crate) async fn request_on(
    mut client: TcpStream,
    method: &str,
    path: &str,
    headers: &[&str],
) -> Response {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for header in headers {
        request += header;
        request += "\r\n";
    }
    request += "\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.unwrap() + 4);
    let head = String::from_utf8(answer).unwrap();
    Response {
        status: head[9..12].parse().unwrap(),
        head,
        body,
    }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Response {
    request(address, "GET", path, &[]).await
}

/// Serves endpoints without a target.
pub(crate) async fn bare() -> (SocketAddr, JoinSet<()>) {
    serve(Endpoints::new(BUILD).with_targets(TargetMetrics::new())).await
}

/// Asserts that `HEAD` returns the head of `GET`, and no body.
pub(crate) async fn assert_head_returns_only_the_head(paths: &[&str]) {
    let (address, _tasks) = bare().await;
    for path in paths {
        let head = request(address, "HEAD", path, &[]).await;
        let whole = get(address, path).await;
        assert_eq!(head.status, 200, "{path}");
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(head.header("content-type"), whole.header("content-type"));
        let len: usize = head.header("content-length").unwrap().parse().unwrap();
        assert!(len > 0, "{path}");
    }
}
