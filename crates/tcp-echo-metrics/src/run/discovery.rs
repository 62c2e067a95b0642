//! Settings of `dns+` and `srv+` names; none without the feature `discovery`.

use tcp_echo_metrics::cli::ClientConfig;
use tcp_echo_prober::Resolver;
use tcp_echo_targets::Config;

#[cfg(feature = "discovery")]
pub(super) fn configure(list: &mut Config, client: &ClientConfig, resolver: &Resolver) {
    list.dns_refresh = client.dns_refresh;
    list.dns_stale = client.dns_stale;
    list.resolver = resolver.clone();
    list.ip = super::client::ip(client);
    list.dns_max = client.dns_max;
}

#[cfg(not(feature = "discovery"))]
pub(super) fn configure(_list: &mut Config, _client: &ClientConfig, _resolver: &Resolver) {}
