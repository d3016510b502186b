#!/bin/sh
# network.sh: a practice network on this machine.
#
#                               ┌── web1  10.0.0.11
#   client ───── director ──────┼── web2  10.0.0.12
#   192.0.2.1    192.0.2.10     └── web3  10.0.0.13
#
#   sh network.sh up            creates it; the servers route back through the director, as NAT needs
#   sh network.sh dr            prepares the servers for direct routing, and prints the commands
#   sh network.sh stop web2     stops the web server on web2
#   sh network.sh start web2    starts it again
#   sh network.sh restart web2  both, as a deployment does
#   sh network.sh traffic       sends requests until it is stopped, and counts those without an answer
#   sh network.sh traffic 2     the same, and each client waits two seconds between requests
#   sh network.sh down          removes everything
#
# Each host is a network namespace of that name, connected to one switch: `ip netns exec director bash`
# opens a shell on the director. The web servers answer a request with their name, and a request for
# /slow after half a minute, for /sleep/2 after two seconds. The machine's own network stays as it is.
#
# Needs root, iproute2 and perl.
set -eu

servers='web1 web2 web3'
hosts="client director $servers"

# Answers with its name. One process per connection, one connection per request. It goes into the
# background when it listens. (Every Debian and Ubuntu has Perl.)
# shellcheck disable=SC2016 # for perl to expand
web_server='
    use Socket;
    my ($name) = @ARGV;
    socket(my $listener, PF_INET, SOCK_STREAM, 0) or die "$name: socket: $!\n";
    setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1) or die "$name: SO_REUSEADDR: $!\n";
    bind($listener, sockaddr_in(80, INADDR_ANY)) or die "$name: port 80: $!\n";
    listen($listener, 128) or die "$name: listen: $!\n";
    exit if fork;
    open STDIN, "<", "/dev/null"; open STDOUT, ">", "/dev/null"; open STDERR, ">", "/dev/null";
    $SIG{CHLD} = "IGNORE";
    while (1) {
        accept(my $client, $listener) or next;
        if (fork) { close $client; next }
        close $listener;
        alarm 60;
        my $request = <$client> // exit;
        while (my $line = <$client>) { last if $line =~ /^\r?$/ }
        sleep 30 if $request =~ m{ /slow };
        sleep $1 if $request =~ m{ /sleep/([0-9]+) };
        print $client "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n$name\n";
        exit;
    }'

# Three clients: each asks again when it has an answer, on a new connection. A client looks whether to
# stop between two requests, so that it counts none as lost that it gave up itself.
# shellcheck disable=SC2016 # for perl to expand
clients='
    use Socket;
    my $service = sockaddr_in(80, inet_aton("192.0.2.10"));
    sub answered {
        my ($path) = @_;
        my $answer = "";
        eval {
            local $SIG{ALRM} = sub { die "timed out\n" };
            alarm 20;
            socket(my $server, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
            connect($server, $service) or die "connect: $!\n";
            send($server, "GET $path HTTP/1.0\r\n\r\n", 0) or die "send: $!\n";
            while (sysread $server, my $piece, 4096) { $answer .= $piece }
        };
        alarm 0;
        print "$path: $@" if $@;
        return $answer =~ /\nweb[0-9]\n$/;
    }
    $| = 1;
    my ($pause) = @ARGV;
    pipe my $stop, my $until or die;
    pipe my $counts, my $count or die;
    for my $path ("/", "/", "/sleep/2") {
        next if fork;
        close $until;
        $SIG{TERM} = $SIG{INT} = "IGNORE";
        my ($asked, $lost, $bits) = (0, 0, "");
        vec($bits, fileno $stop, 1) = 1;
        until (select my $stopped = $bits, undef, undef, $pause) {
            $asked++;
            answered($path) or $lost++;
        }
        syswrite $count, "$asked $lost\n";
        exit;
    }
    close $count;
    $SIG{TERM} = $SIG{INT} = sub { close $until };
    my ($asked, $lost) = (0, 0);
    while (<$counts>) { my @one = split; $asked += $one[0]; $lost += $one[1] }
    print "$asked requests\n$lost lost\n";'

start() {
    ip netns exec "$1" perl -e "$web_server" "$1"
}

stop() {
    ip netns pids "$1" | xargs -r kill 2>/dev/null || true
}

restart() {
    stop "$1"
    start "$1"
}

up() {
    for host in $hosts switch; do
        [ ! -e "/run/netns/$host" ] || die "there is a network namespace '$host' already (sh network.sh down)"
    done
    {
        echo netns add switch
        for host in $hosts; do
            echo "netns add $host"
            echo "link add $host netns switch type veth peer name eth0 netns $host"
        done
    } | ip -batch -
    {
        echo link add switch type bridge
        echo link set switch up
        for host in $hosts; do echo "link set $host master switch up"; done
    } | ip -n switch -batch -

    ip -n client -batch - <<END
link set lo up
link set eth0 up
address add 192.0.2.1/24 dev eth0
route add default via 192.0.2.2
END
    # 192.0.2.10 is the virtual address.
    ip -n director -batch - <<END
link set lo up
link set eth0 up
address add 192.0.2.2/24 dev eth0
address add 10.0.0.1/24 dev eth0
address add 192.0.2.10/32 dev eth0
END
    # With NAT the answers pass the director. All hosts are on one switch, so turn ICMP redirects off.
    ip netns exec director sysctl -qw net.ipv4.ip_forward=1 \
        net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
    last=11
    for server in $servers; do
        ip -n "$server" -batch - <<END
link set lo up
link set eth0 up
address add 10.0.0.$last/24 dev eth0
route add default via 10.0.0.1
END
        start "$server"
        last=$((last + 1))
    done
}

# What a real server needs for direct routing: it has the virtual address, but does not answer ARP for
# it or ask with it, and sends its answers straight to the clients.
direct_routing='sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
ip address add 192.0.2.10/32 dev lo
ip route add 192.0.2.0/24 dev eth0'

dr() {
    for server in $servers; do
        echo "$direct_routing" | ip netns exec "$server" sh -e
    done
    echo "On each of $servers:"
    echo "$direct_routing" | sed 's/^/    /'
}

down() {
    for host in $hosts switch; do
        [ -e "/run/netns/$host" ] || continue
        stop "$host"
        ip netns delete "$host"
    done
}

die() { echo "network.sh: $*" >&2; exit 1; }

case ${1:-} in
    up | dr | down) "$1" ;;
    traffic) exec ip netns exec client perl -e "$clients" "${2:-0.2}" ;;
    start | stop | restart)
        case " $servers " in
            *" ${2:-} "*) "$1" "$2" ;;
            *) die "$1 which server? There are $servers" ;;
        esac ;;
    *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
esac
