use std::path::Path;

use super::*;

const GOOD: &str = "
apiVersion: v1
kind: Config
preferences: {}
current-context: lb@prod   # the one that counts
contexts:
- name: other
  context: { cluster: other, user: other }
- name: lb@prod
  context:
    cluster: prod
    user: lb
    namespace: shop
clusters:
- cluster:
    server: https://192.0.2.1:6443
    CLUSTER
  name: prod
users:
- name: lb
  user:
    USER
";

fn read(cluster: &str, user: &str) -> Result<Found, String> {
    let text = GOOD.replace("CLUSTER", cluster).replace("USER", user);
    found(&text, Path::new("/etc/kube"))
}

#[test]
fn what_the_current_context_says_counts() {
    let good = read("tls-server-name: kubernetes", "token: secret").unwrap();
    assert_eq!(good.server, "https://192.0.2.1:6443");
    assert_eq!(good.name.as_deref(), Some("kubernetes"));
    assert_eq!(good.token, Some(Content::Inline(b"secret".to_vec())));
    assert_eq!(
        (good.verify, good.authorities, good.client),
        (true, None, None)
    );
    let open = read("insecure-skip-tls-verify: true", "{}").unwrap();
    assert_eq!((open.verify, open.token), (false, None));
}

#[test]
fn files_are_relative_to_the_kubeconfig_and_what_is_in_it_comes_first() {
    let good = read(
        "certificate-authority: pki/ca.crt",
        "tokenFile: /run/token\n    token: old\n    client-certificate: a.crt\n    client-key: a.key",
    )
    .unwrap();
    let file = |path: &str| Content::File(path.into());
    assert_eq!(good.authorities, Some(file("/etc/kube/pki/ca.crt")));
    assert_eq!(good.token, Some(file("/run/token")));
    let client = (file("/etc/kube/a.crt"), file("/etc/kube/a.key"));
    assert_eq!(good.client, Some(client));
    let data = "certificate-authority: ca.crt\n    certificate-authority-data: UEVN";
    let good = read(data, "{}").unwrap();
    assert_eq!(good.authorities, Some(Content::Inline(b"PEM".to_vec())));
}

#[test]
fn json_is_a_kubeconfig_too() {
    let text = r#"{"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "c", "user": ""}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://[2001:db8::1]"}}], "users": null}"#;
    let good = found(text, Path::new("/")).unwrap();
    assert_eq!(good.server, "https://[2001:db8::1]");
}

#[test]
fn what_director_cannot_do_is_refused_with_its_name() {
    for (cluster, user, words) in [
        ("{}", "exec:\n      command: aws", "`exec` plugin"),
        ("{}", "auth-provider:\n      name: gcp", "`auth-provider`"),
        ("{}", "username: admin\n    password: secret", "password"),
        ("{}", "as: admin", "acts as another one"),
        ("proxy-url: http://proxy", "{}", "`proxy-url`"),
        ("{}", "client-certificate: a.crt", "needs its key"),
        (
            "{}",
            "client-key-data: '***'",
            "`client-key-data` is not base64",
        ),
        ("{}", "token: [1]", "not a kubeconfig"),
    ] {
        let cluster = if cluster == "{}" {
            "# nothing"
        } else {
            cluster
        };
        let why = read(cluster, user).unwrap_err();
        assert!(why.contains(words), "{why}");
        assert!(!why.contains("secret"), "{why}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (from, to, words) in [
        ("current-context: lb@prod", "", "no `current-context`"),
        (
            "current-context: lb@prod",
            "current-context: x",
            "no context `x`",
        ),
        ("    cluster: prod", "    cluster: y", "no cluster `y`"),
        ("    user: lb", "    user: z", "no user `z`"),
        ("    server: https://192.0.2.1:6443", "", "no `server`"),
        ("clusters:", "clusters: [", ""),
        ("apiVersion: v1", "\t: - :", ""),
    ] {
        let text = GOOD
            .replace("CLUSTER", "tls-server-name: a")
            .replace("USER", "token: b");
        assert!(text.contains(from), "{from}");
        let why = found(&text.replacen(from, to, 1), Path::new("/")).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
    let why = super::read(Path::new("/nowhere/config")).unwrap_err();
    assert!(why.contains("/nowhere/config: No such file"), "{why}");
}
