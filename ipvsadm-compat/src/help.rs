//! Help and version.

use std::io::{self, Write};

/// The version that this program replaces. Programs use only its exit code.
const VERSION: &str = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)";

/// 1.31's line, then a line that identifies the actual build.
pub(crate) fn version(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{VERSION}\ndirector {}", env!("DIRECTOR_VERSION"))
}

/// Writes the help; `program` is the program's name as typed.
pub(crate) fn help(program: &[u8], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{VERSION}")?;
    out.write_all(b"\nUsage: ")?;
    out.write_all(program)?;
    out.write_all(HELP.as_bytes())
}

const HELP: &str = " COMMAND [OPTION]...

The command comes first. Without one, the table is listed.

Virtual services:
  -A, --add-service SERVICE [-s SCHEDULER] [-b FLAGS] [-p [SECONDS]] [-M MASK] [--pe ENGINE] [-o]
  -E, --edit-service SERVICE ...      what is not given becomes the default again
  -D, --delete-service SERVICE        with all its servers
  -C, --clear                         delete all services
  -Z, --zero [SERVICE]                zero the counters of one service or of all

Real servers:
  -a, --add-server SERVICE -r SERVER [-g|-m|-i] [-w WEIGHT] [-x UPPER] [-y LOWER] [TUNNEL]
  -e, --edit-server SERVICE -r SERVER ...
  -d, --delete-server SERVICE -r SERVER

The table as a whole:
  -L, -l, --list [SERVICE]            list it; see below
  -S, --save [-n]                     write it as commands
  -R, --restore                       carry out the commands on stdin, one on each line
  --set TCP TCPFIN UDP                connection time limits in seconds; 0 leaves one as it is

Synchronisation of connections:
  --start-daemon master|backup [--mcast-interface NAME] [--syncid ID] [--sync-maxlen BYTES]
                               [--mcast-group ADDRESS] [--mcast-port PORT] [--mcast-ttl TTL]
  --stop-daemon master|backup

  -h, --help                          this text
  -v, --version                       the version

SERVICE is one of
  -t, --tcp-service ADDRESS:PORT      10.0.0.1:80, [2001:db8::1]:80, host:http
  -u, --udp-service ADDRESS:PORT
  --sctp-service ADDRESS:PORT
  -f, --fwmark-service MARK [-6]      packets with a firewall mark; -6, --ipv6: of IPv6

Options of a service:
  -s, --scheduler NAME                rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh (wlc)
  -b, --sched-flags LIST              sh-fallback,sh-port  mh-fallback,mh-port  flag-1,...
  -p, --persistent [SECONDS]          keep a client with its server (360)
  -M, --netmask MASK                  which clients count as one: 255.255.255.0, or 64 for IPv6
  --pe NAME                           persistence engine: sip
  -o, --ops                           schedule each UDP packet alone

Options of a server:
  -r, --real-server ADDRESS[:PORT]
  -g, --gatewaying                    direct routing (this is the default)
  -m, --masquerading                  network address translation
  -i, --ipip                          tunnel
  -w, --weight NUMBER                 its share (1); 0 takes no new clients
  -x, --u-threshold NUMBER            no new connections above so many (0: no limit)
  -y, --l-threshold NUMBER            and again below so many
  --tun-type ipip|gue|gre             how packets are wrapped (ipip)
  --tun-port PORT                     where gue packets go
  --tun-nocsum --tun-csum --tun-remcsum

Lists:
  -n, --numeric                       numbers instead of names
  -c, --connection                    connections
  --stats --rate --thresholds --persistent-conn --tun-info
                                      other columns
  -X, --exact                         counters to the last digit
  --timeout                           connection time limits
  --daemon                            sync daemons
  --nosort                            in the kernel's order; --sort does nothing

Defaults of daemons: interface eth0, syncid 0, group 224.0.0.81, port 8848, ttl 1.
";
