//! `Client::table`: services and servers together.

use std::collections::BTreeSet;

use ipvs::{Client, Error, Operation, Service, ServiceKey, Table};

use crate::meddler::Meddler;
use crate::{configured, kernel_with, server, web};

fn other(number: u8) -> ServiceKey {
    ServiceKey::udp([198, 51, 100, number], 53)
}

fn keys(table: &Table) -> BTreeSet<ServiceKey> {
    table
        .services
        .iter()
        .map(|service| service.entry.service.key)
        .collect()
}

#[test]
fn an_empty_kernel_has_an_empty_table() {
    let kernel = ipvs::fake::FakeKernel::new();
    let mut client = Client::over(kernel).unwrap();
    assert_eq!(client.table().unwrap(), Table::default());
}

#[test]
fn services_are_ordered_and_found_by_key() {
    let kernel = kernel_with(120);
    for number in [3, 1, 2] {
        let service = Service::new(other(number), Service::RR);
        kernel.meddle(&Operation::AddService(service)).unwrap();
    }
    let mut client = Client::over(kernel.clone()).unwrap();
    let table = client.table().unwrap();
    let order: Vec<_> = table
        .services
        .iter()
        .map(|service| service.entry.service.key)
        .collect();
    assert_eq!(order, [web(), other(1), other(2), other(3)]);
    assert_eq!(
        table.service(&web()).unwrap().servers,
        kernel.servers(&web())
    );
    assert_eq!(table.service(&other(2)).unwrap().servers, []);
    assert_eq!(table.service(&other(9)), None);
}

#[test]
fn a_service_deleted_while_the_servers_are_read_is_not_in_it() {
    let kernel = kernel_with(150);
    kernel
        .meddle(&Operation::AddService(Service::new(other(1), Service::RR)))
        .unwrap();
    let meddler = Meddler::new(&kernel, web(), |moment, hands| {
        // Reading 0 lists the services, reading 1 the first one's servers.
        if moment.reading == 1 && moment.pieces == 1 {
            hands.carry_out(&Operation::DeleteService(web()));
        }
    });
    let table = Client::over(meddler).unwrap().table().unwrap();
    assert_eq!(keys(&table), BTreeSet::from([other(1)]));
}

#[test]
fn a_service_added_while_the_servers_are_read_is_in_it() {
    let kernel = kernel_with(150);
    let meddler = Meddler::new(&kernel, web(), |moment, hands| {
        if moment.reading == 1 && moment.pieces == 1 {
            let service = Service::new(other(1), Service::RR);
            hands.carry_out(&Operation::AddService(service));
            hands.carry_out(&Operation::AddServer(other(1), server(7)));
        }
    });
    let table = Client::over(meddler).unwrap().table().unwrap();
    assert_eq!(keys(&table), BTreeSet::from([web(), other(1)]));
    let added = &table.service(&other(1)).unwrap().servers;
    assert_eq!(configured(added), [server(7)]);
}

#[test]
fn a_live_server_is_not_missed() {
    let kernel = kernel_with(250);
    let meddler = Meddler::new(&kernel, web(), |moment, hands| {
        if moment.reading == 1 && moment.pieces == 1 {
            hands.carry_out(&Operation::DeleteServer(web(), server(250).key));
        }
    });
    let table = Client::over(meddler.clone()).unwrap().table().unwrap();
    let servers = configured(&table.services[0].servers);
    assert_eq!(servers, meddler.history().pop().unwrap());
    assert_eq!(servers.len(), 249);
}

#[test]
fn services_that_come_and_go_without_pause_are_said_to_be_unsettled() {
    let kernel = kernel_with(3);
    let mut there = false;
    let meddler = Meddler::new(&kernel, web(), move |moment, hands| {
        if moment.pieces == 1 {
            hands.carry_out(&if there {
                Operation::DeleteService(other(1))
            } else {
                Operation::AddService(Service::new(other(1), Service::RR))
            });
            there = !there;
        }
    });
    let mut client = Client::over(meddler.clone()).unwrap();
    match client.table() {
        Err(Error::Unsettled { .. }) => assert!(meddler.readings() < 1000),
        // Each reading of the services may hit the same half of the back and forth.
        Ok(table) => assert!(keys(&table).contains(&web())),
        Err(error) => panic!("{error}"),
    }
}
