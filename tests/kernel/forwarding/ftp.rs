//! FTP through NAT: a client and a server that open a second connection for each file, and the
//! helper `ip_vs_ftp`, which reads the second connection's address from the first.
//!
//! ```text
//!              client                director                   real server
//!   control    ───────── 21 ───────► VIP:21 ──────────────────► 10.2.0.11:21
//!   passive    ◄─ 227 (VIP,p) ────── rewritten ◄─────────────── 227 (10.2.0.11,p)
//!     data     ───────── p ────────► VIP:p  ──────────────────► 10.2.0.11:p
//!   active     ── PORT (client,q) ─► read ────────────────────► PORT (client,q)
//!     data     q ◄────────────────── VIP:20 ◄────────────────── 10.2.0.11:20
//! ```
//!
//! Commands and answers follow RFC 959, and RFC 2428 for IPv6.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

use super::{all, balance, connections, nat, service};
use crate::lab::{
    Family::{self, V4, V6},
    Host, Lan,
    Protocol::Tcp,
};

/// The timeout of each step on either side.
const PATIENCE: Duration = Duration::from_secs(10);

/// The port of control connections that the helper reads, and that of active data connections.
const CONTROL: u16 = 21;
const DATA: u16 = 20;

/// The contents of every file.
const FILE: &str = "the file of real1";

fn patient(socket: &impl std::os::fd::AsFd) {
    let socket = SockRef::from(socket);
    // accept(2) respects it too.
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    socket.set_write_timeout(Some(PATIENCE)).expect("a limit");
}

fn listen(at: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(at).expect("a free port");
    patient(&listener);
    listener
}

fn connect(from: SocketAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("an option");
    socket.bind(&from.into()).expect("a free port");
    patient(&socket);
    socket
        .connect_timeout(&to.into(), PATIENCE)
        .expect("the other side listens");
    socket.into()
}

/// One line without its line ending; empty once the other side is gone.
fn line(control: &mut impl BufRead) -> String {
    let mut line = String::new();
    control.read_line(&mut line).expect("a line in time");
    line.trim_end().to_owned()
}

/// The server: one session on its own host.
fn serve(listener: &TcpListener) {
    let (mut control, _) = listener.accept().expect("a client in time");
    patient(&control);
    let own = control.local_addr().expect("an address").ip();
    let mut commands = BufReader::new(control.try_clone().expect("a second handle"));
    let mut passive = None;
    let mut active = None;
    write!(control, "220 ready\r\n").expect("sent");
    // A test session has a handful of commands.
    for _ in 0..20 {
        let command = line(&mut commands);
        let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
        let answer = match verb {
            "PASV" | "EPSV" => {
                let data = listen((own, 0).into());
                let at = data.local_addr().expect("an address");
                passive = Some(data);
                passive_answer(at)
            }
            "PORT" => {
                active = Some(from_commas(rest));
                "200 PORT\r\n".to_owned()
            }
            "EPRT" => {
                active = Some(from_bars(rest));
                "200 EPRT\r\n".to_owned()
            }
            "RETR" => {
                let mut data = match (active.take(), passive.take()) {
                    (Some(client), _) => connect((own, DATA).into(), client),
                    (None, Some(listener)) => listener.accept().expect("a client in time").0,
                    (None, None) => return,
                };
                data.write_all(FILE.as_bytes()).expect("sent");
                "226 sent\r\n".to_owned()
            }
            _ => return,
        };
        control.write_all(answer.as_bytes()).expect("sent");
    }
}

fn passive_answer(at: SocketAddr) -> String {
    match at.ip() {
        IpAddr::V4(ip) => {
            let ([a, b, c, d], [high, low]) = (ip.octets(), at.port().to_be_bytes());
            format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low}).\r\n")
        }
        IpAddr::V6(_) => format!("229 Entering Extended Passive Mode (|||{}|)\r\n", at.port()),
    }
}

/// `10,1,1,1,200,15` in the form of PORT and of the answer to PASV.
fn from_commas(text: &str) -> SocketAddr {
    let bytes: Vec<u8> = text
        .split(',')
        .map(|byte| byte.parse().expect("a number"))
        .collect();
    let [a, b, c, d, high, low] = bytes.try_into().expect("six numbers");
    (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into()
}

/// `|2|fd00:1::1:1|51215|` in the form of EPRT.
fn from_bars(text: &str) -> SocketAddr {
    let parts: Vec<&str> = text.split('|').collect();
    let address: IpAddr = parts[2].parse().expect("an address");
    (address, parts[3].parse::<u16>().expect("a port")).into()
}

/// The text between the brackets of an answer.
fn bracketed(answer: &str) -> &str {
    let (_, rest) = answer.split_once('(').expect("an opening bracket");
    let (inside, _) = rest.split_once(')').expect("a closing bracket");
    inside
}

/// The client's side of a session.
struct Session {
    control: TcpStream,
    answers: BufReader<TcpStream>,
    own: IpAddr,
    server: SocketAddr,
}

impl Session {
    fn open(client: &Host, family: Family, server: SocketAddr) -> Self {
        let own = client.address(family);
        let control = connect((own, 0).into(), server);
        let mut session = Self {
            answers: BufReader::new(control.try_clone().expect("a second handle")),
            control,
            own,
            server,
        };
        assert_eq!(line(&mut session.answers), "220 ready");
        session
    }

    fn command(&mut self, command: &str) -> String {
        self.send(command);
        line(&mut self.answers)
    }

    fn send(&mut self, command: &str) {
        // One write: the helper reads single packets and does not reassemble a stream.
        self.control
            .write_all(format!("{command}\r\n").as_bytes())
            .expect("sent");
    }

    /// The server's reported listen address.
    fn passive(&mut self) -> SocketAddr {
        if self.own.is_ipv4() {
            let answer = self.command("PASV");
            from_commas(bracketed(&answer))
        } else {
            let answer = self.command("EPSV");
            let port = bracketed(&answer).trim_matches('|').parse();
            (self.server.ip(), port.expect("a port")).into()
        }
    }

    /// Fetches a file over a connection that the client opens.
    fn fetch_passive(&mut self, from: SocketAddr) -> String {
        self.send("RETR file");
        let mut data = connect((self.own, 0).into(), from);
        self.finish(&mut data)
    }

    /// Fetches a file over a connection that the server opens; returns the connection's source too.
    fn fetch_active(&mut self) -> (String, SocketAddr) {
        let listener = listen((self.own, 0).into());
        let at = listener.local_addr().expect("an address");
        let answer = match at.ip() {
            IpAddr::V4(ip) => {
                let ([a, b, c, d], [high, low]) = (ip.octets(), at.port().to_be_bytes());
                self.command(&format!("PORT {a},{b},{c},{d},{high},{low}"))
            }
            IpAddr::V6(ip) => self.command(&format!("EPRT |2|{ip}|{}|", at.port())),
        };
        assert!(answer.starts_with("200"), "{answer}");
        self.send("RETR file");
        let (mut data, from) = listener.accept().expect("the server in time");
        (self.finish(&mut data), from)
    }

    fn finish(&mut self, data: &mut TcpStream) -> String {
        patient(data);
        let mut file = String::new();
        data.read_to_string(&mut file).expect("the file in time");
        assert_eq!(line(&mut self.answers), "226 sent");
        file
    }
}

/// One real server with a session on `port`, and the client's actions. The helper's module is
/// loaded (the lab does that for all tests).
fn session(net: &Lan, family: Family, port: u16, client: impl FnOnce(Session) + Send) {
    let ftp = service(Tcp, net.service(family, port), "rr");
    balance(&net.director, &ftp, all(net, family, port, nat));
    let at = (net.real(1).address(family), port).into();
    let listener = net.real(1).enter(|| listen(at));
    thread::scope(|scope| {
        scope.spawn(|| net.real(1).enter(|| serve(&listener)));
        let (host, at) = (net.client(1), net.service(family, port));
        host.enter(|| client(Session::open(host, family, at)));
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn passive_data_connections_go_to_the_virtual_address() {
    for family in Family::BOTH {
        let net = Lan::nat().real_servers(1).build();
        session(&net, family, CONTROL, |mut ftp| {
            let data = ftp.passive();
            assert_eq!(data.ip(), net.virtual_address(family), "not the server's");
            assert_eq!(ftp.fetch_passive(data), FILE);
            let entry = connections(&net.director)
                .into_iter()
                .find(|entry| entry.virtual_service == data)
                .expect("the data connection has its own entry");
            assert_eq!(entry.server.ip(), net.real(1).address(family));
            // Once more: the address's different length has shifted the sequence numbers.
            let data = ftp.passive();
            assert_eq!(ftp.fetch_passive(data), FILE);
        });
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn active_data_connections_come_from_the_virtual_address() {
    for family in Family::BOTH {
        let net = Lan::nat().real_servers(1).build();
        session(&net, family, CONTROL, |mut ftp| {
            let (file, from) = ftp.fetch_active();
            assert_eq!(file, FILE);
            assert_eq!(from, net.service(family, DATA));
        });
    }
}

/// The helper brings its own connection tracking: a NAT server on port 21 enables it for the
/// namespace (`ip_vs_register_conntrack`), and a connection of the helper uses it whatever
/// `net.ipv4.vs.conntrack` says.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_sysctl_conntrack_may_stay_off() {
    let net = Lan::nat().real_servers(1).build();
    net.director.sysctl("net.ipv4.vs.conntrack", "0");
    session(&net, V4, CONTROL, |mut ftp| {
        let data = ftp.passive();
        assert_eq!(ftp.fetch_passive(data), FILE);
    });
}

/// The contrast: on a port that the helper does not read, a client gets an address that it cannot
/// reach.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn on_another_port_the_answer_stays_as_it_is() {
    let net = Lan::nat().real_servers(1).build();
    session(&net, V4, 2121, |mut ftp| {
        assert_eq!(ftp.passive().ip(), net.real(1).address(V4));
    });
}

/// In IPv6 the answer has no address: without the helper the entry is missing, and the director
/// itself refuses.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn on_another_port_the_data_connection_belongs_to_no_service() {
    let net = Lan::nat().real_servers(1).build();
    session(&net, V6, 2121, |mut ftp| {
        let data = ftp.passive();
        let known = connections(&net.director);
        assert!(
            known.iter().all(|entry| entry.virtual_service != data),
            "{known:?}"
        );
        TcpStream::connect_timeout(&data, PATIENCE).expect_err("nobody listens there");
    });
}
