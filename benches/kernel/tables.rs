//! The services and servers for measurements, as operations and as lines for `-R`.

use std::fmt::Write;
use std::net::Ipv4Addr;

use ipvs::{ForwardMethod, Operation, Server, ServerKey, Service, ServiceKey};

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 16, 0, 1)) + number)
}

/// The virtual service with this number in ipvsadm's notation.
pub(crate) fn virtual_address(number: u32) -> String {
    format!("{}:80", address(number))
}

pub(crate) fn service_key(number: u32) -> ServiceKey {
    ServiceKey::tcp(address(number), 80)
}

pub(crate) fn real_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + number)
}

pub(crate) fn services(count: u32) -> impl Iterator<Item = Service> {
    (0..count).map(|number| Service::new(service_key(number), Service::WLC))
}

fn server_operation(service: u32, server: u32) -> Operation {
    let key = ServerKey::new(real_address(server), 8080);
    Operation::AddServer(
        service_key(service),
        Server::new(key, ForwardMethod::Masquerade),
    )
}

pub(crate) fn server_operations(services: u32, servers: u32) -> Vec<Operation> {
    (0..services)
        .flat_map(|service| (0..servers).map(move |server| server_operation(service, server)))
        .collect()
}

/// Each service followed by its servers.
pub(crate) fn operations(count: u32, servers: u32) -> Vec<Operation> {
    (0..count)
        .zip(services(count))
        .flat_map(|(number, service)| {
            let servers = (0..servers).map(move |server| server_operation(number, server));
            std::iter::once(Operation::AddService(service)).chain(servers)
        })
        .collect()
}

/// The same for `ipvsadm -R`.
pub(crate) fn lines(count: u32, servers: u32) -> String {
    let mut lines = String::new();
    for service in 0..count {
        write_lines(&mut lines, service, servers);
    }
    lines
}

/// The large table: each service's number, and its number of servers.
pub(crate) fn large_shape() -> impl Iterator<Item = (u32, u32)> {
    let (services, servers) = crate::declared::LARGE;
    let (each, more) = (servers / services, servers % services);
    (0..services).map(move |service| (service, each + u32::from(service < more)))
}

/// Its operations, as `director apply` sends them.
pub(crate) fn large_operations() -> Vec<Operation> {
    let services = large_shape().flat_map(|(service, servers)| {
        let add = Operation::AddService(Service::new(service_key(service), Service::WLC));
        let servers = (0..servers).map(move |server| server_operation(service, server));
        std::iter::once(add).chain(servers)
    });
    services.collect()
}

/// The same for `ipvsadm -R`.
pub(crate) fn large_lines() -> String {
    let mut lines = String::new();
    for (service, servers) in large_shape() {
        write_lines(&mut lines, service, servers);
    }
    lines
}

fn write_lines(lines: &mut String, service: u32, servers: u32) {
    let virtual_address = virtual_address(service);
    writeln!(lines, "-A -t {virtual_address} -s wlc").unwrap();
    for server in 0..servers {
        let real = real_address(server);
        writeln!(lines, "-a -t {virtual_address} -r {real}:8080 -m -w 1").unwrap();
    }
}
