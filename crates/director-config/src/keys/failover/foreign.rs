//! Words of other programs.

/// How the file says what a word of keepalived's VRRP means, if one key's name does not.
pub(crate) fn keepalived(word: &str) -> Option<&'static str> {
    Some(match word {
        "state" => "VRRP elects by `priority`; a director starts as backup and listens",
        "nopreempt" => "preempt = false",
        "preempt_delay" => "preempt = { after = \"10s\" }",
        "authentication" | "auth_pass" | "auth_type" => "password = \"...\", with version = 2",
        "virtual_ipaddress_excluded" | "excluded" => {
            "addresses = [{ address = \"192.0.2.11\", advertised = false }]"
        }
        "track_interface" => "track = { interface = \"eth1\" }; `interface` itself is tracked",
        "track_file" => "track = { file = \"/run/maintenance\", step = 60 }",
        "track_script" | "track_process" | "vrrp_script" | "track_bfd" => {
            "health checks watch services: follow = { services = [\"web\"], step = 20 }, or \
             track = { service = \"web\" }"
        }
        "vrrp_sync_group" | "sync_group" => {
            "members = [{ id = 52, interface = \"eth1\", addresses = [\"10.0.0.1\"] }] in the \
             section"
        }
        "notify_master" => "notify = { command = \"...\", on = \"active\" }",
        "notify_backup" => "notify = { command = \"...\", on = \"backup\" }",
        "notify_fault" => "notify = { command = \"...\", on = \"fault\" }",
        "notify_stop" => "notify = { command = \"...\", on = \"stopped\" }",
        "lvs_sync_daemon" => "sync = \"eth1\", for both roles on all directors",
        "no_accept" => "accept = false",
        "use_vmac" | "vmac" => "virtual_mac = true",
        "vmac_xmit_base" => "remove it: adverts by unicast leave from the interface itself",
        "garp_master_delay" => "announce = { after = \"5s\" }",
        "garp_master_repeat" => "announce = { first = 5, second = 5 }",
        "garp_master_refresh" => "announce = { refresh = \"1m\" }",
        "dont_track_primary" | "strict_mode" | "vrrp_strict" | "skip_check_adv_addr" => {
            "director needs no such setting; remove it"
        }
        _ => return None,
    })
}
