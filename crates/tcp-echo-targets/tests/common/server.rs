//! A DNS server on loopback with configured answers.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::SRV},
};
use tcp_echo_resolve::Resolver;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

/// The configured answer to a question for a name and a record type.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These records; without any, the name exists but has none of this type.
    Records(Vec<RData>),
    /// An error.
    Code(ResponseCode),
    /// Nothing.
    Silence,
    /// These bytes.
    Bytes(Vec<u8>),
}

#[derive(Default)]
struct State {
    answers: BTreeMap<(String, RecordType), Answer>,
    questions: BTreeSet<(String, RecordType)>,
}

/// Stops when dropped. Names without a configured answer do not exist.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    files: TempDir,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // The port may be taken there.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        Self::on(udp, tcp)
    }

    /// Starts another server at the same port of another address.
    pub(crate) async fn start_beside(&self, ip: &str) -> Self {
        let address = SocketAddr::new(ip.parse().unwrap(), self.address.port());
        let udp = UdpSocket::bind(address).await.unwrap();
        let tcp = TcpListener::bind(address).await.unwrap();
        Self::on(udp, tcp)
    }

    fn on(udp: UdpSocket, tcp: TcpListener) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let address = udp.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, state.clone()));
        tasks.spawn(serve_tcp(tcp, state.clone()));
        Self {
            address,
            state,
            files: tempfile::tempdir().unwrap(),
            _tasks: tasks,
        }
    }

    /// A resolver that asks only this server, once and for a second, unless `options` differ.
    pub(crate) fn resolver(&self, options: &str) -> Resolver {
        let text = format!("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n{options}\n");
        fs::write(self.file("resolv.conf"), text).unwrap();
        self.configured()
    }

    /// A resolver that is configured by the [files](Self::file) `resolv.conf` and `hosts`, and
    /// asks at the port of this server.
    pub(crate) fn configured(&self) -> Resolver {
        Resolver::builder()
            .resolv_conf(self.file("resolv.conf"), self.address.port())
            .hosts(self.file("hosts"))
            .build()
    }

    /// The path of a file of this name, which may be missing.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Sets the answer for a name and a record type.
    pub(crate) fn set_answer(&self, name: &str, kind: RecordType, answer: Answer) {
        let mut state = self.state.lock().unwrap();
        state.answers.insert((format!("{name}."), kind), answer);
    }

    /// Gives the name these addresses only.
    pub(crate) fn addresses(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap());
        let (v4, v6) = addresses.partition(|ip: &std::net::IpAddr| ip.is_ipv4());
        for (kind, ips) in [(RecordType::A, v4), (RecordType::AAAA, v6)] {
            let ips: Vec<_> = ips;
            self.set_answer(
                name,
                kind,
                Answer::Records(ips.into_iter().map(RData::from).collect()),
            );
        }
    }

    /// Gives the name these SRV records: hosts and ports.
    pub(crate) fn services(&self, name: &str, services: &[(&str, u16)]) {
        let record = |(n, (host, port)): (usize, &(&str, u16))| {
            let host = Name::from_ascii(host).unwrap();
            RData::SRV(SRV::new(u16::try_from(n).unwrap(), 7, *port, host))
        };
        let records = services.iter().enumerate().map(record).collect();
        self.set_answer(name, RecordType::SRV, Answer::Records(records));
    }

    /// Takes the questions that have arrived since the last call.
    pub(crate) fn take_questions(&self) -> BTreeSet<(String, RecordType)> {
        std::mem::take(&mut self.state.lock().unwrap().questions)
    }
}

fn answer(request: &[u8], state: &Mutex<State>) -> Option<Message> {
    let request = Message::from_vec(request).ok()?;
    let query = request.queries.first()?.clone();
    let key = (query.name().to_ascii().to_lowercase(), query.query_type());
    let mut state = state.lock().unwrap();
    state.questions.insert(key.clone());
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_available = true;
    response.add_query(query.clone());
    match state.answers.get(&key) {
        Some(Answer::Records(records)) => {
            for data in records {
                let name = query.name().clone();
                response.add_answer(Record::from_rdata(name, 3600, data.clone()));
            }
        }
        Some(Answer::Code(code)) => response.metadata.response_code = *code,
        Some(Answer::Silence | Answer::Bytes(_)) => return None,
        None => response.metadata.response_code = ResponseCode::NXDomain,
    }
    Some(response)
}

async fn serve_udp(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut buffer = [0; 4096];
    loop {
        let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
        let request = &buffer[..len];
        if let Some(response) = answer(request, &state) {
            let bytes = response.to_vec().unwrap();
            // The maximum of a datagram without EDNS (RFC 1035).
            let bytes = if bytes.len() > 512 {
                response.truncate().to_vec().unwrap()
            } else {
                bytes
            };
            socket.send_to(&bytes, from).await.unwrap();
        } else if let Some(mut bytes) = garbage(request, &state) {
            // With the ID of the request, without which it is ignored.
            bytes.splice(..2.min(bytes.len()), request[..2].iter().copied());
            socket.send_to(&bytes, from).await.unwrap();
        }
    }
}

fn garbage(request: &[u8], state: &Mutex<State>) -> Option<Vec<u8>> {
    let request = Message::from_vec(request).ok()?;
    let query = request.queries.first()?;
    let key = (query.name().to_ascii().to_lowercase(), query.query_type());
    match state.lock().unwrap().answers.get(&key) {
        Some(Answer::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

async fn serve_tcp(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let state = state.clone();
        // The client may close the connection at any time.
        connections.spawn(async move { drop(serve_stream(stream, state).await) });
    }
}

async fn serve_stream(mut stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    loop {
        let len = stream.read_u16().await?;
        let mut request = vec![0; len.into()];
        stream.read_exact(&mut request).await?;
        if let Some(response) = answer(&request, &state) {
            let bytes = response.to_vec().unwrap();
            stream
                .write_u16(u16::try_from(bytes.len()).unwrap())
                .await?;
            stream.write_all(&bytes).await?;
        }
    }
}
