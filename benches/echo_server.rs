//! The echo server alone, on a thread without a runtime, as the program runs it.

use std::time::Duration;

use clap::Parser;
use tcp_echo_server::{Address, Server, ServerConfig};

/// The echo server alone, without connection limits, to measure it.
#[derive(Parser)]
struct Args {
    /// Where to listen; the address is printed.
    #[arg(default_value = "127.0.0.1:0")]
    listen: Address,
    /// Seconds of silence after which a connection is closed; 0 is never.
    #[arg(long, default_value_t = 300)]
    idle_timeout: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut config = ServerConfig::default();
    config.max_connections = None;
    config.max_connections_per_ip = None;
    config.idle_timeout = Some(Duration::from_secs(args.idle_timeout));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let server = runtime.block_on(Server::bind(&args.listen, config))?;
    drop(runtime);
    println!("listening on {}", server.local_addr());
    Ok(server.run_blocking()?)
}
