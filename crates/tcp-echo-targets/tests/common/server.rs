//! A server of the domain name system on loopback that answers as it is told.
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

/// What the server says of a name and a kind of record.
#[derive(Clone)]
pub(crate) enum Says {
    /// These records; none of the kind, where there are none.
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
    says: BTreeMap<(String, RecordType), Says>,
    asked: BTreeSet<(String, RecordType)>,
}

/// It ends when it is dropped. Names of which it was told nothing do not exist.
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

    /// Another one at the same port of another address.
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

    /// What asks this server alone, once and for a second, unless `options` say otherwise.
    pub(crate) fn resolver(&self, options: &str) -> Resolver {
        let text = format!("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n{options}\n");
        fs::write(self.file("resolv.conf"), text).unwrap();
        self.configured()
    }

    /// What is configured by the [files](Self::file) `resolv.conf` and `hosts`, and asks at
    /// this server's port.
    pub(crate) fn configured(&self) -> Resolver {
        Resolver::builder()
            .resolv_conf(self.file("resolv.conf"), self.address.port())
            .hosts(self.file("hosts"))
            .build()
    }

    /// A file of this name, which need not be there.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub(crate) fn says(&self, name: &str, kind: RecordType, says: Says) {
        let mut state = self.state.lock().unwrap();
        state.says.insert((format!("{name}."), kind), says);
    }

    /// The name has these addresses and no others.
    pub(crate) fn addresses(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap());
        let (v4, v6) = addresses.partition(|ip: &std::net::IpAddr| ip.is_ipv4());
        for (kind, ips) in [(RecordType::A, v4), (RecordType::AAAA, v6)] {
            let ips: Vec<_> = ips;
            self.says(
                name,
                kind,
                Says::Records(ips.into_iter().map(RData::from).collect()),
            );
        }
    }

    /// The name has these SRV records: hosts and ports.
    pub(crate) fn services(&self, name: &str, services: &[(&str, u16)]) {
        let record = |(n, (host, port)): (usize, &(&str, u16))| {
            let host = Name::from_ascii(host).unwrap();
            RData::SRV(SRV::new(u16::try_from(n).unwrap(), 7, *port, host))
        };
        let records = services.iter().enumerate().map(record).collect();
        self.says(name, RecordType::SRV, Says::Records(records));
    }

    /// What was asked since this was called last.
    pub(crate) fn asked(&self) -> BTreeSet<(String, RecordType)> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

fn answer(request: &[u8], state: &Mutex<State>) -> Option<Message> {
    let request = Message::from_vec(request).ok()?;
    let query = request.queries.first()?.clone();
    let key = (query.name().to_ascii().to_lowercase(), query.query_type());
    let mut state = state.lock().unwrap();
    state.asked.insert(key.clone());
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_available = true;
    response.add_query(query.clone());
    match state.says.get(&key) {
        Some(Says::Records(records)) => {
            for data in records {
                let name = query.name().clone();
                response.add_answer(Record::from_rdata(name, 3600, data.clone()));
            }
        }
        Some(Says::Code(code)) => response.metadata.response_code = *code,
        Some(Says::Silence | Says::Bytes(_)) => return None,
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
            // Without an extension, that is all that a datagram may carry (RFC 1035).
            let bytes = if bytes.len() > 512 {
                response.truncate().to_vec().unwrap()
            } else {
                bytes
            };
            socket.send_to(&bytes, from).await.unwrap();
        } else if let Some(mut bytes) = garbage(request, &state) {
            // Under the right number, so that it is read at all.
            bytes.splice(..2.min(bytes.len()), request[..2].iter().copied());
            socket.send_to(&bytes, from).await.unwrap();
        }
    }
}

fn garbage(request: &[u8], state: &Mutex<State>) -> Option<Vec<u8>> {
    let request = Message::from_vec(request).ok()?;
    let query = request.queries.first()?;
    let key = (query.name().to_ascii().to_lowercase(), query.query_type());
    match state.lock().unwrap().says.get(&key) {
        Some(Says::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

async fn serve_tcp(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let state = state.clone();
        // The client ends it as it likes.
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
